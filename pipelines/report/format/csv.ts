/** The report as CSV (RFC 4180): a row for each event, with the message it belongs to and the profile of its time. */
import { stringify } from 'csv-stringify/sync';
import { formulaSafe } from '../../common/formula-safe.ts';
import { canonicalJson, type JsonValue } from '../../profiles/fold/json-value.ts';
import type { DeliveryEntry, FeedbackEntry, ProfileRef, ReportDocument, StreamedRecord } from '../report.ts';

export const CSV_COLUMNS = [
  'tenant_id',
  'user_id',
  'message_id',
  'sent_at',
  'campaign_id',
  'campaign_name',
  'channel',
  'subject',
  'variant',
  'kind',
  'event_id',
  'type',
  'occurred_at',
  'reason',
  'provider',
  'link',
  'is_machine',
  'value',
  'user_agent',
  'profile_status',
  'profile_version',
  'profile_valid_from',
  'profile',
  'sent_profile_status',
  'sent_profile_version',
  'sent_profile_valid_from',
] as const;

const LINES_AT_ONCE = 500;

type Cell = string | number | boolean | null;

export function* formatCsv(report: ReportDocument): Generator<string> {
  const profiles = new Map<string, string>(
    report.versions.map((one) => [one.valid_from, canonicalJson(one.attributes as JsonValue)]),
  );
  let rows: Cell[][] = [[...CSV_COLUMNS]];
  for (const record of report.records()) {
    for (const row of rowsOf(record, report, profiles)) {
      rows.push(row);
      if (rows.length < LINES_AT_ONCE) continue;
      yield lines(rows);
      rows = [];
    }
  }
  if (rows.length > 0) yield lines(rows);
}

function lines(rows: readonly (readonly Cell[])[]): string {
  return stringify(rows as Cell[][], {
    record_delimiter: '\r\n',
    cast: { string: formulaSafe, boolean: String },
  });
}

function* rowsOf(
  record: StreamedRecord,
  { header }: ReportDocument,
  profiles: ReadonlyMap<string, string>,
): Generator<Cell[]> {
  const { campaign } = record;
  const message = [
    header.tenant_id,
    header.user_id,
    record.message_id,
    record.sent_at,
    campaign.campaign_id,
    campaign.name,
    campaign.channel,
    campaign.subject,
    record.variant,
  ];
  const row = (kind: string, entry: DeliveryEntry | FeedbackEntry): Cell[] => [
    ...message,
    kind,
    entry.event_id,
    entry.type,
    entry.occurred_at,
    ...('link' in entry
      ? [null, null, entry.link, entry.is_machine, entry.value, entry.user_agent]
      : [entry.reason, entry.provider, null, null, null, null]),
    ...refCells(entry.profile),
    profiles.get(entry.profile.valid_from ?? '') ?? null,
    ...refCells(record.profile),
  ];
  for (const entry of record.delivery) yield row('delivery', entry);
  for (const entry of record.feedback) yield row('feedback', entry);
}

function refCells({ status, version, valid_from }: ProfileRef): Cell[] {
  return [status, version, valid_from];
}
