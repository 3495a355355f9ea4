/** `npm run chaos`: breaks the pipelines and everything around them, run after run, and audits what they have stored. docs/reliability.md. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { list, wholeNumber } from '../helpers/command-arguments.ts';
import { Arena } from './arena.ts';
import { deal } from './deck.ts';
import type { Fault } from './fault.ts';
import { FAULTS } from './faults/all.ts';
import { isClean, markdownOf, Results, tabulate } from './results.ts';
import { selectionOf } from './selection.ts';
import { type Outcome, type Plan, runTrial } from './trial.ts';

interface Flags {
  readonly runs: number;
  readonly seed: number;
  readonly each: number;
  readonly workers: number;
  readonly only?: readonly string[];
  readonly run?: number;
  readonly selection?: true;
  readonly data?: string;
  readonly list?: true;
}

/** As of the commands: DESIGN's table of exit codes. */
const EXIT = { failed: 1, usage: 2, discrepancy: 3 } as const;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

const program = new Command('chaos')
  .description('Breaks the pipelines and the services around them, and audits what they have stored.')
  .option(
    '--runs <n>',
    'how many runs; with --data those that ended clean before are not run again',
    wholeNumber,
    20,
  )
  .option('--seed <n>', 'decides faults, load and moments as far as chance is ours', wholeNumber, 1)
  .option('--each <n>', 'faults in a run', wholeNumber, 3)
  .option('--workers <n>', 'stacks on which runs go on side by side', wholeNumber, 1)
  .option('--only <faults>', 'faults whose name contains one of these, separated by commas', list)
  .option('--run <n>', 'only this run of the series', number)
  .option('--selection', 'every kind of fault once, a few minutes in all: what CI runs')
  .option('--data <dir>', 'keep stack and results here, and take a series up again')
  .option('--list', 'print the names of the faults')
  .action(chaos);

async function chaos(flags: Flags): Promise<void> {
  const faults = chosen(flags);
  if (flags.list === true) {
    process.stdout.write(faults.map(({ name }) => `${name}\n`).join(''));
    return;
  }
  const plans = flags.selection === true ? selectionOf(faults, flags.seed) : deal({ ...flags, faults });
  const dataDir =
    flags.data === undefined ? await mkdtemp(join(tmpdir(), 'campaign-ledger-chaos-')) : resolve(flags.data);
  await mkdir(dataDir, { recursive: true });
  const results = new Results(join(dataDir, 'runs.jsonl'));
  const asked = plans.filter(({ run }) => (flags.run ?? run) === run);
  const due = asked.filter(({ run }) => !results.has(run));
  say(`${due.length} of ${plans.length} runs to go, data in ${dataDir}`);
  const series = new Series({ due, results, dataDir, flags, total: plans.length });
  const begun = performance.now();
  await series.run();
  const minutes = (performance.now() - begun) / 60_000;
  const met = new Set(asked.flatMap((plan) => plan.faults.map(({ name }) => name)));
  const rows = tabulate(
    faults.filter(({ name }) => met.has(name)),
    results.outcomes,
  );
  const dirty = [...new Map(results.outcomes.map((one) => [one.run, one])).values()].filter(
    (outcome) => !isClean(outcome),
  );
  const table = markdownOf(rows);
  await writeFile(join(dataDir, 'table.md'), `${table}\n`);
  process.stdout.write(`${table}\n`);
  const hits = rows.reduce((sum, row) => sum + row.hits, 0);
  const dull = rows.filter(({ bit, notRun }) => bit === 0 && notRun === null).map(({ fault }) => fault);
  say(`${minutes.toFixed(1)} minutes, ${hits} kills of a service with a write under way`);
  if (dull.length > 0) say(`never bit: ${dull.join(', ')}`);
  for (const { run } of dirty) say(`run ${run} did not end clean: ${repeat(flags, run)}`);
  const isWell = dirty.length === 0 && dull.length === 0 && !series.isStopped;
  if (isWell && flags.data === undefined) await rm(dataDir, { recursive: true, force: true });
  if (!isWell) process.exitCode = series.isStopped ? EXIT.failed : EXIT.discrepancy;
}

interface SeriesOptions {
  readonly due: readonly Plan[];
  readonly results: Results;
  readonly dataDir: string;
  readonly flags: Flags;
  readonly total: number;
}

/** Runs side by side, each worker on a stack of its own. */
class Series {
  readonly #options: SeriesOptions;
  readonly #due: Plan[];
  isStopped = false;

  constructor(options: SeriesOptions) {
    this.#options = options;
    this.#due = [...options.due];
  }

  async run(): Promise<void> {
    const stop = () => {
      say('stopping after the runs under way; again to stop at once');
      this.isStopped = true;
      for (const signal of SIGNALS) process.on(signal, () => process.exit(EXIT.failed));
    };
    for (const signal of SIGNALS) process.once(signal, stop);
    const count = Math.min(this.#options.flags.workers, this.#due.length);
    await Promise.all(Array.from({ length: count }, (_, worker) => this.#work(worker)));
    for (const signal of SIGNALS) process.off(signal, stop);
  }

  async #work(worker: number): Promise<void> {
    const arena = await Arena.open(join(this.#options.dataDir, `stack-${worker}`));
    let isKept = false;
    try {
      for (let plan = this.#due.shift(); plan !== undefined && !this.isStopped; plan = this.#due.shift()) {
        const outcome = await this.#one(arena, plan);
        isKept ||= !isClean(outcome);
      }
    } finally {
      // What a run that failed has left is for people to look at.
      await (isKept ? arena.keep() : arena[Symbol.asyncDispose]());
    }
  }

  async #one(arena: Arena, plan: Plan): Promise<Outcome> {
    const { results, flags, total } = this.#options;
    const { outcome, trial } = await runTrial({
      arena,
      plan,
      say: (line) => say(`run ${plan.run}: ${line}`),
    });
    results.add(outcome);
    const verdict = isClean(outcome) ? 'clean' : 'NOT CLEAN';
    say(
      `run ${plan.run} (${results.outcomes.length} of ${total}), ${plan.mode}: ${verdict}, ${outcome.records} records, ${outcome.ms} ms`,
    );
    if (isClean(outcome)) {
      await trial.ledger[Symbol.asyncDispose]();
      return outcome;
    }
    await trial.ledger.leave();
    if (outcome.failure !== null) say(outcome.failure);
    for (const { text } of outcome.findings.slice(0, 30)) say(`  ${text}`);
    say(
      `  its database is ${trial.ledger.config.clickhouse.database}, its logs are in ${trial.ledger.folder}`,
    );
    say(`  again: ${repeat(flags, plan.run)}`);
    return outcome;
  }
}

function chosen({ only }: Flags): readonly Fault[] {
  if (only === undefined) return FAULTS;
  const faults = FAULTS.filter(({ name }) => only.some((part) => name.includes(part)));
  if (faults.length > 0) return faults;
  say(`--only ${only.join(',')}: no fault is named so; --list prints the names`);
  process.exit(EXIT.usage);
}

function repeat({ runs, seed, each, only, selection }: Flags, run: number): string {
  const words = [
    'npm run chaos --',
    ...(selection === true ? ['--selection'] : [`--runs ${runs} --each ${each}`]),
  ];
  if (only !== undefined) words.push(`--only '${only.join(',')}'`);
  return [...words, `--seed ${seed} --run ${run}`].join(' ');
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function number(text: string): number {
  if (!/^\d{1,8}$/.test(text)) throw new InvalidArgumentError('must be a whole number.');
  return Number(text);
}

try {
  await program.parseAsync();
} catch (error) {
  say(`chaos: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  process.exitCode = EXIT.failed;
}
