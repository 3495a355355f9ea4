/** `npm run bench`: measures the pipelines on a local stack of its own; docs/performance.md says what and why. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { list, wholeNumber } from '../helpers/command-arguments.ts';
import { StackPlace } from '../helpers/stack-place.ts';
import { runColdSuite } from './cold-suite.ts';
import { runMainSuite } from './main-suite.ts';
import { runReportSuite } from './report-suite.ts';
import { figuresJson, figureTable, resultJson, resultTables } from './results.ts';
import { killSubjects } from './subject.ts';

interface Flags {
  readonly suite: keyof typeof SUITES;
  readonly events: number;
  readonly runs: number;
  readonly days?: number;
  readonly eventsPerDay?: number;
  readonly users?: number;
  readonly reports?: number;
  readonly only?: readonly string[];
  readonly data?: string;
  readonly cpuProf?: string;
}

/** What a suite has to say: tables for people, figures for the last line, and what does not count. */
interface Outcome {
  readonly tables: string;
  readonly json: (seconds: number) => Record<string, unknown>;
  readonly discrepancies: readonly string[];
}

const SUITES = { main: mainSuite, cold: coldSuite, report: reportSuite } as const satisfies Record<
  string,
  (place: StackPlace, flags: Flags) => Promise<Outcome>
>;

/** As of the commands: DESIGN's table of exit codes. */
const EXIT = { failed: 1, discrepancy: 3 } as const;

const program = new Command('bench')
  .description('Measures the pipelines against yardsticks, on a local stack of its own.')
  .addOption(new Option('--suite <name>', 'what to measure').choices(Object.keys(SUITES)).default('main'))
  .option('--events <n>', 'main: records of feedback', wholeNumber, 1_000_000)
  .option('--runs <n>', 'main: rounds, each of which measures everyone once', wholeNumber, 3)
  .option('--days <n>', 'cold, report: days of events (default: 100, for reports 50)', wholeNumber)
  .option(
    '--events-per-day <n>',
    'cold, report: events of a day (default: 100,000, for reports 400,000)',
    wholeNumber,
  )
  .option('--users <n>', 'cold, report: users (default: 20,000, for reports 200,000)', wholeNumber)
  .option(
    '--reports <n>',
    'cold: reports on each user that are measured (default: 15); report: users (default: 200)',
    wholeNumber,
  )
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
  await using place = await StackPlace.open({
    program: 'bench',
    data: flags.data ?? null,
    say,
    killUsers: killSubjects,
  });
  const { tables, json, discrepancies } = await SUITES[flags.suite](place, flags);
  say(tables);
  for (const discrepancy of discrepancies) say(`does not count: ${discrepancy}`);
  const seconds = Math.round((performance.now() - begun) / 1000);
  process.stdout.write(`${JSON.stringify(json(seconds))}\n`);
  if (discrepancies.length > 0) process.exitCode = EXIT.discrepancy;
}

async function mainSuite({ stack }: StackPlace, flags: Flags): Promise<Outcome> {
  const { suite, events, runs, only = null, cpuProf } = flags;
  const profileDir = cpuProf === undefined ? null : resolve(cpuProf);
  if (profileDir !== null) await mkdir(profileDir, { recursive: true });
  const options = { stack, events, rounds: runs, only, profileDir, say };
  const { rounds, discrepancies } = await runMainSuite(options);
  return {
    tables: resultTables(rounds),
    json: (seconds) => resultJson(rounds, { suite, events, runs, seconds }),
    discrepancies,
  };
}

async function coldSuite({ stack }: StackPlace, flags: Flags): Promise<Outcome> {
  const { suite, days = 100, eventsPerDay = 100_000, users = 20_000, reports = 15 } = flags;
  const sizes = { days, eventsPerDay, users, reports };
  const { configFile } = stack;
  const { figures, facts, discrepancies } = await runColdSuite({ configFile, ...sizes, say });
  return {
    tables: figureTable(figures),
    json: (seconds) => ({ suite, ...sizes, seconds, ...figuresJson(figures), ...facts }),
    discrepancies,
  };
}

async function reportSuite({ stack }: StackPlace, flags: Flags): Promise<Outcome> {
  const { suite, days = 50, eventsPerDay = 400_000, users = 200_000, reports = 200 } = flags;
  const sizes = { days, eventsPerDay, users, reports };
  const { configFile } = stack;
  const folder = await mkdtemp(join(tmpdir(), 'bench-report-'));
  try {
    const { figures, facts, discrepancies } = await runReportSuite({ configFile, folder, ...sizes, say });
    return {
      tables: figureTable(figures),
      json: (seconds) => ({ suite, ...sizes, seconds, ...figuresJson(figures), ...facts }),
      discrepancies,
    };
  } finally {
    await rm(folder, { recursive: true });
  }
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
