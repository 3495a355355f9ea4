/** The campaign's report for a person at a terminal. */
import { colors } from '../../common/colors.ts';
import { printable } from '../../common/printable.ts';
import { textTable } from '../../common/text-table.ts';
import { FIGURE_NAMES, RATE_NAMES, RATES } from '../figures.ts';
import { type Group, groupLabel } from '../group.ts';
import type { Breakdown, CampaignReport, Counted, EventHour } from '../report.ts';
import { pairsOf } from './pairs.ts';
import {
  countText,
  FIGURE_TITLES,
  figureText,
  minuteText,
  partialText,
  RATE_TITLES,
  rangeText,
  rateText,
} from './text.ts';

/** More would scroll away: the other formats have all. */
const MOST_HOURS = 48;
const MOST_FLOWS = 20;
const LABEL_WIDTH = 36;

const right = (head: string) => ({ head, align: 'right' as const });

export function* formatTable(report: CampaignReport): Generator<string> {
  const { report: header, totals, event_hours, breakdown } = report;
  const { tenant_id, campaign_id, campaign, from, to } = header;
  const name = campaign === null ? '' : `${colors.bold(printable(campaign.name))}  `;
  yield `${name}${printable(tenant_id)} / ${printable(campaign_id)}, ${rangeText(from, to)}, times in UTC\n`;
  const partial = partialText(header.complete_from, header.is_partial);
  if (partial !== null) yield `${colors.yellow(partial)}\n`;
  yield `\n${totalsTable(totals)}\n`;
  if (event_hours.length > 0) yield `\n${hoursTable(event_hours)}\n`;
  if (breakdown !== null) yield* breakdownTables(breakdown, header.by ?? '');
}

function totalsTable({ figures, rates }: Counted): string {
  const figureRows = FIGURE_NAMES.map((name) => [FIGURE_TITLES[name], figureText(name, figures[name])]);
  const rateRows = RATE_NAMES.map((name) => [
    RATE_TITLES[name],
    rateText(rates[name]),
    `${FIGURE_TITLES[RATES[name].numerator].toLowerCase()} / ${FIGURE_TITLES[RATES[name].denominator].toLowerCase()}`,
  ]);
  const rows = figureRows.map((row, index) => [...row, '', ...(rateRows[index] ?? ['', '', ''])]);
  return textTable(
    [{ head: 'Figure' }, right('Total'), { head: '' }, { head: 'Rate' }, right('Value'), { head: 'of' }],
    rows,
  );
}

function hoursTable(hours: readonly EventHour[]): string {
  const columns = [
    { head: 'Hour' },
    right('messages'),
    right('delivered'),
    right('opens'),
    right('by machines'),
    right('clicks'),
    right('conversions'),
    right('unsubscribed'),
  ];
  const rows = hours
    .slice(0, MOST_HOURS)
    .map(({ hour, figures }) => [
      minuteText(hour),
      ...[
        figures.messages,
        figures.delivered,
        figures.opens,
        figures.machine_opens,
        figures.clicks,
        figures.conversions,
        figures.unsubscribes,
      ].map(countText),
    ]);
  const more = hours.length - rows.length;
  const rest =
    more > 0 ? `\n${colors.dim(`${countText(more)} more hours: see --format csv, json or html`)}` : '';
  return `${textTable(columns, rows)}${rest}`;
}

function* breakdownTables(breakdown: Breakdown, by: string): Generator<string> {
  const { flow, changed_recipients } = breakdown;
  yield `\n${colors.bold(`By ${printable(by)} when each message was sent, and today`)}: ${countText(changed_recipients)} recipients have changed\n\n`;
  yield `${sidesTable(breakdown)}\n`;
  const moves = flow.filter(({ at_send: then, today: now }) => groupLabel(then) !== groupLabel(now));
  if (moves.length === 0) return;
  const rows = moves
    .slice(0, MOST_FLOWS)
    .map((move) => [label(move.at_send), label(move.today), countText(move.recipients)]);
  yield `\n${textTable([{ head: 'Was' }, { head: 'Is today' }, right('recipients')], rows)}\n`;
  if (moves.length > rows.length)
    yield `${colors.dim(`${countText(moves.length - rows.length)} more: see --format csv, json or html`)}\n`;
}

function sidesTable(breakdown: Breakdown): string {
  return textTable(
    [
      { head: 'Group' },
      right('recipients'),
      right('today'),
      right('open rate'),
      right('today'),
      right('click rate'),
      right('today'),
      right('conversions'),
      right('today'),
    ],
    pairsOf(breakdown).map(({ group, atSend, today }) => [
      label(group),
      ...[
        (side: Counted) => countText(side.figures.recipients),
        (side: Counted) => rateText(side.rates.open_rate),
        (side: Counted) => rateText(side.rates.click_rate),
        (side: Counted) => countText(side.figures.conversions),
      ].flatMap((text) => [atSend, today].map((side) => (side === undefined ? '' : text(side)))),
    ]),
  );
}

function label(group: Group): string {
  const text = printable(groupLabel(group));
  return text.length > LABEL_WIDTH ? `${text.slice(0, LABEL_WIDTH - 1)}…` : text;
}
