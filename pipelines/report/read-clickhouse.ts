/** One user's events, profile changes and campaigns, as ClickHouse holds them: every copy, none collapsed. */
import type { ClickHouseClient } from '@clickhouse/client';
import { asOutage } from '../common/clickhouse/client.ts';
import { portions } from '../common/clickhouse/list-parameters.ts';
import type { ProfileChange } from '../profiles/fold/fold-profile.ts';
import type { ReportCampaign, ReportEvent } from './assemble.ts';
import type { Pin } from './pin.ts';
import type { ReportDefinition } from './report-rows.ts';

export interface UserKey {
  readonly tenantId: string;
  readonly userId: string;
}

export interface ReportReader {
  readonly clickhouse: ClickHouseClient;
  readonly database: string;
}

/** 64-bit numbers arrive as text: those that can pass 2^53 must not be rounded on the way. */
const settings = { output_format_json_quote_64bit_integers: 1 } as const;

async function* selectRows<Row>(
  { clickhouse, database }: ReportReader,
  query: string,
  parameters: Record<string, unknown>,
): AsyncGenerator<Row[]> {
  try {
    const result = await clickhouse.query({
      query,
      query_params: { ...parameters, database },
      clickhouse_settings: settings,
      format: 'JSONEachRow',
      // Proxies refuse long URLs.
      use_multipart_params_auto: true,
    });
    for await (const chunk of result.stream<Row>()) yield chunk.map((row) => row.json());
  } catch (error) {
    throw asOutage(error);
  }
}

interface EventRow {
  kind: 'delivery' | 'feedback';
  event_id: string;
  message_id: string;
  campaign_id: string;
  channel: string;
  type: string;
  occurred_ms: string;
  variant: string | null;
  reason: string | null;
  provider: string | null;
  link: string | null;
  user_agent: string | null;
  is_machine: boolean;
  value: number | null;
  recorded_ms: string;
  topic: string;
  kafka_partition: number;
  offset: string;
}

/**
 * Reads by the table's primary key: the cost is this user's rows, not the table's. Holds few of them at a time.
 * @throws {Outage}
 */
export async function* readEvents(
  reader: ReportReader,
  { tenantId, userId }: UserKey,
): AsyncGenerator<ReportEvent> {
  const answer = selectRows<EventRow>(
    reader,
    `SELECT kind, event_id, message_id, campaign_id, channel, type, toUnixTimestamp64Milli(occurred_at) AS occurred_ms,
            variant, reason, provider, link, user_agent, is_machine, value,
            toUnixTimestamp64Milli(recorded_at) AS recorded_ms, topic_id AS topic, partition AS kafka_partition, offset
     FROM {database:Identifier}.events
     WHERE tenant_id = {tenantId:String} AND user_id = {userId:String}`,
    { tenantId, userId },
  );
  for await (const rows of answer) for (const row of rows) yield reportEvent(row);
}

function reportEvent(row: EventRow): ReportEvent {
  return {
    kind: row.kind,
    eventId: row.event_id,
    messageId: row.message_id,
    campaignId: row.campaign_id,
    channel: row.channel,
    type: row.type,
    occurredAt: Number(row.occurred_ms),
    variant: row.variant,
    reason: row.reason,
    provider: row.provider,
    link: row.link,
    userAgent: row.user_agent,
    isMachine: row.is_machine,
    value: row.value,
    recordedAt: Number(row.recorded_ms),
    topicId: row.topic,
    partition: row.kafka_partition,
    offset: Number(row.offset),
  };
}

interface ChangeRow {
  change_id: string;
  op: ProfileChange['op'];
  changed_ms: string;
  source_version: string | null;
  attributes: string | null;
  recorded_ms: string;
  topic: string;
  kafka_partition: number;
  offset: string;
}

export async function readProfileChanges(
  reader: ReportReader,
  { tenantId, userId }: UserKey,
): Promise<ProfileChange[]> {
  const answer = selectRows<ChangeRow>(
    reader,
    `SELECT change_id, op, toUnixTimestamp64Milli(changed_at) AS changed_ms, source_version, attributes,
            toUnixTimestamp64Milli(recorded_at) AS recorded_ms, topic_id AS topic, partition AS kafka_partition, offset
     FROM {database:Identifier}.profile_changes
     WHERE tenant_id = {tenantId:String} AND user_id = {userId:String}`,
    { tenantId, userId },
  );
  return (await Array.fromAsync(answer)).flat().map((row) => ({
    changeId: row.change_id,
    op: row.op,
    changedAt: Number(row.changed_ms),
    sourceVersion: row.source_version === null ? null : BigInt(row.source_version),
    attributes: row.attributes,
    recordedAt: Number(row.recorded_ms),
    topicId: row.topic,
    partition: row.kafka_partition,
    offset: Number(row.offset),
  }));
}

/** Milliseconds: ClickHouse's DateTime64 ends with the year. */
const LATEST = Date.UTC(2299, 0, 1);

interface DefinitionRow extends ReportCampaign {
  campaign_id: string;
  updated_ms: string;
  recorded_ms: string;
  topic: string;
  kafka_partition: number;
  offset: string;
}

export interface DefinitionsWanted {
  readonly tenantId: string;
  readonly campaignIds: readonly string[];
  /** Milliseconds; null: whenever they were recorded. */
  readonly knownAt: number | null;
  readonly pin: Pin;
}

/**
 * The definition of each campaign that is current by what the report may know: the latest by updated_at, then by recording.
 * @throws {Outage}
 */
export async function readDefinitions(
  reader: ReportReader,
  { tenantId, campaignIds, knownAt, pin }: DefinitionsWanted,
): Promise<ReportDefinition[]> {
  const pinned = pin.list();
  const definitions: ReportDefinition[] = [];
  for (const some of portions(campaignIds, (id) => [id])) {
    const answer = selectRows<DefinitionRow>(
      reader,
      `SELECT campaign_id, name, channel, subject, toUnixTimestamp64Milli(updated_at) AS updated_ms,
              toUnixTimestamp64Milli(recorded_at) AS recorded_ms, topic_id AS topic, partition AS kafka_partition, offset
       FROM {database:Identifier}.campaigns
       WHERE tenant_id = {tenantId:String} AND campaign_id IN {campaignIds:Array(String)}
         AND recorded_at <= fromUnixTimestamp64Milli({knownAt:Int64}, 'UTC')
         AND offset < transform(source, {sources:Array(String)}, {nexts:Array(UInt64)}, {otherwise:UInt64})
       ORDER BY updated_at DESC, recorded_at DESC, topic_id DESC, partition DESC, offset DESC
       LIMIT 1 BY campaign_id`,
      {
        tenantId,
        campaignIds: some,
        knownAt: knownAt ?? LATEST,
        sources: pinned.map(({ topic_id, partition }) => `${topic_id}/${partition}`),
        nexts: pinned.map(({ next }) => next),
        otherwise: pin.isFixed ? 0 : Number.MAX_SAFE_INTEGER,
      },
    );
    for (const row of (await Array.fromAsync(answer)).flat()) {
      definitions.push({
        campaignId: row.campaign_id,
        name: row.name,
        channel: row.channel,
        subject: row.subject,
        updatedAt: Number(row.updated_ms),
        recordedAt: Number(row.recorded_ms),
        topicId: row.topic,
        partition: row.kafka_partition,
        offset: Number(row.offset),
      });
    }
  }
  return definitions;
}
