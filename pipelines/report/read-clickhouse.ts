/** One user's events, profile changes and campaigns, as ClickHouse holds them: every copy, none collapsed. */
import type { ClickHouseClient } from '@clickhouse/client';
import { asOutage } from '../common/clickhouse/client.ts';
import { portions } from '../common/clickhouse/list-parameters.ts';
import type { ProfileChange } from '../profiles/fold/fold-profile.ts';
import type { ReportEvent } from './event-stage.ts';
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

/** What a report may know. */
export interface Knowledge {
  /** Milliseconds; null: whenever it was recorded. */
  readonly knownAt: number | null;
  readonly pin: Pin;
}

export interface UserRows {
  /** Rows of events that were handed on. */
  readonly events: number;
  readonly changes: readonly ProfileChange[];
}

/** Cells as text: numbers of 64 bits must not be rounded on the way. */
type Cells = readonly (string | null)[];
type Part = 'event' | 'change' | 'definition';

const EVENT = `kind, event_id, message_id, campaign_id, channel, type, toString(toUnixTimestamp64Milli(occurred_at)), variant, reason, provider,
  link, user_agent, toString(is_machine), toString(value), toString(toUnixTimestamp64Milli(recorded_at)), source, toString(offset)`;
const CHANGE = `change_id, op, toString(toUnixTimestamp64Milli(changed_at)), toString(source_version), attributes,
  toString(toUnixTimestamp64Milli(recorded_at)), source, toString(offset)`;
const DEFINITION = `campaign_id, name, channel, subject, toString(toUnixTimestamp64Milli(updated_at)),
  toString(toUnixTimestamp64Milli(recorded_at)), source, toString(offset)`;
const OF_USER = 'tenant_id = {tenantId:String} AND user_id = {userId:String}';

const select = (part: Part, cells: string, rest: string) =>
  `SELECT '${part}' AS part, CAST([${cells}], 'Array(Nullable(String))') AS cells FROM {database:Identifier}.${rest}`;

/** The latest by updated_at, then by recording. */
const DEFINITIONS = select(
  'definition',
  DEFINITION,
  `campaigns
   WHERE tenant_id = {tenantId:String} AND campaign_id IN {campaignIds:Array(String)}
     AND recorded_at <= fromUnixTimestamp64Milli({knownAt:Int64}, 'UTC')
     AND offset < transform(source, {sources:Array(String)}, {nexts:Array(UInt64)}, {otherwise:UInt64})
   ORDER BY updated_at DESC, recorded_at DESC, topic_id DESC, partition DESC, offset DESC
   LIMIT 1 BY campaign_id`,
);

/** Milliseconds: ClickHouse's DateTime64 ends with the year. */
const LATEST = Date.UTC(2299, 0, 1);

function knowledgeParameters({ knownAt, pin }: Knowledge): Record<string, unknown> {
  const pinned = pin.list();
  return {
    knownAt: knownAt ?? LATEST,
    sources: pinned.map(({ topic_id, partition }) => `${topic_id}/${partition}`),
    nexts: pinned.map(({ next }) => next),
    otherwise: pin.isFixed ? 0 : Number.MAX_SAFE_INTEGER,
  };
}

/**
 * One question, by the tables' primary keys: the cost is this user's rows, not the tables'. Holds few events at a time.
 * @throws {Outage}
 */
export async function readUser(
  reader: ReportReader,
  user: UserKey,
  { onEvent }: { readonly onEvent: (event: ReportEvent) => void },
): Promise<UserRows> {
  const query = [
    select('event', EVENT, `events WHERE ${OF_USER}`),
    select('change', CHANGE, `profile_changes WHERE ${OF_USER}`),
  ].join('\nUNION ALL\n');
  const changes: ProfileChange[] = [];
  let events = 0;
  for await (const [part, cells] of ask(reader, query, { ...user })) {
    if (part === 'change') changes.push(changeOf(cells));
    else {
      events += 1;
      onEvent(eventOf(cells));
    }
  }
  return { events, changes };
}

/**
 * Of each campaign the definition that is current by what the report may know. Asked by itself, once the ids are known: within
 * the question about the user it would have to read their events a second time to learn these.
 * @throws {Outage}
 */
export async function readDefinitions(
  reader: ReportReader,
  {
    tenantId,
    campaignIds,
    ...knowledge
  }: Knowledge & { readonly tenantId: string; readonly campaignIds: readonly string[] },
): Promise<ReportDefinition[]> {
  const definitions: ReportDefinition[] = [];
  for (const some of portions(campaignIds, (id) => [id])) {
    const parameters = { tenantId, campaignIds: some, ...knowledgeParameters(knowledge) };
    for await (const [, cells] of ask(reader, DEFINITIONS, parameters)) definitions.push(definitionOf(cells));
  }
  return definitions;
}

async function* ask(
  { clickhouse, database }: ReportReader,
  query: string,
  parameters: Record<string, unknown>,
): AsyncGenerator<readonly [Part, Cells]> {
  try {
    const answer = await clickhouse.query({
      query,
      query_params: { ...parameters, database },
      format: 'JSONCompactEachRow',
      // Proxies refuse long URLs.
      use_multipart_params_auto: true,
    });
    for await (const rows of answer.stream<readonly [Part, Cells]>())
      for (const row of rows) yield row.json();
  } catch (error) {
    throw asOutage(error);
  }
}

function placeOf(source: string | null | undefined, offset: string | null | undefined) {
  const [topicId = '', partition] = (source ?? '').split('/');
  return { topicId, partition: Number(partition), offset: Number(offset) };
}

const orNull = (text: string | null | undefined): string | null => text ?? null;

function eventOf(cells: Cells): ReportEvent {
  const [
    kind,
    eventId,
    messageId,
    campaignId,
    channel,
    type,
    occurredMs,
    variant,
    reason,
    provider,
    ...more
  ] = cells;
  const [link, userAgent, isMachine, value, recordedMs, source, offset] = more;
  const number = value === null || value === undefined ? Number.NaN : Number(value);
  return {
    kind: kind as ReportEvent['kind'],
    eventId: eventId ?? '',
    messageId: messageId ?? '',
    campaignId: campaignId ?? '',
    channel: channel ?? '',
    type: type ?? '',
    occurredAt: Number(occurredMs),
    variant: orNull(variant),
    reason: orNull(reason),
    provider: orNull(provider),
    link: orNull(link),
    userAgent: orNull(userAgent),
    isMachine: isMachine === 'true',
    // JSON has neither infinities nor what is no number.
    value: Number.isFinite(number) ? number : null,
    recordedAt: Number(recordedMs),
    ...placeOf(source, offset),
  };
}

function changeOf([
  changeId,
  op,
  changedMs,
  sourceVersion,
  attributes,
  recordedMs,
  source,
  offset,
]: Cells): ProfileChange {
  return {
    changeId: changeId ?? '',
    op: op as ProfileChange['op'],
    changedAt: Number(changedMs),
    sourceVersion: sourceVersion === null || sourceVersion === undefined ? null : BigInt(sourceVersion),
    attributes: orNull(attributes),
    recordedAt: Number(recordedMs),
    ...placeOf(source, offset),
  };
}

function definitionOf([
  campaignId,
  name,
  channel,
  subject,
  updatedMs,
  recordedMs,
  source,
  offset,
]: Cells): ReportDefinition {
  return {
    campaignId: campaignId ?? '',
    name: name ?? '',
    channel: channel ?? '',
    subject: orNull(subject),
    updatedAt: Number(updatedMs),
    recordedAt: Number(recordedMs),
    ...placeOf(source, offset),
  };
}
