/** The report for a person at a terminal: what was sent, what came of it, and who the user was each time. */
import { colors } from '../../common/colors.ts';
import { printable } from '../../common/printable.ts';
import { textTable } from '../../common/text-table.ts';
import { canonicalJson } from '../../profiles/fold/json-value.ts';
import type { DeliveryEntry, FeedbackEntry, ProfileRef, ReportDocument, StreamedRecord } from '../report.ts';
import { notesOf } from '../report-notes.ts';

/** Of one message, in one cell. */
const MOST_ENTRIES = 20;

function minute(time: string): string {
  return `${time.slice(0, 10)} ${time.slice(11, 16)}`;
}

function profileName(ref: ProfileRef): string {
  return ref.status === 'found' ? `v${ref.version}` : ref.status === 'none_yet' ? 'none yet' : ref.status;
}

/** How long after the send, or before it: in the unit that a person would say. */
function delay(from: string, to: string): string {
  const seconds = Math.round((Date.parse(to) - Date.parse(from)) / 1000);
  const sign = seconds < 0 ? '-' : '+';
  const distance = Math.abs(seconds);
  if (distance < 60) return `${sign}${distance} s`;
  if (distance < 3600) return `${sign}${Math.round(distance / 60)} min`;
  if (distance < 48 * 3600) return `${sign}${Math.round(distance / 3600)} h`;
  return `${sign}${Math.round(distance / 86_400)} d`;
}

function entryLine(record: StreamedRecord, entry: DeliveryEntry | FeedbackEntry): string {
  const machine = 'is_machine' in entry && entry.is_machine ? colors.dim(' by a machine') : '';
  const detail = 'link' in entry ? entry.link : entry.reason;
  const profile =
    entry.profile.valid_from === record.profile.valid_from && entry.profile.status === record.profile.status
      ? ''
      : colors.yellow(` as ${profileName(entry.profile)}`);
  const what = `${entry.type.toLowerCase()} ${colors.dim(delay(record.sent_at, entry.occurred_at))}${machine}${profile}`;
  return detail === null ? what : `${what} ${colors.dim(printable(detail))}`;
}

function entryLines(record: StreamedRecord, entries: Iterable<DeliveryEntry | FeedbackEntry>): string {
  const lines: string[] = [];
  let count = 0;
  for (const entry of entries) {
    count += 1;
    if (count <= MOST_ENTRIES) lines.push(entryLine(record, entry));
  }
  if (count > MOST_ENTRIES) lines.push(colors.dim(`and ${count - MOST_ENTRIES} more`));
  return lines.join('\n');
}

function recordRow(record: StreamedRecord): string[] {
  const changed = record.changed_since_previous;
  const difference =
    changed === null || Object.keys(changed).length === 0 ? '' : printable(canonicalJson(changed));
  return [
    minute(record.sent_at),
    `${colors.bold(printable(record.campaign.name ?? record.campaign.campaign_id))}\n${colors.dim(record.campaign.channel.toLowerCase())}`,
    entryLines(record, record.delivery),
    entryLines(record, record.feedback),
    colors.cyan(profileName(record.profile)),
    difference,
  ];
}

export function* formatTable({ header, versions, today, records }: ReportDocument): Generator<string> {
  const { tenant_id: tenant, user_id: user, from, to } = header;
  const range = from === null && to === null ? 'all time' : `${from ?? 'the beginning'} to ${to ?? 'now'}`;
  yield `${colors.bold(`${printable(tenant)} / ${printable(user)}`)}, ${range}, times in UTC: ${header.counts.records} messages, ${header.counts.profile_versions} profile versions\n`;
  for (const note of notesOf(header)) yield `${colors.yellow(note)}\n`;
  yield '\n';
  if (header.counts.records > 0) {
    const columns = [
      { head: 'Sent' },
      { head: 'Campaign', width: 26 },
      { head: 'Delivery', width: 26 },
      { head: 'Reactions', width: 44 },
      { head: 'Profile then' },
      { head: 'Changed since the record before', width: 44 },
    ];
    yield `${textTable(columns, Array.from(records(), recordRow))}\n\n`;
  }
  for (const version of versions) {
    const end = version.valid_to === null ? 'now' : minute(version.valid_to);
    yield `${colors.cyan(`v${version.version}`)} ${minute(version.valid_from)} to ${end}  ${printable(canonicalJson(version.attributes))}\n`;
  }
  // Where no record was of today's version, or there is no profile any more.
  if (today.status !== 'none_yet' && !versions.some(({ valid_from }) => valid_from === today.valid_from))
    yield `${colors.cyan(profileName(today))} today  ${today.attributes === null ? '' : printable(canonicalJson(today.attributes))}\n`;
}
