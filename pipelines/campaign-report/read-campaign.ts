/** What ClickHouse knows of one campaign. The counting is done there: a few numbers come back, however many messages there are. */
import type { ClickHouseClient, ClickHouseSettings } from '@clickhouse/client';
import { asOutage } from '../common/clickhouse/client.ts';
import {
  EVENT_FIGURE_COLUMNS,
  type EventFigures,
  eventFiguresIn,
  FIGURE_COLUMNS,
  type Figures,
  figuresIn,
  type Row,
} from './figures.ts';

export interface CampaignReader {
  readonly clickhouse: ClickHouseClient;
  /** Of the tables and the views that are not for BI. */
  readonly database: string;
  /** Ends what is being asked, here and in ClickHouse. */
  readonly signal?: AbortSignal;
}

/**
 * A question that nobody waits for any more ends in the server as well, once the connection is closed. It does so for
 * those alone that say that they only read. (ClickHouse docs, setting `cancel_http_readonly_queries_on_client_close`)
 */
const READ_SETTINGS: ClickHouseSettings = {
  readonly: '2',
  cancel_http_readonly_queries_on_client_close: 1,
  // As numbers of JSON they would be rounded.
  output_format_json_quote_64bit_integers: 1,
};

export interface CampaignKey {
  readonly tenantId: string;
  readonly campaignId: string;
}

/** `[from, to)` by sent_at, milliseconds since the epoch; null is open. */
export interface SendRange {
  readonly from: number | null;
  readonly to: number | null;
}

export interface CampaignQuestion extends CampaignKey, SendRange {}

/** One question to ClickHouse. @throws {Outage}, or the signal's reason */
export async function ask(
  { clickhouse, database, signal }: CampaignReader,
  query: string,
  parameters: Readonly<Record<string, unknown>>,
): Promise<Row[]> {
  // The client hears of what happens from now on, and not of what was before.
  signal?.throwIfAborted();
  try {
    const answer = await clickhouse.query({
      query,
      query_params: { ...parameters, database },
      clickhouse_settings: READ_SETTINGS,
      format: 'JSONEachRow',
      // Proxies refuse long URLs.
      use_multipart_params_auto: true,
      ...(signal === undefined ? {} : { abort_signal: signal }),
    });
    return await answer.json<Row>();
  } catch (error) {
    signal?.throwIfAborted();
    throw asOutage(error);
  }
}

/** For `ask`, beside what `messagesSql` needs. */
export function parametersOf({
  tenantId,
  campaignId,
  from,
  to,
}: CampaignQuestion): Record<string, string | number> {
  return {
    tenantId,
    campaignId,
    ...(from === null ? {} : { from }),
    ...(to === null ? {} : { to }),
  };
}

/** As milliseconds: they have no ends that a year could lie beyond. */
const SENT_MS = 'toUnixTimestamp64Milli(sent_at)';

/** `FROM … WHERE …` of the messages that are reported on. */
export function messagesSql({ from, to }: SendRange): string {
  return `FROM {database:Identifier}.messages
    WHERE tenant_id = {tenantId:String} AND campaign_id = {campaignId:String}
    ${from === null ? '' : `AND ${SENT_MS} >= {from:Int64}`} ${to === null ? '' : `AND ${SENT_MS} < {to:Int64}`}`;
}

export interface CampaignTotals {
  readonly figures: Figures;
  /** Milliseconds; null: no message. */
  readonly firstSentAt: number | null;
  readonly lastSentAt: number | null;
  readonly lastEventAt: number | null;
}

export interface HourOf<Counted> {
  /** Milliseconds: where the hour (UTC) begins. */
  readonly hour: number;
  readonly figures: Counted;
}

/** Of all messages, and by the hour of their sent_at, in order. */
export interface CampaignMessages {
  readonly totals: CampaignTotals;
  readonly sendHours: readonly HourOf<Figures>[];
}

export async function readMessages(
  reader: CampaignReader,
  question: CampaignQuestion,
): Promise<CampaignMessages> {
  const rows = await ask(
    reader,
    `SELECT toUInt8(grouping(hour_ms)) AS is_total, hour_ms, ${FIGURE_COLUMNS},
       minOrNull(toUnixTimestamp64Milli(m.sent_at)) AS first_sent_ms,
       maxOrNull(toUnixTimestamp64Milli(m.sent_at)) AS last_sent_ms,
       maxOrNull(toUnixTimestamp64Milli(m.last_event_at)) AS last_event_ms
     FROM
     (
       SELECT *, toUnixTimestamp64Milli(toDateTime64(toStartOfHour(sent_at), 3, 'UTC')) AS hour_ms ${messagesSql(question)}
     ) AS m
     GROUP BY GROUPING SETS ((), (hour_ms))
     ORDER BY is_total DESC, hour_ms`,
    parametersOf(question),
  );
  const total = rows.find((row) => Number(row.is_total) === 1) ?? {};
  return {
    totals: {
      figures: figuresIn(total),
      firstSentAt: timeIn(total.first_sent_ms),
      lastSentAt: timeIn(total.last_sent_ms),
      lastEventAt: timeIn(total.last_event_ms),
    },
    sendHours: rows
      .filter((row) => row !== total)
      .map((row) => ({ hour: Number(row.hour_ms), figures: figuresIn(row) })),
  };
}

function timeIn(value: Row[string] | undefined): number | null {
  return value === null || value === undefined ? null : Number(value);
}

/** By the hour of the event, in order: events of the messages that are reported on. */
export async function readEventHours(
  reader: CampaignReader,
  question: CampaignQuestion,
): Promise<HourOf<EventFigures>[]> {
  const isOpen = question.from === null && question.to === null;
  const rows = await ask(
    reader,
    `SELECT toUnixTimestamp64Milli(toDateTime64(toStartOfHour(occurred_at), 3, 'UTC')) AS hour_ms, ${EVENT_FIGURE_COLUMNS}
     FROM {database:Identifier}.first_message_events
     WHERE tenant_id = {tenantId:String} AND campaign_id = {campaignId:String}
       ${isOpen ? '' : `AND (user_id, message_id) IN (SELECT user_id, message_id ${messagesSql(question)})`}
     GROUP BY hour_ms ORDER BY hour_ms`,
    parametersOf(question),
  );
  return rows.map((row) => ({ hour: Number(row.hour_ms), figures: eventFiguresIn(row) }));
}

export interface Definition {
  readonly name: string;
  readonly channel: string;
  readonly subject: string | null;
  /** Milliseconds. */
  readonly startsAt: number | null;
  readonly endsAt: number | null;
  readonly updatedAt: number;
  /** When the earliest definition that is still there became valid. */
  readonly firstUpdatedAt: number;
}

/** The definition of now: the latest by updated_at, then by recording, as the view `current_campaigns` has it. */
export async function readDefinition(
  reader: CampaignReader,
  { tenantId, campaignId }: CampaignKey,
): Promise<Definition | null> {
  const [row] = await ask(
    reader,
    `SELECT name, channel, subject,
       toUnixTimestamp64Milli(starts_at) AS starts_ms, toUnixTimestamp64Milli(ends_at) AS ends_ms,
       toUnixTimestamp64Milli(updated_at) AS updated_ms, min(updated_ms) OVER () AS first_updated_ms
     FROM {database:Identifier}.campaigns
     WHERE tenant_id = {tenantId:String} AND campaign_id = {campaignId:String}
     ORDER BY updated_at DESC, recorded_at DESC, topic_id DESC, partition DESC, offset DESC
     LIMIT 1`,
    { tenantId, campaignId },
  );
  if (row === undefined) return null;
  return {
    name: String(row.name),
    channel: String(row.channel),
    subject: row.subject === null ? null : String(row.subject),
    startsAt: timeIn(row.starts_ms),
    endsAt: timeIn(row.ends_ms),
    updatedAt: Number(row.updated_ms),
    firstUpdatedAt: Number(row.first_updated_ms),
  };
}

/** Whether any event at all is stored of the campaign. */
export async function hasEvents(
  reader: CampaignReader,
  { tenantId, campaignId }: CampaignKey,
): Promise<boolean> {
  const rows = await ask(
    reader,
    `SELECT 1 AS one FROM {database:Identifier}.message_events
     WHERE tenant_id = {tenantId:String} AND campaign_id = {campaignId:String} LIMIT 1`,
    { tenantId, campaignId },
  );
  return rows.length > 0;
}
