/** The campaign's report as one HTML page that needs nothing else: no script, no network, charts as SVG. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Eta } from 'eta';
import { EVENT_FIGURE_NAMES, FIGURE_NAMES, type FigureName, RATE_NAMES, RATES } from '../figures.ts';
import { type Group, groupLabel } from '../group.ts';
import type { Breakdown, CampaignReport, Counted, EventHour } from '../report.ts';
import { binsOf, hoursChart, unitText } from './hours-chart.ts';
import { PAGE } from './page-template.ts';
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
  valueText,
} from './text.ts';

/** A page is to open at once: the chart shows all hours, CSV and JSON have them. */
const MOST_HOURS = 1_000;
const MOST_FLOW_GROUPS = 20;
/** A value may be long; what is cut off is in JSON and CSV. */
const MOST_LABEL = 200;

export function* formatHtml(report: CampaignReport): Generator<string> {
  const css = readFileSync(new URL('page.css', import.meta.url), 'utf8');
  const eta = new Eta({ autoEscape: true, autoTrim: false });
  yield eta.renderString(PAGE, { ...pageOf(report), css, policy: policyOf(css) });
}

/** Nothing may be loaded, run or sent: only this one style sheet counts. */
function policyOf(css: string): string {
  const hash = createHash('sha256').update(css).digest('base64');
  return `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`;
}

function pageOf(report: CampaignReport) {
  const { report: header, totals, event_hours, breakdown } = report;
  const name = shortened(header.campaign?.name ?? header.campaign_id);
  return {
    header,
    name,
    title: `${name} · campaign report`,
    range: rangeText(header.from, header.to),
    partial: partialText(header.complete_from, header.is_partial),
    cards: cardsOf(totals),
    unit: unitText(binsOf(event_hours)),
    chart: hoursChart(event_hours),
    figures: FIGURE_NAMES.map((figure) => ({
      title: FIGURE_TITLES[figure],
      value: figureText(figure, totals.figures[figure]),
    })),
    rates: RATE_NAMES.map((rate) => ({
      title: RATE_TITLES[rate],
      value: rateText(totals.rates[rate]),
      of: `${FIGURE_TITLES[RATES[rate].numerator].toLowerCase()} / ${FIGURE_TITLES[RATES[rate].denominator].toLowerCase()}`,
    })),
    groups: breakdown === null ? null : groupsOf(breakdown),
    flow: breakdown === null || breakdown.flow.length === 0 ? null : flowOf(breakdown),
    hours: hoursOf(event_hours),
    generatedAt: minuteText(header.generated_at),
  };
}

function cardsOf({ figures, rates }: Counted) {
  return [
    {
      title: 'messages',
      value: countText(figures.messages),
      detail: `to ${countText(figures.recipients)} people; ${countText(figures.sent)} sent, ${countText(figures.dropped)} dropped`,
    },
    {
      title: 'delivered',
      value: rateText(rates.delivery_rate),
      detail: `${countText(figures.delivered)} of ${countText(figures.sent)} sent`,
    },
    {
      title: 'opened',
      value: rateText(rates.open_rate),
      detail: `${countText(figures.unique_opens)} of ${countText(figures.recipients_delivered)} people reached`,
    },
    {
      title: 'clicked',
      value: rateText(rates.click_rate),
      detail: `${countText(figures.unique_clicks)} of ${countText(figures.recipients_delivered)} people reached`,
    },
    {
      title: 'converted',
      value: rateText(rates.conversion_rate),
      detail: `${countText(figures.conversions)} conversions worth ${valueText(figures.conversion_value)}`,
    },
    {
      title: 'unsubscribed',
      value: rateText(rates.unsubscribe_rate),
      detail: `${countText(figures.unsubscribes)} people; ${countText(figures.complaints)} complained`,
    },
  ];
}

function shortened(text: string): string {
  const characters = Array.from(text.slice(0, 2 * MOST_LABEL));
  return characters.length <= MOST_LABEL && text.length <= 2 * MOST_LABEL
    ? text
    : `${characters.slice(0, MOST_LABEL).join('')}…`;
}

function labelled(group: Group) {
  const isSpecial = group.status !== 'found' || group.value === null;
  return { label: shortened(groupLabel(group)), isSpecial };
}

function groupsOf(breakdown: Breakdown) {
  const pairs = pairsOf(breakdown);
  const most = Math.max(
    1,
    ...pairs.flatMap(({ atSend, today }) => [
      atSend?.figures.recipients ?? 0,
      today?.figures.recipients ?? 0,
    ]),
  );
  return {
    changed: countText(breakdown.changed_recipients),
    columns: ['Messages', 'Delivered', 'Opened', 'Clicked', 'Converted', 'Unsubscribed'],
    rows: pairs.map(({ group, atSend, today }) => ({
      ...labelled(group),
      atSend: sideOf(atSend, most),
      today: sideOf(today, most),
    })),
  };
}

function sideOf(side: Counted | undefined, most: number) {
  if (side === undefined)
    return { recipients: '–', width: '0', values: Array.from({ length: 6 }, () => '–') };
  const { figures, rates } = side;
  const rateValues = [
    rates.delivery_rate,
    rates.open_rate,
    rates.click_rate,
    rates.conversion_rate,
    rates.unsubscribe_rate,
  ].map(rateText);
  return {
    recipients: countText(figures.recipients),
    width: ((100 * figures.recipients) / most).toFixed(2),
    values: [countText(figures.messages), ...rateValues],
  };
}

/** The largest groups of either side; the rest is in JSON and CSV. */
function flowOf({ flow, at_send, today }: Breakdown) {
  const shownOf = (side: Breakdown['at_send']): Group[] => [
    ...side.groups.slice(0, MOST_FLOW_GROUPS),
    ...(side.others === null ? [] : [{ status: 'others', type: null, value: null } as const]),
  ];
  const counts = new Map(flow.map((one) => [cellKey(one.at_send, one.today), one.recipients]));
  const most = Math.max(1, ...counts.values());
  const columns = shownOf(today);
  const isCut = at_send.groups.length > MOST_FLOW_GROUPS || today.groups.length > MOST_FLOW_GROUPS;
  return {
    columns: columns.map(labelled),
    rows: shownOf(at_send).map((group) => ({
      ...labelled(group),
      cells: columns.map((column) => {
        const recipients = counts.get(cellKey(group, column)) ?? 0;
        const isSame = group.status !== 'others' && groupLabel(group) === groupLabel(column);
        const shade = recipients === 0 ? 0 : Math.max(1, Math.ceil((4 * recipients) / most));
        return {
          text: recipients === 0 ? '' : countText(recipients),
          style: `s${shade}${isSame ? ' same' : ''}`,
        };
      }),
    })),
    note: isCut ? `The ${MOST_FLOW_GROUPS} largest groups of each side; JSON and CSV have more.` : null,
  };
}

function cellKey(atSend: Group, today: Group): string {
  return JSON.stringify([groupLabel(atSend), groupLabel(today)]);
}

const HOUR_COLUMNS: readonly FigureName[] = ['messages', ...EVENT_FIGURE_NAMES];

function hoursOf(hours: readonly EventHour[]) {
  const more = hours.length - MOST_HOURS;
  return {
    columns: HOUR_COLUMNS.map((name) => FIGURE_TITLES[name]),
    rows: hours.slice(0, MOST_HOURS).map(({ hour, figures }) => ({
      hour: minuteText(hour),
      values: HOUR_COLUMNS.map((name) => figureText(name, figures[name as keyof EventHour['figures']])),
    })),
    more: more > 0 ? `${countText(more)} more hours are in JSON and CSV.` : null,
  };
}
