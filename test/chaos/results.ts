/** What came of the runs: kept line by line, so that a series can be taken up again, and told as a table. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import type { Finding } from '../helpers/findings.ts';
import type { Fault } from './fault.ts';
import type { Outcome } from './trial.ts';

/** One line of the table. */
export interface FaultRow {
  readonly fault: string;
  readonly runs: number;
  readonly bit: number;
  readonly hits: number;
  readonly lost: number;
  readonly doubled: number;
  readonly otherwise: number;
  /** Why it was not run at all, where it was not. */
  readonly notRun: string | null;
}

export const isClean = ({ failure, findings }: Outcome) => failure === null && findings.length === 0;

export class Results {
  readonly #file: string;
  readonly outcomes: Outcome[];

  /** @param file one outcome a line; what is in it already is taken up */
  constructor(file: string) {
    this.#file = file;
    const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
    this.outcomes = lines.filter((line) => line.endsWith('}')).map((line) => JSON.parse(line) as Outcome);
  }

  has(run: number): boolean {
    return this.outcomes.some((outcome) => outcome.run === run && isClean(outcome));
  }

  add(outcome: Outcome): void {
    this.outcomes.push(outcome);
    appendFileSync(this.#file, `${JSON.stringify(outcome)}\n`);
  }
}

const LOST: readonly Finding['kind'][] = ['missing'];
const DOUBLED: readonly Finding['kind'][] = ['twice', 'unexpected'];

const count = (outcome: Outcome, kinds: readonly Finding['kind'][]) =>
  outcome.findings.filter(({ kind }) => kinds.includes(kind)).length;

/** @param outcomes of one run the last counts: a run may have been taken up again */
export function tabulate(faults: readonly Pick<Fault, 'name'>[], outcomes: readonly Outcome[]): FaultRow[] {
  const last = [...new Map(outcomes.map((outcome) => [outcome.run, outcome])).values()];
  return faults.map(({ name }) => {
    const met = last.flatMap((outcome) =>
      outcome.faults.filter(({ fault }) => fault === name).map((struck) => ({ outcome, struck })),
    );
    const sum = (of: (one: (typeof met)[number]) => number) => met.reduce((all, one) => all + of(one), 0);
    const notRun = met.find(({ struck }) => struck.notRun !== undefined)?.struck.notRun ?? null;
    return {
      fault: name,
      runs: met.length,
      bit: met.filter(({ struck }) => struck.bit).length,
      hits: sum(({ struck }) => struck.hits ?? 0),
      lost: sum(({ outcome }) => count(outcome, LOST)),
      doubled: sum(({ outcome }) => count(outcome, DOUBLED)),
      otherwise: sum(
        ({ outcome }) =>
          outcome.findings.length -
          count(outcome, LOST) -
          count(outcome, DOUBLED) +
          (outcome.failure === null ? 0 : 1),
      ),
      notRun,
    };
  });
}

export function markdownOf(rows: readonly FaultRow[]): string {
  const lines = rows.map(({ fault, runs, bit, hits, lost, doubled, otherwise, notRun }) =>
    notRun === null
      ? `| ${fault} | ${runs} | ${bit} | ${hits || ''} | ${lost} | ${doubled} | ${otherwise} |`
      : `| ${fault} | not run: ${notRun} | | | | | |`,
  );
  return [
    '| fault | runs | bit | killed in a write | lost | doubled | other |',
    '|---|--:|--:|--:|--:|--:|--:|',
    ...lines,
  ].join('\n');
}
