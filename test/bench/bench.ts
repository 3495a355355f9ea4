/** `npm run bench`: measures the pipelines on a local stack of its own; docs/performance.md says what and why. */
import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { list, wholeNumber } from '../helpers/command-arguments.ts';
import { StackPlace } from '../helpers/stack-place.ts';
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
  await using place = await StackPlace.open({
    program: 'bench',
    data: flags.data ?? null,
    say,
    killUsers: killSubjects,
  });
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

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

try {
  await program.parseAsync();
} catch (error) {
  // What failed first, not what failed while everything was being put away because of it.
  const cause = error instanceof SuppressedError ? error.suppressed : error;
  say(`bench: ${cause instanceof Error ? cause.message : String(cause)}`);
  process.exitCode = EXIT.failed;
}
