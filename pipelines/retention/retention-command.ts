/** `retention`: what leaves ClickHouse, what would, and why the rest does not. */
import type { Command } from 'commander';
import { type CommandContext, withConfig } from '../command-context.ts';

interface JsonOption {
  readonly json?: true;
}

/** A run by hand waits for one that is under way. */
const WAIT_MS = 60_000;
const RETRIES = 8;

export function registerRetentionCommands(program: Command): void {
  const retention = program
    .command('retention')
    .description('what leaves ClickHouse by time and space, and why the rest does not');
  retention
    .command('run')
    .description('export days that are due to the cold tier, then let them go')
    .option('--json', 'the result as one JSON object')
    .action(withConfig(run));
  retention
    .command('plan')
    .description('print what a run would let go and why, or why not; changes nothing')
    .option('--json', 'one JSON object')
    .action(withConfig(plan));
  retention
    .command('status')
    .description('print what is where: tables, cold tier, days that are held back')
    .option('--json', 'one JSON object')
    .action(withConfig(status));
}

async function run(context: CommandContext, { json }: JsonOption): Promise<void> {
  const { runRetentionOnce } = await import('./run-once.ts');
  const result = await runRetentionOnce(context, {
    waitMs: WAIT_MS,
    retries: RETRIES,
    onWait: (holder) => process.stderr.write(`campaign-ledger: waiting for another run: ${holder}\n`),
  });
  if (json) print((await import('./plan-json.ts')).resultJson(result, context.config));
  else process.stdout.write((await import('./plan-text.ts')).resultText(result, context.config));
}

async function plan(context: CommandContext, { json }: JsonOption): Promise<void> {
  const look = await lookWith(context);
  if (json) print((await import('./plan-json.ts')).planJson(look, context.config));
  else process.stdout.write((await import('./plan-text.ts')).planText(look, context.config));
}

async function status(context: CommandContext, { json }: JsonOption): Promise<void> {
  const { readStatus, statusJson, statusText } = await import('./status.ts');
  const { withRetentionContext } = await import('./run-once.ts');
  const found = await withRetentionContext(context, readStatus);
  if (json) print(statusJson(found, context.config));
  else process.stdout.write(statusText(found, context.config));
}

async function lookWith(context: CommandContext) {
  const [{ withRetentionContext }, { lookAround, readCheckedManifest }] = await Promise.all([
    import('./run-once.ts'),
    import('./look.ts'),
  ]);
  return withRetentionContext(context, async (own) =>
    lookAround(own, (await readCheckedManifest(own)).manifest),
  );
}

function print(json: object): void {
  process.stdout.write(`${JSON.stringify(json)}\n`);
}
