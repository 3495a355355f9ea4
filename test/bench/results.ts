/** What the benchmark prints: a table for people, one JSON object for machines. */
import Table from 'cli-table3';
import { colors } from '../../pipelines/common/colors.ts';
import { cpuOf, type Figure, figuresOf, isMet, medianOf, PIPELINES, type Round, rateOf } from './figures.ts';

export interface RunDescription {
  readonly suite: string;
  readonly events: number;
  readonly runs: number;
  readonly seconds: number;
}

function subjectsOf(rounds: readonly Round[]): readonly string[] {
  return [...new Set(rounds.flatMap((round) => Object.keys(round)))].sort();
}

export function resultTables(rounds: readonly Round[]): string {
  const style = colors.isColorSupported ? { head: ['bold'], border: ['dim'] } : { head: [], border: [] };
  const subjects = new Table({
    head: ['medians', 'records/s', 'CPU us/record', 'of it ClickHouse', 'peak RSS MB'],
    colAligns: ['left', 'right', 'right', 'right', 'right'],
    style,
  });
  for (const subject of subjectsOf(rounds)) {
    const peaks = rounds.flatMap(({ [subject]: one }) => one?.peakRssMb ?? []);
    subjects.push([
      subject,
      Math.round(medianOf(rounds, subject, rateOf) ?? 0).toLocaleString('en-US'),
      (medianOf(rounds, subject, cpuOf) ?? 0).toFixed(1),
      (medianOf(rounds, subject, ({ clickHouseCpu }) => clickHouseCpu) ?? 0).toFixed(1),
      peaks.length === 0 ? '' : Math.round(Math.max(...peaks)),
    ]);
  }
  return `${subjects.toString()}\n${figureTable(figuresOf(rounds))}`;
}

export function figureTable(figures: readonly Figure[]): string {
  const style = colors.isColorSupported ? { head: ['bold'], border: ['dim'] } : { head: [], border: [] };
  const table = new Table({
    head: ['figure', 'value', 'aim', ''],
    colAligns: ['left', 'right', 'right', 'left'],
    style,
  });
  for (const figure of figures) table.push(figureRow(figure));
  return table.toString();
}

function figureRow(figure: Figure): string[] {
  const { name, value, aim } = figure;
  const met = isMet(figure);
  return [
    name,
    value === null ? '' : shown(name, value),
    aim === null ? '' : 'atLeast' in aim ? `≥ ${aim.atLeast}` : `≤ ${aim.atMost}`,
    value === null ? 'not measured' : met === null ? '' : met ? colors.green('met') : colors.red('missed'),
  ];
}

const isMegabytes = (name: string) => name.startsWith('peak_rss_mb');

/** What is far from one is no ratio. */
function shown(name: string, value: number): string {
  if (isMegabytes(name) || value >= 100) return value.toFixed(0);
  return value < 0.1 ? value.toPrecision(2) : value.toFixed(2);
}

export function resultJson(rounds: readonly Round[], description: RunDescription): Record<string, unknown> {
  const figures = figuresOf(rounds);
  const bySubject = (digits: number, of: (subject: string) => number | null) =>
    Object.fromEntries(
      subjectsOf(rounds).map((subject) => [subject.replaceAll('-', '_'), rounded(of(subject), digits)]),
    );
  const ratios = figures.filter(({ name }) => !isMegabytes(name));
  return {
    ...description,
    ...Object.fromEntries(ratios.map(({ name, value }) => [name, rounded(value, 3)])),
    peak_rss_mb: Object.fromEntries(
      PIPELINES.map((pipeline) => [
        pipeline,
        rounded(figures.find(({ name }) => name === `peak_rss_mb.${pipeline}`)?.value ?? null, 0),
      ]),
    ),
    missed: figures.filter((figure) => isMet(figure) === false).map(({ name }) => name),
    records_per_second: bySubject(0, (subject) => medianOf(rounds, subject, rateOf)),
    cpu_us_per_record: bySubject(2, (subject) => medianOf(rounds, subject, cpuOf)),
  };
}

/** Of a suite without rounds. */
export function figuresJson(figures: readonly Figure[]): Record<string, unknown> {
  return {
    ...Object.fromEntries(
      figures.map(({ name, value }) => [name, value === null ? null : Number(value.toPrecision(4))]),
    ),
    missed: figures.filter((figure) => isMet(figure) === false).map(({ name }) => name),
  };
}

function rounded(value: number | null, digits: number): number | null {
  return value === null ? null : Number(value.toFixed(digits));
}
