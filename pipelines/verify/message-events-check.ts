/**
 * Holds `message_events`, of which tracking rows and results are computed, against `events`. Sums over parts of the users
 * first; only where two sums differ are the rows of that part looked at.
 */
import { type PartitionRef, partitionKey } from '../common/batch.ts';
import { selectRows } from '../common/clickhouse/select.ts';
import type { VerifyCode } from './codes.ts';
import type { VerifiedPartition } from './verdict.ts';
import type { VerifyContext } from './verify-topic.ts';

/** Rows of one part, about: what a join holds in the server's memory. */
const ROWS_OF_PART = 50_000;
const MOST_PARTS = 65_536;

const PART = 'cityHash64(tenant_id, user_id) % {parts:UInt32}';
const IDENTITY = ['tenant_id', 'user_id', 'message_id', 'type', 'event_id'];
const ROW = `cityHash64(formatRow('RowBinary', tenant_id, campaign_id, user_id, message_id, type, event_id, kind, occurred_at,
  channel, variant, is_machine, value, precedence))`;

/** Durable before the check began. In `message_events` the place is in `precedence` only (schemas/clickhouse/001_events.sql). */
const EVENT_IS_DUE =
  'offset < transform(source, {sources:Array(String)}, {nexts:Array(UInt64)}, toUInt64(0))';
const PLACE = 'toUInt64(bitAnd(bitShiftRight(bitNot(precedence), 48), toUInt128(137438953471)))';
const OFFSET = 'toUInt64(bitAnd(bitNot(precedence), toUInt128(281474976710655)))';
const MESSAGE_EVENT_IS_DUE = `${OFFSET} < transform(${PLACE}, {places:Array(UInt64)}, {nexts:Array(UInt64)}, toUInt64(0))`;

/** @param partitions of both topics of events @returns events looked at */
export async function checkMessageEvents(
  context: VerifyContext,
  partitions: readonly VerifiedPartition[],
): Promise<number> {
  return new MessageEventsCheck(context, partitions).run();
}

type Sum = readonly [part: number, rows: string, sum: string];

class MessageEventsCheck {
  readonly #context: VerifyContext;
  readonly #sources: ReadonlyMap<string, PartitionRef>;
  readonly #due: Record<string, unknown>;

  constructor(context: VerifyContext, partitions: readonly VerifiedPartition[]) {
    this.#context = context;
    this.#sources = new Map(partitions.map(({ source }) => [String(placeNumber(source)), source]));
    this.#due = {
      sources: partitions.map(({ source }) => partitionKey(source)),
      places: partitions.map(({ source }) => placeNumber(source)),
      nexts: partitions.map(({ next }) => next ?? 0),
    };
  }

  async run(): Promise<number> {
    const [[rows] = ['0']] = await this.#select<readonly [string]>(
      'SELECT toString(count()) FROM message_events',
    );
    const parts = Math.min(MOST_PARTS, Math.ceil(Number(rows) / ROWS_OF_PART) + 1);
    const sums = (table: string, isDue: string) =>
      this.#select<Sum>(
        `SELECT toUInt32(${PART}) AS part, toString(count()), toString(sum(${ROW})) FROM ${table} FINAL
         WHERE ${isDue} GROUP BY part`,
        { parts, ...this.#due },
      );
    const inEvents = await sums('events', EVENT_IS_DUE);
    const inMessageEvents = new Map(
      (await sums('message_events', MESSAGE_EVENT_IS_DUE)).map((sum) => [sum[0], sum]),
    );
    const differing = new Set(inMessageEvents.keys());
    for (const [part, count, sum] of inEvents) {
      const other = inMessageEvents.get(part);
      if (other?.[1] === count && other[2] === sum) differing.delete(part);
      else differing.add(part);
    }
    for (const part of differing) await this.#look({ parts, part });
    return inEvents.reduce((sum, [, count]) => sum + Number(count), 0);
  }

  async #look(which: { parts: number; part: number }): Promise<void> {
    const inPart = `${PART} = {part:UInt32}`;
    const on = (columns: readonly string[]) => columns.map((name) => `e.${name} = m.${name}`).join(' AND ');
    const events = `SELECT *, precedence, ${ROW} AS row FROM events FINAL WHERE ${inPart}`;
    const messageEvents = `SELECT *, ${ROW} AS row, ${PLACE} AS place, ${OFFSET} AS at FROM message_events FINAL WHERE ${inPart}`;
    const lacking = await this.#select<readonly [string, string, number]>(
      `SELECT toString(transform(e.source, {sources:Array(String)}, {places:Array(UInt64)}, toUInt64(0))), toString(e.offset),
         m.precedence = e.precedence
       FROM (${events} AND ${EVENT_IS_DUE}) AS e LEFT JOIN (${messageEvents}) AS m ON ${on([...IDENTITY, 'campaign_id'])}
       WHERE m.precedence < e.precedence OR (m.precedence = e.precedence AND m.row != e.row)
       ORDER BY e.source, e.offset`,
      { ...which, ...this.#due },
    );
    for (const [place, offset, isThere] of lacking)
      this.#report(isThere ? 'message_event_differs' : 'message_event_missing', place, offset);
    // Days of which nothing is left in events have passed their retention there; message_events keeps them longer.
    const surplus = await this.#select<readonly [string, string]>(
      `SELECT toString(m.place), toString(m.at)
       FROM (${messageEvents} AND ${MESSAGE_EVENT_IS_DUE}) AS m LEFT JOIN (${events}) AS e ON ${on(IDENTITY)}
       WHERE e.precedence < m.precedence
         AND toYYYYMMDD(m.occurred_at) IN (SELECT DISTINCT _partition_value.1 FROM events)
       ORDER BY m.place, m.at`,
      { ...which, ...this.#due },
    );
    for (const [place, offset] of surplus) this.#report('message_event_surplus', place, offset);
  }

  #report(code: VerifyCode, place: string, offset: string): void {
    const source = this.#sources.get(place);
    if (source !== undefined) this.#context.findings.record({ code, source, offset: Number(offset) });
  }

  #select<Row>(query: string, parameters: Record<string, unknown> = {}): Promise<Row[]> {
    const { client, retry } = this.#context;
    return retry(() => selectRows<Row>(client, query, parameters));
  }
}

/** The 37 bits of `precedence` between time and offset: the leading 21 of the topic id, and the partition. */
function placeNumber({ topicId, partition }: PartitionRef): number {
  return (Number.parseInt(topicId.slice(0, 8), 16) >>> 11) * 65_536 + (partition & 0xffff);
}
