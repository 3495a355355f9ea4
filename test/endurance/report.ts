/** The figures of an endurance run: a table for people, one JSON object for machines. */
import Table from 'cli-table3';
import { colors } from '../../pipelines/common/colors.ts';
import { type Finding, holds } from './finding.ts';

export interface ScenarioReport {
  readonly scenario: string;
  readonly seconds: number;
  readonly findings: readonly Finding[];
  /** Why it could not be carried to its end; null when it was. */
  readonly failure: string | null;
}

export interface RunDescription {
  readonly events: number;
  readonly minutes: number;
  readonly seed: number;
}

export function isClean(reports: readonly ScenarioReport[]): boolean {
  return reports.every(({ findings, failure }) => failure === null && findings.every(holds));
}

export function reportTable(reports: readonly ScenarioReport[]): string {
  const style = colors.isColorSupported ? { head: ['bold'], border: ['dim'] } : { head: [], border: [] };
  const table = new Table({
    head: ['scenario', 'figure', 'value', 'bound', ''],
    colAligns: ['left', 'left', 'right', 'right', 'left'],
    style,
  });
  for (const { scenario, findings, failure } of reports) {
    for (const finding of findings) table.push([scenario, ...rowOf(finding)]);
    if (failure !== null) table.push([scenario, failure.split('\n')[0] ?? '', '', '', colors.red('failed')]);
  }
  return table.toString();
}

export function reportJson(
  reports: readonly ScenarioReport[],
  { events, minutes, seed }: RunDescription,
): object {
  return {
    events,
    minutes,
    seed,
    clean: isClean(reports),
    scenarios: reports.map(({ findings, ...report }) => ({
      ...report,
      findings: findings.map((finding) => ({ ...finding, holds: holds(finding) })),
    })),
  };
}

/** As it is said while the run goes on. */
export function findingLine(finding: Finding): string {
  const [what, value, bound, verdict] = rowOf(finding);
  return `   ${what}: ${value}${bound === '' ? '' : ` (${bound}, ${verdict})`}`;
}

function rowOf(finding: Finding): [string, string, string, string] {
  const { what, value, unit, bound } = finding;
  const amount = (number: number) =>
    `${Number(number.toFixed(number < 100 && !Number.isInteger(number) ? 2 : 0)).toLocaleString('en-US')} ${unit}`;
  if (bound === null) return [what, amount(value), '', ''];
  const limit = 'atMost' in bound ? `≤ ${amount(bound.atMost)}` : `= ${amount(bound.exactly)}`;
  return [what, amount(value), limit, holds(finding) ? colors.green('holds') : colors.red('broken')];
}
