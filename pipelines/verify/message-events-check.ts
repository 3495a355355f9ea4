/**
 * Holds `message_events`, of which tracking rows and results are computed, against `events`. Sums over days first; where
 * two differ, over parts of the users; only the rows of a part that differs are looked at. Each of the two tables lets go
 * of rows when its own time has come: what may have left is held against nobody.
 */
import { type Condition, isWithin } from '../cold/exported.ts';
import { type PartitionRef, partitionKey } from '../common/batch.ts';
import { selectRows } from '../common/clickhouse/select.ts';
import type { VerifyCode } from './codes.ts';
import type { VerifiedPartition } from './verdict.ts';
import type { VerifyContext } from './verify-context.ts';

/** Rows of one part, about: what a join holds in the server's memory. */
const ROWS_OF_PART = 50_000;
const MOST_PARTS = 65_536;

/** Messages are let go by the day, and while a check is under way: so many days of the oldest are not held against anybody. */
const MARGIN_DAYS = 2;
const DAY_MS = 86_400_000;

const EVERYTHING: Condition = { sql: 'true', parameters: {} };

const PART = 'cityHash64(tenant_id, user_id) % {parts:UInt32}';
const IN_PART = `${PART} = {part:UInt32}`;
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

/** Days as `20260803`; sums of row hashes of what may and of what may not have left `events`. */
type DaySum = readonly [day: number, isExported: boolean, rows: string, sum: string];
type PartSum = readonly [part: number, rows: string, sum: string];

/** Rows of some days that are looked at. */
interface Look {
  readonly days: readonly number[];
  readonly isExported: boolean;
  readonly parts: number;
}

class MessageEventsCheck {
  readonly #context: VerifyContext;
  readonly #sources: ReadonlyMap<string, PartitionRef>;
  readonly #partitions: readonly VerifiedPartition[];
  /** Messages whose last event is older are gone whole, or may be soon: a day as `20260803`. */
  readonly #oldest: number;

  constructor(context: VerifyContext, partitions: readonly VerifiedPartition[]) {
    this.#context = context;
    this.#partitions = partitions;
    this.#sources = new Map(partitions.map(({ source }) => [String(placeNumber(source)), source]));
    const { ttlDays } = context.config.retention.messages;
    this.#oldest = ttlDays === null ? 0 : dayNumber(context.clock.now() - (ttlDays - MARGIN_DAYS) * DAY_MS);
  }

  async run(): Promise<number> {
    const inEvents = await this.#daySums('events', EVENT_IS_DUE, this.#eventIsExported());
    const inMessageEvents = await this.#daySums(
      'message_events',
      MESSAGE_EVENT_IS_DUE,
      this.#messageEventIsExported(),
    );
    await this.#compareKept(inEvents, inMessageEvents);
    await this.#compareExported(inEvents, inMessageEvents);
    return [...inEvents.values()].reduce((sum, [, , rows]) => sum + Number(rows), 0);
  }

  /** What was not exported is in both tables, and the same. */
  async #compareKept(
    events: ReadonlyMap<string, DaySum>,
    messageEvents: ReadonlyMap<string, DaySum>,
  ): Promise<void> {
    const keys = [...new Set([...events.keys(), ...messageEvents.keys()])];
    const differing = keys.filter((key) => !isSame(events.get(key), messageEvents.get(key)));
    const kept = differing.flatMap((key) => {
      const [day, isExported] = (events.get(key) ?? messageEvents.get(key)) as DaySum;
      return isExported ? [] : [{ key, day }];
    });
    if (kept.length === 0) return;
    const rows = kept.reduce(
      (sum, { key }) => sum + rowsIn(events.get(key)) + rowsIn(messageEvents.get(key)),
      0,
    );
    const look = { days: kept.map(({ day }) => day), isExported: false, parts: partsFor(rows) };
    for (const part of await this.#differingParts(look)) {
      await this.#findLacking(look, part);
      await this.#findSurplus(look, part);
    }
  }

  /** Of what was exported `events` has a part or nothing left: what is left there is in `message_events` too. */
  async #compareExported(
    events: ReadonlyMap<string, DaySum>,
    messageEvents: ReadonlyMap<string, DaySum>,
  ): Promise<void> {
    const differing = [...events].filter(
      ([key, sum]) => sum[1] && rowsIn(sum) > 0 && !isSame(sum, messageEvents.get(key)),
    );
    if (differing.length === 0) return;
    const rows = differing.reduce((total, [, sum]) => total + rowsIn(sum), 0);
    const look = { days: differing.map(([, [day]]) => day), isExported: true, parts: partsFor(rows) };
    for (let part = 0; part < look.parts; part += 1) await this.#findLacking(look, part);
  }

  async #daySums(
    table: 'events' | 'message_events',
    isDue: string,
    isExported: Condition,
  ): Promise<ReadonlyMap<string, DaySum>> {
    // A time among the conditions would leave out days in front of FINAL, and with them other copies.
    const sums = await this.#select<DaySum>(
      `SELECT toYYYYMMDD(occurred_at) AS day, ${isExported.sql} AS exported, toString(count()), toString(sum(${ROW}))
       FROM ${table} FINAL WHERE ${isDue} GROUP BY day, exported`,
      { ...this.#due(), ...isExported.parameters },
    );
    const asked = sums.filter(([day]) => day >= this.#oldest);
    return new Map(asked.map(([day, exported, ...sum]) => [`${day} ${exported}`, [day, !!exported, ...sum]]));
  }

  async #differingParts({ days, parts }: Look): Promise<readonly number[]> {
    const sums = (table: string, isDue: string, isExported: Condition) => {
      const counts = `has({days:Array(UInt32)}, toYYYYMMDD(occurred_at)) AND NOT ${isExported.sql}`;
      return this.#select<PartSum>(
        `SELECT toUInt32(${PART}) AS part, toString(countIf(${counts})), toString(sumIf(${ROW}, ${counts}))
         FROM ${table} FINAL WHERE ${isDue} GROUP BY part`,
        { parts, days, ...this.#due(), ...isExported.parameters },
      );
    };
    const inEvents = await sums('events', EVENT_IS_DUE, this.#eventIsExported());
    const inMessageEvents = await sums(
      'message_events',
      MESSAGE_EVENT_IS_DUE,
      this.#messageEventIsExported(),
    );
    const key = (sum: PartSum) => JSON.stringify(sum);
    const [left, right] = [new Set(inEvents.map(key)), new Set(inMessageEvents.map(key))];
    const differing = [...left.symmetricDifference(right)].map((sum) => (JSON.parse(sum) as PartSum)[0]);
    return [...new Set(differing)].sort((a, b) => a - b);
  }

  /** Events that `message_events` has not, or has otherwise. */
  async #findLacking({ days, isExported, parts }: Look, part: number): Promise<void> {
    const exported = this.#eventIsExported();
    const lacking = await this.#select<readonly [string, string, number]>(
      `SELECT toString(transform(e.source, {sources:Array(String)}, {places:Array(UInt64)}, toUInt64(0))), toString(e.offset),
         m.precedence = e.precedence
       FROM (SELECT *, precedence, ${ROW} AS row, ${exported.sql} AS exported, toYYYYMMDD(occurred_at) AS day
         FROM events FINAL WHERE ${IN_PART} AND ${EVENT_IS_DUE}) AS e
       LEFT JOIN (SELECT *, ${ROW} AS row FROM message_events FINAL WHERE ${IN_PART}) AS m
         ON ${on([...IDENTITY, 'campaign_id'])}
       WHERE e.exported = {exported:Bool} AND has({days:Array(UInt32)}, e.day)
         AND (m.precedence < e.precedence OR (m.precedence = e.precedence AND m.row != e.row))
       ORDER BY e.source, e.offset`,
      { days, exported: isExported, parts, part, ...this.#due(), ...exported.parameters },
    );
    for (const [place, offset, isThere] of lacking)
      this.#report(isThere ? 'message_event_differs' : 'message_event_missing', place, offset);
  }

  /** First copies in `message_events` that `events` has not, although it never let them go. */
  async #findSurplus(look: Look, part: number): Promise<void> {
    const surplus = await this.#surplus(look, part);
    // They may have been exported since, and gone: then a newer manifest says so.
    const isLate = surplus.length > 0 && (await this.#context.cold.refresh('events'));
    for (const [place, offset] of isLate ? await this.#surplus(look, part) : surplus)
      this.#report('message_event_surplus', place, offset);
  }

  #surplus({ days, parts }: Look, part: number): Promise<(readonly [string, string])[]> {
    const exported = this.#messageEventIsExported();
    return this.#select<readonly [string, string]>(
      `SELECT toString(m.place), toString(m.at)
       FROM (SELECT *, ${PLACE} AS place, ${OFFSET} AS at, ${exported.sql} AS exported, toYYYYMMDD(occurred_at) AS day
         FROM message_events FINAL WHERE ${IN_PART} AND ${MESSAGE_EVENT_IS_DUE}
         ORDER BY precedence DESC LIMIT 1 BY ${IDENTITY.join(', ')}) AS m
       LEFT JOIN (SELECT *, precedence FROM events FINAL WHERE ${IN_PART}) AS e ON ${on(IDENTITY)}
       WHERE e.precedence < m.precedence AND NOT m.exported AND has({days:Array(UInt32)}, m.day)
       ORDER BY m.place, m.at`,
      { days, parts, part, ...this.#due(), ...exported.parameters },
    );
  }

  #due(): Record<string, unknown> {
    return {
      sources: this.#partitions.map(({ source }) => partitionKey(source)),
      places: this.#partitions.map(({ source }) => placeNumber(source)),
      nexts: this.#partitions.map(({ next }) => next ?? 0),
    };
  }

  #eventIsExported(): Condition {
    const { cold } = this.#context;
    return cold.isReadable ? isWithin(cold.events, 'cold') : EVERYTHING;
  }

  /** As `isWithin`, of a table that has neither source nor offset as columns. */
  #messageEventIsExported(): Condition {
    const { isReadable, events } = this.#context.cold;
    if (!isReadable) return EVERYTHING;
    const known = this.#partitions.filter(({ source }) => partitionKey(source) in events.next);
    if (events.through === null || known.length === 0) return { sql: 'false', parameters: {} };
    return {
      sql: `(toDate(occurred_at) <= {through:Date} AND ${OFFSET} < transform(${PLACE}, {exported_places:Array(UInt64)}, {exported_nexts:Array(UInt64)}, toUInt64(0)))`,
      parameters: {
        through: events.through,
        exported_places: known.map(({ source }) => placeNumber(source)),
        exported_nexts: known.map(({ source }) => events.next[partitionKey(source)] ?? 0),
      },
    };
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

function on(columns: readonly string[]): string {
  return columns.map((name) => `e.${name} = m.${name}`).join(' AND ');
}

function partsFor(rows: number): number {
  return Math.min(MOST_PARTS, Math.ceil(rows / ROWS_OF_PART) + 1);
}

function rowsIn(sum: DaySum | undefined): number {
  return Number(sum?.[2] ?? 0);
}

function isSame(a: DaySum | undefined, b: DaySum | undefined): boolean {
  return rowsIn(a) === rowsIn(b) && (a?.[3] ?? '0') === (b?.[3] ?? '0');
}

/** `20260803` of an instant in milliseconds. */
function dayNumber(instant: number): number {
  return Number(new Date(instant).toISOString().slice(0, 10).replaceAll('-', ''));
}

/** The 37 bits of `precedence` between time and offset: the leading 21 of the topic id, and the partition. */
function placeNumber({ topicId, partition }: PartitionRef): number {
  return (Number.parseInt(topicId.slice(0, 8), 16) >>> 11) * 65_536 + (partition & 0xffff);
}
