/**
 * The picture of the report: a lane for each campaign with its messages above and the reactions below the line, and who the
 * user was. What lies far away from nearly everything else is an arrow at the edge, and said in words.
 */
import { scaleSqrt, scaleUtc } from 'd3-scale';
import {
  type SymbolType,
  symbol,
  symbolCircle,
  symbolDiamond2,
  symbolSquare,
  symbolStar,
  symbolTimes,
  symbolTriangle2,
} from 'd3-shape';
import type { ReportedVersion } from '../../report.ts';
import { LEGEND, MARK_NAMES, MARKS, type Mark } from './kinds.ts';
import { changesBetween, type ProfileRows } from './profile-rows.ts';
import { BARS, type Survey, seriesOf } from './survey.ts';
import type { Bin } from './time-bins.ts';
import { type Far, farText, farView, markTitle } from './timeline-edges.ts';
import { channelText, countText, dayAndMinute, dayText, minuteText, numberText } from './words.ts';

/** Pixels. The lanes' names stand beside them in rows of the same height: `--lane` in page.css. */
const LANE = 40;
const BAND = 30;
const AXIS = 28;
/** Of a lane, from its top. */
const SEND_LINE = 22;
const REACTION_LINE = 30;
/** Campaigns with fewer messages than these share one lane. */
const MOST_LANES = 40;
/** A mark is wider than a bar: as many bins share one. */
const MARK_BINS = 2;
/** Per cent of the picture's width, at a side where arrows stand for what lies outside of it. */
const EDGE = 4;
const DAY = 86_400_000;

/** Area in square pixels of a mark for one, a few, and many. */
const SIZES = [34, 60, 100] as const;
const BAR_NAMES: Readonly<Record<(typeof BARS)[number], string>> = {
  sent: 'sent',
  unsent: 'message without a SENT event',
};
const SHAPES: Readonly<Record<Mark, { readonly type: SymbolType; readonly scale: number }>> = {
  machine: { type: symbolCircle, scale: 0.8 },
  other: { type: symbolTriangle2, scale: 0.7 },
  opened: { type: symbolCircle, scale: 1.5 },
  clicked: { type: symbolDiamond2, scale: 0.9 },
  converted: { type: symbolStar, scale: 1.2 },
  refused: { type: symbolSquare, scale: 1 },
  failed: { type: symbolTimes, scale: 1 },
};

export interface TimelineInput {
  readonly survey: Survey;
  readonly versions: readonly ReportedVersion[];
  readonly rows: ProfileRows;
}

/** What timeline.eta draws; x in per cent of the picture's width, everything else in pixels. Null: there is nothing to draw. */
export function timelineView({ survey, versions, rows }: TimelineInput) {
  const extent = survey.bins.extent;
  if (extent === null) return null;
  const lanes = lanesOf(survey);
  const bottom = BAND + lanes.length * LANE;
  const far = farText(survey);
  const x = timeScale(extent, {
    isRoomBefore: far.some(({ side }) => side === 'before'),
    isRoomAfter: far.some(({ side }) => side === 'after'),
  });
  const most = Math.max(
    1,
    ...lanes.flatMap((lane) =>
      BARS.flatMap((bar) => survey.bins.bins(seriesOf(lane.series, bar)).map((bin) => bin.count)),
    ),
  );
  const height = scaleSqrt().domain([0, most]).range([3, 16]);
  return {
    height: bottom + AXIS,
    bottom,
    shapes: shapes(),
    bars: BARS.filter((bar) => (bar === 'sent' ? survey.sent > 0 : survey.sent < survey.count)).map(
      (bar) => ({ bar, name: BAR_NAMES[bar] }),
    ),
    legend: LEGEND.filter((mark) => survey.marks.has(mark)).map((mark) => ({
      mark,
      name: MARK_NAMES[mark],
    })),
    ticks: ticksOf(x),
    isDense: versions.length > 12,
    periods: periodsOf({ versions, rows, x }),
    lanes: lanes.map((lane, index) => ({
      ...lane,
      line: BAND + index * LANE + SEND_LINE,
      bars: BARS.flatMap((bar) =>
        survey.bins.bins(seriesOf(lane.series, bar)).map((bin) => {
          const tall = Math.round(height(bin.count));
          return {
            bar,
            x: place(x, bin),
            y: BAND + index * LANE + SEND_LINE - tall,
            height: tall,
            record: bin.record,
            title: markTitle(bin, BAR_NAMES[bar]),
          };
        }),
      ),
      marks: MARKS.flatMap((mark) =>
        survey.bins.bins(seriesOf(lane.series, mark), MARK_BINS).map((bin) => ({
          x: place(x, bin),
          y: BAND + index * LANE + REACTION_LINE,
          shape: `m-${mark}-${bin.count === 1 ? 0 : bin.count < 5 ? 1 : 2}`,
          mark,
          record: bin.record,
          title: markTitle(bin, MARK_NAMES[mark]),
        })),
      ),
      far: farView(survey, lane.series),
    })),
    summary: summaryOf(survey, extent, far),
    far,
    left: survey.campaigns.length - lanes.length,
  };
}

/** What the picture is to one who does not see it. */
function summaryOf(survey: Survey, [first, last]: readonly [number, number], far: readonly Far[]): string {
  const what = `${countText(survey.count, ['message', 'messages'])} of ${countText(survey.campaigns.length, ['campaign', 'campaigns'])}`;
  const [from, to] = [dayText(iso(first)), dayText(iso(last))];
  if (far.length === 0) return `${what} from ${from} to ${to}`;
  return `${what}, drawn from ${from} to ${to}. ${far.map(({ text }) => text).join('. ')}`;
}

function lanesOf({ campaigns }: Survey) {
  const busiest = campaigns
    .map((campaign, series) => ({ campaign, series }))
    .toSorted((a, b) => b.campaign.messages - a.campaign.messages)
    .slice(0, MOST_LANES)
    .toSorted((a, b) => a.series - b.series);
  return busiest.map(({ campaign, series }) => ({
    series,
    name: campaign.name ?? campaign.id,
    facts: [
      channelText(campaign.channel),
      countText(campaign.messages, ['message', 'messages']),
      ...(campaign.sent === campaign.messages ? [] : [`${numberText(campaign.sent)} sent`]),
      countText(campaign.reactions, ['reaction', 'reactions']),
    ].join(', '),
  }));
}

type TimeScale = ReturnType<typeof timeScale>;

/** Marks at either end keep their whole shape; a single moment is drawn in the middle of its day. */
function timeScale(
  [first, last]: readonly [number, number],
  { isRoomBefore, isRoomAfter }: { readonly isRoomBefore: boolean; readonly isRoomAfter: boolean },
) {
  const pad = first === last ? DAY / 2 : 0;
  return scaleUtc()
    .domain([first - pad, last + pad])
    .range([1 + (isRoomBefore ? EDGE : 0), 98.5 - (isRoomAfter ? EDGE : 0)]);
}

function place(x: TimeScale, { first, last }: Bin): number {
  return percent(x((first + last) / 2));
}

function percent(value: number): number {
  return Math.round(value * 100) / 100;
}

function ticksOf(x: TimeScale) {
  const [first, last] = x.domain() as [Date, Date];
  const days = (last.getTime() - first.getTime()) / DAY;
  return x.ticks(7).map((date) => {
    const [day = '', month = '', year = ''] = dayText(date.toISOString()).split(' ');
    const dated =
      days > 200
        ? `${month} ${year}`
        : days > 4
          ? `${day} ${month}`
          : `${day} ${month} ${minuteText(date.toISOString())}`;
    return { x: percent(x(date)), text: days > 4000 ? year : dated };
  });
}

/** Who the user was: a stretch for each version, as far as it lies in the picture. */
function periodsOf({ versions, rows, x }: Pick<TimelineInput, 'versions' | 'rows'> & { x: TimeScale }) {
  const [first, last] = x.domain().map((date) => date.getTime()) as [number, number];
  let labelled = Number.NEGATIVE_INFINITY;
  return versions.flatMap((version, index) => {
    const from = Date.parse(version.valid_from);
    const to = version.valid_to === null ? Number.POSITIVE_INFINITY : Date.parse(version.valid_to);
    if (from > last || to < first) return [];
    const start = from <= first ? 0 : percent(x(from));
    const end = to >= last ? 100 : percent(x(to));
    const previous = versions[index - 1];
    const changes =
      previous === undefined ? [] : changesBetween(rows.of(previous.attributes), rows.of(version.attributes));
    const hasRoom = start - labelled > 3.5 && start < 97;
    if (hasRoom) labelled = start;
    return {
      index,
      start,
      width: percent(Math.max(end - start, 0)),
      isStart: from > first,
      label: hasRoom ? `v${version.version}` : null,
      title: `v${version.version} from ${dayAndMinute(version.valid_from)}${
        changes.length === 0
          ? ''
          : `: ${changes
              .map(({ path }) => path.join(' › '))
              .join(', ')
              .slice(0, 200)} changed`
      }`,
    };
  });
}

function shapes() {
  return MARKS.flatMap((mark) =>
    SIZES.map((size, index) => ({
      id: `m-${mark}-${index}`,
      path: symbol(SHAPES[mark].type, size * SHAPES[mark].scale).digits(2)() ?? '',
    })),
  );
}

function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
