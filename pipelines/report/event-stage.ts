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

/** Everything that is known of a message. */
export interface Message {
  /** The event that says when it was sent: the earliest SENT, else the earliest delivery event, else the earliest feedback. */
  readonly send: ReportEvent;
  /** In order of `occurredAt`, each once. */
  readonly events: readonly ReportEvent[];
}

/** 16 MiB of pages; what is beyond goes to the file. */
const CACHE_KIB = 16_384;

const TABLES = `
  CREATE TABLE events (message TEXT, type TEXT, event TEXT, is_feedback INT, at INT, recorded INT, topic TEXT, partition INT,
    offset INT, rest TEXT);
  CREATE TABLE ordered (event INT);`;

/** Of several copies of one event the first recorded counts; a message is where its send event says. */
const ORDER = `
  INSERT INTO ordered
  WITH copies AS (
      SELECT rowid AS row, message, type, is_feedback, at,
        row_number() OVER (PARTITION BY message, type, event ORDER BY recorded, topic, partition, offset) AS copy
      FROM events),
    dated AS (
      SELECT row, message,
        coalesce(min(at) FILTER (WHERE NOT is_feedback AND type = 'SENT') OVER own,
          min(at) FILTER (WHERE NOT is_feedback) OVER own, min(at) OVER own) AS sent,
        max(at >= :from AND at < :to) OVER own AS is_met
      FROM copies WHERE copy = 1 WINDOW own AS (PARTITION BY message))
  SELECT row FROM dated
  WHERE CASE WHEN :by = 'interaction' THEN is_met ELSE sent >= :from AND sent < :to END
  ORDER BY sent, message`;

interface Row {
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

  /** To be called once, when all events are there and before the first message is taken. */
  order({ from, to }: ReportRange, by: RangeBy): void {
    this.#database
      .prepare(ORDER)
      .run({ from: from ?? Number.MIN_SAFE_INTEGER, to: to ?? Number.MAX_SAFE_INTEGER, by });
    this.#database.exec('COMMIT');
  }

  /** By the time of the send, then by message id as the bytes of UTF-8 compare. May be called again. */
  *messages(): Generator<Message> {
    let events: ReportEvent[] = [];
    const rows = this.#database
      .prepare('SELECT e.* FROM ordered AS o JOIN events AS e ON e.rowid = o.event ORDER BY o.rowid')
      .iterate() as unknown as Iterable<Row>;
    for (const row of rows) {
      if (events.length > 0 && events[0]?.messageId !== row.message) {
        yield messageOf(events);
        events = [];
      }
      events.push(eventOf(row));
    }
    if (events.length > 0) yield messageOf(events);
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

function messageOf(events: ReportEvent[]): Message {
  events.sort(compareOccurred);
  const send =
    events.find(({ kind, type }) => kind === 'delivery' && type === 'SENT') ??
    events.find(({ kind }) => kind === 'delivery') ??
    (events[0] as ReportEvent);
  return { send, events };
}

function compareOccurred(a: ReportEvent, b: ReportEvent): number {
  return (
    a.occurredAt - b.occurredAt ||
    a.recordedAt - b.recordedAt ||
    compareText(a.topicId, b.topicId) ||
    a.partition - b.partition ||
    a.offset - b.offset
  );
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
