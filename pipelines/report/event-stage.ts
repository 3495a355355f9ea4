/**
 * A user's events on their way to records: put in as they are read, in any order and with copies, and taken out message by
 * message. In a database of its own that keeps to some megabytes of memory and goes to a temporary file beyond them, so
 * that a user with a million events takes no more than one with ten.
 */
import { openDatabase } from './sqlite.ts';

/** One stored event of the user. Times in milliseconds since the epoch. */
export interface ReportEvent {
  readonly kind: 'delivery' | 'feedback';
  readonly eventId: string;
  readonly messageId: string;
  readonly campaignId: string;
  readonly channel: string;
  readonly type: string;
  readonly occurredAt: number;
  readonly variant: string | null;
  readonly reason: string | null;
  readonly provider: string | null;
  readonly link: string | null;
  readonly userAgent: string | null;
  readonly isMachine: boolean;
  readonly value: number | null;
  readonly recordedAt: number;
  readonly topicId: string;
  readonly partition: number;
  readonly offset: number;
}

/** Milliseconds since the epoch, `[from, to)`; null is open. */
export interface ReportRange {
  readonly from: number | null;
  readonly to: number | null;
}

/** What of a message must lie in the range: when it was sent, or any event of it. */
export type RangeBy = 'send' | 'interaction';

/** Everything that is known of a message. Its events in order of `occurredAt`, each once. */
export interface Message {
  /** The event that says when it was sent: the earliest SENT, else the earliest delivery event, else the earliest feedback. */
  readonly send: ReportEvent;
  readonly delivery: StagedEvents;
  readonly feedback: StagedEvents;
  /** Of both. */
  readonly events: number;
}

/** A list, or, of a message with more than memory should hold, what reads them anew each time until the stage is disposed of. */
export type StagedEvents = Iterable<ReportEvent>;

/** 16 MiB of pages; what is beyond goes to the file. */
const CACHE_KIB = 16_384;
/** Of one message, in memory. */
const MOST_HELD = 1000;

const COLUMNS =
  'message TEXT, type TEXT, event TEXT, is_feedback INT, at INT, recorded INT, topic TEXT, partition INT, offset INT, rest TEXT';

const TABLES = `
  CREATE TABLE events (${COLUMNS});
  CREATE TABLE places (place INTEGER PRIMARY KEY, event INT);
  CREATE TABLE ordered (place INTEGER PRIMARY KEY, ${COLUMNS});`;

/**
 * Of several copies of one event the first recorded counts; a message is where its send event says. Text compares as the
 * bytes of UTF-8 do.
 */
const ORDER = `
  INSERT INTO places (event)
  WITH copies AS (
      SELECT rowid AS row, message, type, is_feedback, at, recorded, topic, partition, offset,
        row_number() OVER (PARTITION BY message, type, event ORDER BY recorded, topic, partition, offset) AS copy
      FROM events),
    dated AS (
      SELECT row, message, at, recorded, topic, partition, offset,
        coalesce(min(at) FILTER (WHERE NOT is_feedback AND type = 'SENT') OVER own,
          min(at) FILTER (WHERE NOT is_feedback) OVER own, min(at) OVER own) AS sent,
        max(at >= :from AND at < :to) OVER own AS is_met
      FROM copies WHERE copy = 1 WINDOW own AS (PARTITION BY message))
  SELECT row FROM dated
  WHERE CASE WHEN :by = 'interaction' THEN is_met ELSE sent >= :from AND sent < :to END
  ORDER BY sent, message, at, recorded, topic, partition, offset`;

/** They are read several times, one behind the other: from here and there each time would take far longer. */
const COPY = `
  INSERT INTO ordered
  SELECT p.place, e.* FROM places AS p JOIN events AS e ON e.rowid = p.event
  WHERE p.place > :after AND p.place <= :after + :count ORDER BY p.place`;

const COPIED_AT_ONCE = 2000;

interface Row {
  /** Rises by one from event to event in the order of the report. */
  place: number;
  message: string;
  type: string;
  event: string;
  is_feedback: number;
  at: number;
  recorded: number;
  topic: string;
  partition: number;
  offset: number;
  rest: string;
}

/** What only records need. */
type Rest = Pick<
  ReportEvent,
  'campaignId' | 'channel' | 'variant' | 'reason' | 'provider' | 'link' | 'userAgent' | 'isMachine' | 'value'
>;

export class EventStage implements Disposable {
  readonly #database = openDatabase({ cacheKib: CACHE_KIB });
  readonly #insert;
  readonly #campaigns = new Set<string>();

  constructor() {
    this.#database.exec(TABLES);
    this.#insert = this.#database.prepare('INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)');
    this.#database.exec('BEGIN');
  }

  add(event: ReportEvent): void {
    const { messageId, type, eventId, kind, occurredAt, recordedAt, topicId, partition, offset } = event;
    const { campaignId, channel, variant, reason, provider, link, userAgent, isMachine, value } = event;
    const rest: Rest = { campaignId, channel, variant, reason, provider, link, userAgent, isMachine, value };
    const isFeedback = kind === 'feedback' ? 1 : 0;
    const text = JSON.stringify(rest);
    const place = [topicId, partition, offset] as const;
    this.#insert.run(messageId, type, eventId, isFeedback, occurredAt, recordedAt, ...place, text);
    this.#campaigns.add(campaignId);
  }

  /** Of all events that were added. */
  get campaignIds(): ReadonlySet<string> {
    return new Set(this.#campaigns);
  }

  /**
   * To be gone through once, when all events are there and before the first message is taken: in steps, between which others
   * may come in.
   */
  *order({ from, to }: ReportRange, by: RangeBy): Generator<void> {
    this.#database
      .prepare(ORDER)
      .run({ from: from ?? Number.MIN_SAFE_INTEGER, to: to ?? Number.MAX_SAFE_INTEGER, by });
    const copy = this.#database.prepare(COPY);
    for (let after = 0; ; after += COPIED_AT_ONCE) {
      if (copy.run({ after, count: COPIED_AT_ONCE }).changes < COPIED_AT_ONCE) break;
      yield;
    }
    this.#database.exec('COMMIT');
  }

  /** By the time of the send, then by message id as the bytes of UTF-8 compare. May be called again. */
  *messages(): Generator<Message> {
    let gathered: Gathered | null = null;
    for (const row of this.#rows('SELECT * FROM ordered ORDER BY place')) {
      if (gathered?.messageId !== row.message) {
        if (gathered !== null) yield this.#message(gathered);
        gathered = new Gathered(row);
      }
      gathered.add(row);
    }
    if (gathered !== null) yield this.#message(gathered);
  }

  #message({ send, held, delivery, feedback }: Gathered): Message {
    const of = (isFeedback: 0 | 1, span: Span): StagedEvents =>
      held?.filter(({ is_feedback }) => is_feedback === isFeedback).map(eventOf) ?? {
        [Symbol.iterator]: () => this.#within(span, isFeedback),
      };
    const events = delivery.count + feedback.count;
    return { send: eventOf(send), delivery: of(0, delivery), feedback: of(1, feedback), events };
  }

  *#within({ first, last }: Span, isFeedback: 0 | 1): Generator<ReportEvent> {
    const query =
      'SELECT * FROM ordered WHERE place BETWEEN :first AND :last AND is_feedback = :isFeedback ORDER BY place';
    for (const row of this.#rows(query, { first, last, isFeedback })) yield eventOf(row);
  }

  /** By a statement of its own: several may be read side by side. */
  #rows(query: string, values: Record<string, number> = {}): Iterable<Row> {
    return this.#database.prepare(query).iterate(values) as unknown as Iterable<Row>;
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

function eventOf(row: Row): ReportEvent {
  return {
    ...(JSON.parse(row.rest) as Rest),
    kind: row.is_feedback === 1 ? 'feedback' : 'delivery',
    messageId: row.message,
    type: row.type,
    eventId: row.event,
    occurredAt: row.at,
    recordedAt: row.recorded,
    topicId: row.topic,
    partition: row.partition,
    offset: row.offset,
  };
}

/** The places of a message's events of one kind, and of some of the other between them. */
interface Span {
  count: number;
  first: number;
  last: number;
}

/** What is met of one message: its rows while there are few, and of any number where they are. */
class Gathered {
  readonly messageId: string;
  /** Null: too many. */
  held: Row[] | null = [];
  readonly delivery: Span = { count: 0, first: 0, last: -1 };
  readonly feedback: Span = { count: 0, first: 0, last: -1 };
  send: Row;

  constructor(row: Row) {
    this.messageId = row.message;
    this.send = row;
  }

  /** In their order. */
  add(row: Row): void {
    const span = row.is_feedback === 1 ? this.feedback : this.delivery;
    if (span.count === 0) span.first = row.place;
    span.last = row.place;
    span.count += 1;
    if (sendRank(row) > sendRank(this.send)) this.send = row;
    if (this.held !== null && this.held.push(row) > MOST_HELD) this.held = null;
  }
}

/** The highest says when a message was sent, of several the first. */
function sendRank({ is_feedback, type }: Row): number {
  return is_feedback === 1 ? 0 : type === 'SENT' ? 2 : 1;
}
