/**
 * The report as one page that a person reads: it brings its own style and script, fetches nothing, and shows its records
 * without the script as well. Goes over the records twice, first for the picture and the filters; holds some
 * entries of one at a time.
 */
import type { ProfileRef, ReportDocument, ReportHeader } from '../report.ts';
import { ProfileRows } from './html/profile-rows.ts';
import { recordHtml } from './html/record-view.ts';
import { Survey } from './html/survey.ts';
import { POLICY, render, SCRIPT, STYLE } from './html/templates.ts';
import { timelineView } from './html/timeline.ts';
import { versionView } from './html/version-view.ts';
import {
  channelText,
  countText,
  exactTime,
  monthText,
  numberText,
  plainTime,
  profileText,
} from './html/words.ts';

export function* formatHtml(report: ReportDocument): Generator<string> {
  const { versions, today } = report;
  const rows = new ProfileRows(versions);
  const survey = new Survey();
  for (const record of report.records()) survey.add(record);

  yield render('head', headView(report, survey));
  const timeline = timelineView({ survey, versions, rows });
  if (timeline !== null) yield render('timeline', timeline);
  yield* records(report, { survey, rows });
  yield '<section id="versions" aria-labelledby="versions-head"><h2 id="versions-head">The profile over time</h2>\n';
  for (const [index, version] of versions.entries())
    yield render('version', versionView(version, { index, previous: versions[index - 1], today, rows }));
  if (versions.length === 0) yield '<p class="none">No record of this report names a profile version.</p>\n';
  yield* todaysOwn(report, rows);
  yield `</section>\n${render('foot', { ...sourcesView(report.header), script: SCRIPT })}\n`;
}

interface Known {
  readonly survey: Survey;
  readonly rows: ProfileRows;
}

function* records(report: ReportDocument, { survey, rows }: Known): Generator<string> {
  yield '<section id="records" aria-labelledby="records-head"><h2 id="records-head" tabindex="-1">Messages</h2>\n';
  yield render('filters', filtersView(survey));
  yield '<div id="list">\n';
  let number = 0;
  let month: string | null = null;
  let previous: ProfileRef | null = null;
  for (const record of report.records()) {
    number += 1;
    const own = monthText(record.sent_at);
    if (own !== month) yield `${month === null ? '' : '</div>\n'}<div class="month"><h3>${own}</h3>\n`;
    month = own;
    yield* recordHtml(record, { number, survey, rows, previous });
    previous = record.profile;
  }
  yield month === null ? '<p class="none">No message lies in this range.</p>\n' : '</div>\n';
  yield '</div></section>\n';
}

/** Today's profile, where it is none of those that the records name. */
function* todaysOwn({ versions, today }: ReportDocument, rows: ProfileRows): Generator<string> {
  const { version, valid_from, attributes } = today;
  if (version === null || valid_from === null || attributes === null) return;
  if (versions.some((one) => one.valid_from === valid_from)) return;
  const place = { index: 'today' as const, previous: versions.at(-1), today, rows };
  yield render('version', versionView({ version, valid_from, attributes }, place));
}

function headView({ header, versions, today }: ReportDocument, survey: Survey) {
  const at = versions.findIndex(({ valid_from }) => valid_from === today.valid_from);
  return {
    policy: POLICY,
    style: STYLE,
    header,
    range: rangeText(header),
    knownAt: header.known_at === null ? null : plainTime(header.known_at),
    made: exactTime(header.generated_at),
    today: {
      text: profileText(today),
      since: today.valid_from === null ? null : plainTime(today.valid_from),
      target: today.valid_from === null ? null : at === -1 ? 'today' : String(at),
    },
    counts: [
      [numberText(header.counts.records), header.counts.records === 1 ? 'message' : 'messages'],
      [numberText(survey.campaigns.length), survey.campaigns.length === 1 ? 'campaign' : 'campaigns'],
      [numberText(header.counts.events), header.counts.events === 1 ? 'event' : 'events'],
      [numberText(versions.length), versions.length === 1 ? 'profile version' : 'profile versions'],
    ],
  };
}

function rangeText({ from, to }: ReportHeader): string {
  if (from === null && to === null) return 'All time';
  if (from === null) return `Before ${plainTime(to as string)}`;
  return to === null ? `From ${plainTime(from)} on` : `From ${plainTime(from)} to before ${plainTime(to)}`;
}

function filtersView(survey: Survey) {
  const kinds = survey.kinds;
  return {
    total: survey.count,
    totalText: countText(survey.count, ['message', 'messages']),
    campaigns: survey.campaigns
      .map(({ id, name, messages }, index) => ({ index, text: name ?? id, count: numberText(messages) }))
      .sort((a, b) => (a.text < b.text ? -1 : 1)),
    channels: survey.channels.map(({ index, text, count }) => ({
      index,
      text: channelText(text),
      count: numberText(count),
    })),
    reactions: kinds.filter(({ group }) => group === 'reaction'),
    deliveries: kinds.filter(({ group }) => group === 'delivery'),
  };
}

/** What the report stands on, for whoever has to prove it. */
function sourcesView({ sources, pin, ...header }: ReportHeader) {
  const { clickhouse, cold, raw } = sources;
  const of = (name: string, text: string) => ({ name, text });
  const rowsOf = (part: { events: number; profile_changes: number }) =>
    `${countText(part.events, ['event', 'events'])}, ${countText(part.profile_changes, ['profile change', 'profile changes'])}`;
  return {
    header,
    pin,
    sources: [
      of('ClickHouse', `database ${clickhouse.database}: ${rowsOf(clickhouse)}`),
      of(
        'Cold tier',
        cold === null
          ? 'not asked'
          : `${rowsOf(cold)} out of ${countText(cold.files.length, ['file', 'files'])}${cold.through === null ? '' : `, exported through ${cold.through}`}`,
      ),
      of(
        'Archive',
        raw === null
          ? 'not asked'
          : `${rowsOf(raw)} out of ${countText(raw.segments.length, ['segment', 'segments'])} that ClickHouse did not have yet`,
      ),
    ],
    files: [...(cold?.files ?? []), ...(raw?.segments ?? [])],
  };
}
