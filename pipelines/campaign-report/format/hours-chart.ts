/** What was sent and what came back over time, as SVG. Nothing in it was written by a user: numbers and dates alone. Pure. */
import { scaleLinear, scaleUtc } from 'd3-scale';
import { area, curveStepAfter } from 'd3-shape';
import type { EventHour } from '../report.ts';
import { countText } from './text.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** What a screen can tell apart. */
const MOST_BINS = 400;
/** From here on the unit is days. */
const MOST_HOUR_BINS = 14 * 24;

const WIDTH = 960;
const LEFT = 64;
const RIGHT = 12;
/** About, of a text under the axis. */
const MARK_WIDTH = 56;
const PANEL_HEIGHT = 96;
const PANEL_GAP = 34;
const TOP = 22;

/** Sums over hours are right for these alone: of people none can be made. */
const PANELS = [
  { name: 'messages', title: 'Messages, by when they were sent' },
  { name: 'opens', title: 'Opens by people' },
  { name: 'clicks', title: 'Clicks by people' },
  { name: 'conversions', title: 'Conversions' },
] as const;

type PanelName = (typeof PANELS)[number]['name'];

export interface Bin {
  /** Milliseconds. */
  readonly start: number;
  readonly end: number;
  readonly counts: Readonly<Record<PanelName, number>>;
}

/** Without holes, of one width: an hour, or as many whole days as it takes for the bins to be few. */
export function binsOf(hours: readonly EventHour[]): Bin[] {
  const times = hours.map(({ hour }) => Date.parse(hour));
  const [first, last] = [times[0], times.at(-1)];
  if (first === undefined || last === undefined) return [];
  const width = binWidth(first, last);
  const begin = Math.floor(first / width) * width;
  const bins = Array.from({ length: Math.floor((last - begin) / width) + 1 }, (_, index) => ({
    start: begin + index * width,
    end: begin + (index + 1) * width,
    counts: { messages: 0, opens: 0, clicks: 0, conversions: 0 },
  }));
  for (const [index, { figures }] of hours.entries()) {
    const counts = bins[Math.floor(((times[index] ?? 0) - begin) / width)]?.counts;
    if (counts === undefined) continue;
    for (const { name } of PANELS) counts[name] += figures[name];
  }
  return bins;
}

function binWidth(first: number, last: number): number {
  const hours = (last - first) / HOUR_MS + 1;
  if (hours <= MOST_HOUR_BINS) return HOUR_MS;
  return Math.ceil(hours / 24 / MOST_BINS) * DAY_MS;
}

/** An empty text where nothing happened. */
export function hoursChart(hours: readonly EventHour[]): string {
  const bins = binsOf(hours);
  const [first, last] = [bins[0], bins.at(-1)];
  if (first === undefined || last === undefined) return '';
  const shown = PANELS.filter(({ name }) => bins.some(({ counts }) => counts[name] > 0));
  const height = TOP + shown.length * (PANEL_HEIGHT + PANEL_GAP);
  const x = scaleUtc([new Date(first.start), new Date(last.end)], [LEFT, WIDTH - RIGHT]);
  const panels = shown.map((panel, index) =>
    panelSvg(bins, { ...panel, x, top: TOP + index * (PANEL_HEIGHT + PANEL_GAP) }),
  );
  return `<svg class="hours" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${unitText(bins)}: messages sent, opens, clicks and conversions">${panels.join('')}</svg>`;
}

/** How long a bin is. */
export function unitText(bins: readonly Bin[]): string {
  const [first] = bins;
  const width = first === undefined ? HOUR_MS : first.end - first.start;
  if (width === HOUR_MS) return 'By hour';
  return width === DAY_MS ? 'By day' : `By ${width / DAY_MS} days`;
}

interface Panel {
  readonly name: PanelName;
  readonly title: string;
  readonly x: ReturnType<typeof scaleUtc<number, number>>;
  readonly top: number;
}

function panelSvg(bins: readonly Bin[], { name, title, x, top }: Panel): string {
  const most = Math.max(...bins.map(({ counts }) => counts[name]));
  const y = scaleLinear([0, most], [top + PANEL_HEIGHT, top]).nice(3);
  const shape = area<Bin>()
    .x(({ start }) => x(new Date(start)))
    .y0(y(0))
    .y1(({ counts }) => y(counts[name]))
    .curve(curveStepAfter);
  // A step is drawn to where the next begins: the last one needs a next.
  const closing = bins.slice(-1).map((bin) => ({ ...bin, start: bin.end }));
  const path = shape.digits(1)([...bins, ...closing]) ?? '';
  const lines = y
    .ticks(3)
    .filter(Number.isInteger)
    .map((count) => {
      const at = y(count).toFixed(1);
      return `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}"/><text class="tick" x="${LEFT - 6}" y="${at}" dy="0.32em" text-anchor="end">${countText(count)}</text>`;
    });
  const times = x.ticks(7);
  const format = x.tickFormat(7);
  // In the middle under its time, but within the picture.
  const marks = times.map((time) => {
    const anchor = x(time) > WIDTH - RIGHT - MARK_WIDTH / 2 ? 'end' : 'middle';
    const at = anchor === 'end' ? WIDTH : x(time);
    return `<text class="tick" x="${at.toFixed(1)}" y="${top + PANEL_HEIGHT + 14}" text-anchor="${anchor}">${format(time)}</text>`;
  });
  return `<g class="${name}"><text class="title" x="${LEFT}" y="${top - 6}">${title}</text>${lines.join('')}<path class="area" d="${path}"/>${marks.join('')}</g>`;
}
