/** `npm run bench`: measures the pipelines on a local stack of its own; docs/performance.md says what and why. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type RunningStack, startStack } from '../../deploy/local/stack/start-stack.ts';
import { runMainSuite, type SuiteOptions, type SuiteResult } from './main-suite.ts';
import { resultJson, resultTables } from './results.ts';
import { killSubjects } from './subject.ts';

interface Flags {
  readonly suite: keyof typeof SUITES;
  readonly events: number;
  readonly runs: number;
  readonly only?: readonly string[];
  readonly data?: string;
  readonly cpuProf?: string;
}

const SUITES = { main: runMainSuite } as const satisfies Record<
  string,
  (options: SuiteOptions) => Promise<SuiteResult>
>;

/** As of the commands: DESIGN's table of exit codes. */
const EXIT = { failed: 1, discrepancy: 3 } as const;

const program = new Command('bench')
  .description('Measures the pipelines against yardsticks, on a local stack of its own.')
  .addOption(new Option('--suite <name>', 'what to measure').choices(Object.keys(SUITES)).default('main'))
  .option('--events <n>', 'records of feedback', wholeNumber, 1_000_000)
  .option('--runs <n>', 'rounds, each of which measures everyone once', wholeNumber, 3)
  .option('--only <names>', 'measure only these: bare,archive,tracking,kafka-engine,naive,profiles', list)
  .option('--data <dir>', 'keep the stack and what was produced here, and use it again')
  .option('--cpu-prof <dir>', 'leave a V8 CPU profile of each process here')
  .action(bench);

async function bench(flags: Flags): Promise<void> {
  const begun = performance.now();
  // Measured is what config/default.yaml says, whatever this terminal is set up for.
  for (const name of Object.keys(process.env)) {
    if (name.startsWith('CAMPAIGN_LEDGER_')) delete process.env[name];
  }
  const { events, runs, suite } = flags;
  await using place = await Place.open(flags.data);
  const profileDir = flags.cpuProf === undefined ? null : resolve(flags.cpuProf);
  if (profileDir !== null) await mkdir(profileDir, { recursive: true });
  const { rounds, discrepancies } = await SUITES[suite]({
    stack: place.stack,
    events,
    rounds: runs,
    only: flags.only ?? null,
    profileDir,
    say,
  });
  say(resultTables(rounds));
  for (const discrepancy of discrepancies) say(`does not count: ${discrepancy}`);
  const seconds = Math.round((performance.now() - begun) / 1000);
  process.stdout.write(`${JSON.stringify(resultJson(rounds, { suite, events, runs, seconds }))}\n`);
  if (discrepancies.length > 0) process.exitCode = EXIT.discrepancy;
}

/** The running stack and its directory; gone with everything in it at the end, also at Ctrl-C. */
class Place implements AsyncDisposable {
  readonly stack: RunningStack;
  readonly #isKept: boolean;
  #closed: Promise<void> | undefined;

  private constructor(stack: RunningStack, isKept: boolean) {
    this.stack = stack;
    this.#isKept = isKept;
  }

  static async open(data: string | undefined): Promise<Place> {
    const dataDir =
      data === undefined ? await mkdtemp(join(tmpdir(), 'campaign-ledger-bench-')) : resolve(data);
    say(`starting the local stack in ${dataDir}`);
    // Ctrl-C before it runs: its parts end with this process, and the directory goes with them.
    const discard = () => data === undefined && rm(dataDir, { recursive: true, force: true });
    const interrupt = () => void Promise.resolve(discard()).finally(() => process.exit(EXIT.failed));
    for (const signal of SIGNALS) process.on(signal, interrupt);
    const stack = await startStack({ dataDir }).catch(async (error: unknown) => {
      await discard();
      throw error;
    });
    for (const signal of SIGNALS) process.off(signal, interrupt);
    const place = new Place(stack, data !== undefined);
    for (const signal of SIGNALS) {
      process.on(signal, () => {
        say(`\n${signal}: stopping the stack`);
        void place[Symbol.asyncDispose]().finally(() => process.exit(EXIT.failed));
      });
    }
    return place;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    killSubjects();
    await this.stack.stop();
    if (!this.#isKept) await rm(this.stack.dataDir, { recursive: true, force: true });
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('must be a whole number above 0.');
  return Number(text);
}

function list(text: string): readonly string[] {
  return text.split(',').map((name) => name.trim());
}

try {
  await program.parseAsync();
} catch (error) {
  // What failed first, not what failed while everything was being put away because of it.
  const cause = error instanceof SuppressedError ? error.suppressed : error;
  say(`bench: ${cause instanceof Error ? cause.message : String(cause)}`);
  process.exitCode = EXIT.failed;
}
