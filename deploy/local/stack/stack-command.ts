/** `stack up|down|status`: the local stack from the command line. */
import { resolve } from 'node:path';
import Table from 'cli-table3';
import type { Command } from 'commander';
import { EXIT, withExitCode } from '../../../pipelines/command-context.ts';
import { registerSeedCommand } from '../world/seed-command.ts';
import type { PartName, StackState } from './stack-state.ts';
import type { PartStatus, StackStatus } from './stack-status.ts';
import type { RunningStack } from './start-stack.ts';

const DATA = ['--data <dir>', 'where the stack keeps its data, logs and config.yaml'] as const;

export function registerStackCommands(program: Command): void {
  const stack = program
    .command('stack')
    .description('run Kafka, ClickHouse, Azure Blob and a schema registry on this machine');
  stack
    .command('up')
    .description('start the stack and stop it at Ctrl-C; data that is there is kept')
    .requiredOption(...DATA)
    .option('--detach', 'return when the stack is up and leave it running; `stack down` ends it')
    .action((options: { data: string; detach?: true }) =>
      withExitCode(async () => {
        await up(resolve(options.data), { isDetached: options.detach === true });
        return EXIT.ok;
      }),
    );
  stack
    .command('down')
    .description('stop the stack; its data stays')
    .requiredOption(...DATA)
    .action((options: { data: string }) =>
      withExitCode(async () => {
        const dataDir = resolve(options.data);
        const { stopStack } = await import('./stop-stack.ts');
        const wasRunning = await stopStack(dataDir);
        say(wasRunning ? `the stack on ${dataDir} is stopped` : `no stack is running on ${dataDir}`);
        return EXIT.ok;
      }),
    );
  stack
    .command('status')
    .description('ask each part to do a real piece of work; exit 1 unless all of them can')
    .requiredOption(...DATA)
    .option('--json', 'print JSON')
    .action((options: { data: string; json?: true }) =>
      withExitCode(async () => {
        const dataDir = resolve(options.data);
        const { stackStatus } = await import('./stack-status.ts');
        const status = await stackStatus(dataDir);
        if (options.json === true) process.stdout.write(`${JSON.stringify(status, null, 2)}\n`);
        else if (status.isRunning) process.stdout.write(`${statusTable(status)}\n`);
        else say(`no stack is running on ${dataDir}`);
        return status.isRunning && status.parts.every(({ isReady }) => isReady) ? EXIT.ok : EXIT.failed;
      }),
    );
  registerSeedCommand(stack);
}

async function up(dataDir: string, { isDetached }: { isDetached: boolean }): Promise<void> {
  const [{ startStack }, { readState }, { shownAddress }, { ownerOf, StackIsRunning }] = await Promise.all([
    import('./start-stack.ts'),
    import('./stack-state.ts'),
    import('./part-specs.ts'),
    import('./stack-lock.ts'),
  ]);
  const addresses = (state: StackState) =>
    state.parts.map((name) => `  ${name.padEnd(10)}  ${shownAddress(state, name)}`).join('\n');
  const onReady = (name: PartName, tookMs: number) =>
    say(
      `${name.padEnd(10)}  ready in ${seconds(tookMs).padStart(6)}  ${shownAddress(readState(dataDir), name)}`,
    );

  const begun = performance.now();
  let stack: RunningStack | null = null;
  try {
    const owner = ownerOf(dataDir);
    if (owner !== null) throw new StackIsRunning(dataDir, owner);
    if (isDetached) {
      const { startDetached } = await import('./detach.ts');
      await startDetached({ dataDir, onReady });
    } else {
      const { createLogger } = await import('../../../pipelines/common/logger.ts');
      const logger = createLogger({ level: 'info', format: 'auto' });
      stack = await startStack({ dataDir, logger, role: 'command', onReady });
    }
  } catch (error) {
    if (error instanceof StackIsRunning) {
      throw new Error(`${error.message}\n${addresses(readState(dataDir))}`, { cause: error });
    }
    throw error;
  }
  const { configFileOf } = await import('./stack-config.ts');
  say(
    `up in ${seconds(performance.now() - begun)}; logs are in ${dataDir}/logs; configuration for every command:`,
  );
  process.stdout.write(`${configFileOf(dataDir)}\n`);
  if (stack === null) {
    say(`it goes on running; to end it: campaign-ledger stack down --data ${dataDir}`);
    return;
  }
  const { untilToldToEnd } = await import('./until-told-to-end.ts');
  say('Ctrl-C ends it');
  await untilToldToEnd(['SIGINT', 'SIGTERM', 'SIGHUP']);
  say('stopping');
  await stack.stop();
}

function statusTable({ parts }: StackStatus): string {
  const table = new Table({
    head: ['part', 'state', 'address', 'pid', 'memory'],
    style: { head: [], border: [] },
  });
  for (const part of parts)
    table.push([part.name, stateOf(part), part.address, part.pid ?? '', memoryOf(part)]);
  return table.toString();
}

function stateOf({ isReady, fault }: PartStatus): string {
  return isReady ? 'ready' : `not ready: ${fault}`;
}

function memoryOf({ residentBytes }: PartStatus): string {
  return residentBytes === null ? '' : `${Math.round(residentBytes / 1024 / 1024)} MiB`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
