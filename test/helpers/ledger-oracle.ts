/** What the ledger must hold, computed from what a plain consumer reads: judged and decoded by Avro's own library. */
import type avsc from 'avsc';
import type { TopicRole } from '../../config/topics.ts';
import type { SeenRecord } from './kafka-witness.ts';
import { type OracleVersion, oracleVersions } from './profile-oracle.ts';

/** Of one topic: the schemas that its producers use, by id. */
export type Writers = ReadonlyMap<number, avsc.Type>;

type Value = Readonly<Record<string, unknown>>;

export interface GoodRecord {
  readonly record: SeenRecord;
  readonly value: Value;
}

export interface Judged {
  readonly good: readonly GoodRecord[];
  readonly bad: readonly SeenRecord[];
}

/** The field with the time of the event. */
export const TIME = {
  definitions: 'updated_at',
  delivery: 'occurred_at',
  feedback: 'occurred_at',
  profiles: 'changed_at',
} as const satisfies Record<TopicRole, string>;

const IDS: Readonly<Record<TopicRole, readonly string[]>> = {
  definitions: ['tenant_id', 'campaign_id'],
  delivery: ['tenant_id', 'campaign_id', 'user_id', 'message_id', 'event_id'],
  feedback: ['tenant_id', 'campaign_id', 'user_id', 'message_id', 'event_id'],
  profiles: ['tenant_id', 'user_id', 'change_id'],
};

const EARLIEST = Date.UTC(2000, 0, 1);
const DAY_MS = 86_400_000;

export function judge(records: readonly SeenRecord[], role: TopicRole, writers: Writers): Judged {
  const good: GoodRecord[] = [];
  const bad: SeenRecord[] = [];
  for (const record of records) {
    const value = decode(record.value, writers);
    if (value !== null && isGood(role, value, record)) good.push({ record, value });
    else bad.push(record);
  }
  return { good, bad };
}

function decode(bytes: Buffer | null, writers: Writers): Value | null {
  if (bytes === null || bytes.length < 5 || bytes[0] !== 0) return null;
  const type = writers.get(bytes.readUInt32BE(1));
  if (type === undefined) return null;
  const payload = bytes.subarray(5);
  try {
    const value = { ...(type.fromBuffer(payload) as Value) };
    // The library makes U+FFFD of what is no UTF-8: then it does not come out as it went in.
    return type.toBuffer(value).equals(payload) ? value : null;
  } catch {
    return null;
  }
}

function isGood(role: TopicRole, value: Value, { timestamp }: SeenRecord): boolean {
  if (IDS[role].some((name) => value[name] === '')) return false;
  const time = Number(value[TIME[role]]);
  if (time < EARLIEST || time > timestamp + DAY_MS) return false;
  return role !== 'profiles' || isGoodChange(value);
}

function isGoodChange({ op, attributes }: Value): boolean {
  if (op === 'DELETE' && attributes === null) return true;
  if (op === 'UNKNOWN' || typeof attributes !== 'string') return false;
  try {
    const parsed: unknown = JSON.parse(attributes);
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed);
  } catch {
    return false;
  }
}

/** By identity; of several copies the first recorded. */
export function firstRecorded(
  records: readonly GoodRecord[],
  identity: (value: Value) => readonly unknown[],
): ReadonlyMap<string, GoodRecord> {
  const first = new Map<string, GoodRecord>();
  for (const one of records) {
    const key = JSON.stringify(identity(one.value));
    const known = first.get(key);
    if (known === undefined || isEarlier(one.record, known.record)) first.set(key, one);
  }
  return first;
}

function isEarlier(a: SeenRecord, b: SeenRecord): boolean {
  return (a.timestamp - b.timestamp || a.partition - b.partition || a.offset - b.offset) < 0;
}

export interface EventRow {
  readonly tenant_id: string;
  readonly campaign_id: string;
  readonly user_id: string;
  readonly message_id: string;
  readonly type: string;
  readonly occurred_at: number;
  readonly kind: string;
  readonly [column: string]: unknown;
}

/** Rows as `ledger_bi.events` shows them, by identity; times in milliseconds. */
export function expectedEvents({
  delivery,
  feedback,
}: {
  delivery: readonly GoodRecord[];
  feedback: readonly GoodRecord[];
}): ReadonlyMap<string, EventRow> {
  const rows = new Map<string, EventRow>();
  for (const [kind, records] of Object.entries({ delivery, feedback })) {
    for (const [key, { record, value }] of firstRecorded(records, eventIdentity)) {
      const text = (name: string) => value[name] ?? null;
      rows.set(key, {
        tenant_id: String(value.tenant_id),
        campaign_id: String(value.campaign_id),
        user_id: String(value.user_id),
        message_id: String(value.message_id),
        event_id: value.event_id,
        kind,
        type: String(value.type),
        occurred_at: Number(value.occurred_at),
        channel: value.channel,
        variant: text('variant'),
        reason: text('reason'),
        provider: text('provider'),
        link: text('link'),
        user_agent: text('user_agent'),
        is_machine: value.is_machine ?? false,
        value: text('value'),
        attributes: { ...(value.attributes as object) },
        recorded_at: record.timestamp,
        topic_id: record.topicId,
        partition: record.partition,
        offset: record.offset,
      });
    }
  }
  return rows;
}

export function eventIdentity(value: Value): readonly unknown[] {
  return [value.tenant_id, value.user_id, value.message_id, value.type, value.event_id];
}

/** Rows as `ledger_bi.messages` shows them, as far as they can be told from the events alone. */
export function expectedMessages(events: Iterable<EventRow>): ReadonlyMap<string, object> {
  const byMessage = Map.groupBy(events, ({ tenant_id, campaign_id, user_id, message_id }) =>
    JSON.stringify([tenant_id, campaign_id, user_id, message_id]),
  );
  const rows = new Map<string, object>();
  for (const [key, own] of byMessage) {
    const times = (of: (event: EventRow) => boolean) => own.filter(of).map(({ occurred_at }) => occurred_at);
    const sends = times(({ type }) => type === 'SENT');
    const deliveries = times(({ kind }) => kind === 'delivery');
    const all = times(() => true);
    const count = (type: string, isMachine: boolean | null = null) =>
      own.filter((event) => event.type === type && (isMachine === null || event.is_machine === isMachine))
        .length;
    rows.set(key, {
      sent_at: Math.min(...(sends.length > 0 ? sends : deliveries.length > 0 ? deliveries : all)),
      events: own.length,
      last_event_at: Math.max(...all),
      sent: count('SENT'),
      delivered: count('DELIVERED'),
      bounced: count('BOUNCED'),
      opened: count('OPENED', false),
      machine_opened: count('OPENED', true),
      clicked: count('CLICKED', false),
    });
  }
  return rows;
}

/** By tenant and user. */
export function expectedVersions(
  profiles: readonly GoodRecord[],
): ReadonlyMap<string, readonly OracleVersion[]> {
  const byUser = Map.groupBy(profiles, ({ value }) => JSON.stringify([value.tenant_id, value.user_id]));
  return new Map(
    [...byUser].map(([user, own]) => [
      user,
      oracleVersions(
        own.map(({ record, value }) => ({
          change_id: String(value.change_id),
          op: String(value.op),
          changed_at: Number(value.changed_at),
          source_version: value.source_version as number | null,
          attributes: value.attributes as string | null,
          record,
        })),
      ),
    ]),
  );
}
