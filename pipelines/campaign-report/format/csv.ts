/** The campaign's report as CSV (RFC 4180): every row says which part of the report it is, and has the same columns. */
import { stringify } from 'csv-stringify/sync';
import { formulaSafe } from '../../common/formula-safe.ts';
import { FIGURE_NAMES, type FigureName, RATE_NAMES, type Rates } from '../figures.ts';
import { type Group, OTHERS } from '../group.ts';
import type { Breakdown, CampaignReport } from '../report.ts';

export const CSV_COLUMNS = [
  'tenant_id',
  'campaign_id',
  'campaign_name',
  'from',
  'to',
  'by',
  'complete_from',
  'is_partial',
  'part',
  'hour',
  'status',
  'type',
  'value',
  'today_status',
  'today_type',
  'today_value',
  ...FIGURE_NAMES,
  ...RATE_NAMES,
] as const;

type Part = 'total' | 'send_hour' | 'event_hour' | 'at_send' | 'today' | 'flow';
type Cell = string | number | boolean | null;

interface PartRow {
  readonly part: Part;
  readonly hour?: string;
  /** At the send, or of the only side that the row is of. */
  readonly group?: Group;
  readonly today?: Group;
  readonly figures: Readonly<Partial<Record<FigureName, number | null>>>;
  readonly rates?: Rates;
}

const LINES_AT_ONCE = 500;

export function* formatCsv(report: CampaignReport): Generator<string> {
  const { report: header } = report;
  const first: Cell[] = [
    header.tenant_id,
    header.campaign_id,
    header.campaign?.name ?? null,
    header.from,
    header.to,
    header.by,
    header.complete_from,
    header.is_partial,
  ].map((cell) => (typeof cell === 'string' ? formulaSafe(cell) : cell));
  let rows: Cell[][] = [[...CSV_COLUMNS]];
  for (const row of partsOf(report)) {
    rows.push([...first, ...cellsOf(row)]);
    if (rows.length < LINES_AT_ONCE) continue;
    yield lines(rows);
    rows = [];
  }
  if (rows.length > 0) yield lines(rows);
}

function lines(rows: readonly (readonly Cell[])[]): string {
  return stringify(rows as Cell[][], { record_delimiter: '\r\n', cast: { boolean: String } });
}

function* partsOf({ totals, send_hours, event_hours, breakdown }: CampaignReport): Generator<PartRow> {
  yield { part: 'total', ...totals };
  for (const hour of send_hours) yield { part: 'send_hour', ...hour };
  for (const hour of event_hours) yield { part: 'event_hour', ...hour };
  if (breakdown !== null) yield* groupsOf(breakdown);
}

function* groupsOf(breakdown: Breakdown): Generator<PartRow> {
  for (const part of ['at_send', 'today'] as const) {
    const { groups, others } = breakdown[part];
    for (const group of groups) yield { part, group, figures: group.figures, rates: group.rates };
    if (others !== null) yield { part, group: OTHERS, figures: others.figures, rates: others.rates };
  }
  for (const { at_send: group, today, messages, recipients } of breakdown.flow)
    yield { part: 'flow', group, today, figures: { messages, recipients } };
}

function cellsOf({ part, hour = '', group, today, figures, rates }: PartRow): Cell[] {
  return [
    part,
    hour,
    ...groupCells(group),
    ...groupCells(today),
    ...FIGURE_NAMES.map((name) => figures[name] ?? null),
    ...RATE_NAMES.map((name) => rates?.[name] ?? null),
  ];
}

/** A number is no formula, whatever its sign. */
function groupCells(group: Group | undefined): Cell[] {
  if (group === undefined) return [null, null, null];
  const { status, type, value } = group;
  return [status, type, value === null || type === 'number' ? value : formulaSafe(value)];
}
