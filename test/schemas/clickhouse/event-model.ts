/** What events mean, written down a second time without SQL: the rows the views must show for what was inserted. */
import fc from 'fast-check';

/** A row of `events` as a pipeline inserts it, and its place in Kafka taken apart. */
export interface EventRow {
  readonly tenant_id: string;
  readonly user_id: string;
  readonly message_id: string;
  readonly campaign_id: string;
  readonly type: string;
  readonly event_id: string;
  readonly kind: 'delivery' | 'feedback';
  /** Milliseconds. */
  readonly occurredAt: number;
  readonly channel: string;
  readonly variant: string | null;
  readonly link: string | null;
  readonly is_machine: boolean;
  readonly value: number | null;
  readonly topicId: string;
  readonly partition: number;
  readonly offset: number;
  /** Milliseconds. */
  readonly recordedAt: number;
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const START = Date.UTC(2026, 7, 30, 23);

const delivery = { kind: 'delivery', types: ['QUEUED', 'SENT', 'DELIVERED', 'BOUNCED', 'UNKNOWN'] } as const;
const feedback = {
  kind: 'feedback',
  types: ['OPENED', 'CLICKED', 'UNSUBSCRIBED', 'COMPLAINED', 'CONVERTED', 'A_NEWER_SYMBOL', 'UNKNOWN'],
} as const;

const whatHappened = fc
  .constantFrom(delivery, feedback)
  .chain(({ kind, types }) => fc.record({ kind: fc.constant(kind), type: fc.constantFrom(...types) }));

/** Out of few values, so that copies of one event meet and contradict one another in every column. */
const event = fc
  .record({
    tenant_id: fc.constantFrom('t', "o'tenant"),
    user_id: fc.constantFrom('u1', 'u2', 'ü/3'),
    message_id: fc.constantFrom('m1', 'm2'),
    campaign_id: fc.constantFrom('c1', 'c1', 'c1', 'c2'),
    event_id: fc.constantFrom('e1', 'e2', 'e3'),
    what: whatHappened,
    occurredAt: fc
      .record({ day: fc.integer({ min: 0, max: 2 }), hour: fc.integer({ min: 0, max: 3 }), ms: fc.nat(2) })
      .map(({ day, hour, ms }) => START + day * DAY + hour * HOUR + ms),
    channel: fc.constantFrom('EMAIL', 'SMS'),
    variant: fc.constantFrom('A', 'B', null),
    link: fc.constantFrom('https://example.com/?a=1', '', null),
    is_machine: fc.boolean(),
    value: fc.constantFrom(1.5, 2, null),
    topicId: fc.constantFrom(
      '000017ff0123456789abcdef01234567',
      'fffff8000123456789abcdef01234567',
      '000018000123456789abcdef01234567',
    ),
    // As text, 10 would come before 2.
    partition: fc.constantFrom(0, 2, 10),
    recordedAt: fc.constantFrom(0, 1, 2).map((ms) => START + 10 * DAY + ms),
  })
  .map(({ what, ...rest }) => ({ ...rest, ...what }));

/** Each at an offset of its own. */
export const eventLists = fc
  .array(event, { minLength: 1, maxLength: 40 })
  .map((events): readonly EventRow[] => events.map((one, index) => ({ ...one, offset: 1_000 + index })));

export function compareRecorded(a: EventRow, b: EventRow): number {
  return (
    a.recordedAt - b.recordedAt ||
    (a.topicId < b.topicId ? -1 : a.topicId > b.topicId ? 1 : 0) ||
    a.partition - b.partition ||
    a.offset - b.offset
  );
}

function groupBy<T>(items: readonly T[], key: (item: T) => readonly unknown[]): T[][] {
  return [...Map.groupBy(items, (item) => JSON.stringify(key(item))).values()];
}

/** Of several copies of one identity the first recorded, in the order of recording. */
export function firstCopies(rows: readonly EventRow[]): EventRow[] {
  const identity = ({ tenant_id, user_id, message_id, type, event_id }: EventRow) => [
    tenant_id,
    user_id,
    message_id,
    type,
    event_id,
  ];
  return groupBy([...rows].sort(compareRecorded), identity).flatMap((copies) => copies.slice(0, 1));
}

const isOpen = ({ type, is_machine }: EventRow) => type === 'OPENED' && !is_machine;
const isClick = ({ type, is_machine }: EventRow) => type === 'CLICKED' && !is_machine;
const isOf =
  (wanted: string) =>
  ({ type }: EventRow) =>
    type === wanted;

export const time = (ms: number) => new Date(ms).toISOString().replace('T', ' ').replace('Z', '');
const times = (events: readonly EventRow[]) => events.map(({ occurredAt }) => occurredAt);
const earliest = (events: readonly EventRow[]) => (events.length === 0 ? null : Math.min(...times(events)));
const latest = (events: readonly EventRow[]) => (events.length === 0 ? null : Math.max(...times(events)));
const timeOrNull = (ms: number | null) => (ms === null ? null : time(ms));

function sentAt(events: readonly EventRow[]): number {
  const deliveries = events.filter(({ kind }) => kind === 'delivery');
  return earliest(events.filter(isOf('SENT'))) ?? earliest(deliveries) ?? earliest(events) ?? Number.NaN;
}

const keyOf = ({ tenant_id, campaign_id, user_id, message_id }: EventRow) => ({
  tenant_id,
  campaign_id,
  user_id,
  message_id,
});

/** Rows of the view `messages`, as far as `MESSAGE_COLUMNS` go. */
export function expectedMessages(rows: readonly EventRow[]): Record<string, unknown>[] {
  return groupBy(firstCopies(rows), (row) => Object.values(keyOf(row))).map((events) => {
    const [first] = events;
    if (first === undefined) throw new Error('a group has a member');
    const named = events.find(({ kind, variant }) => kind === 'delivery' && variant !== null);
    const opens = events.filter(isOpen);
    return {
      ...keyOf(first),
      channel: first.channel,
      variant: named?.variant ?? null,
      sent_at: time(sentAt(events)),
      sent: events.filter(isOf('SENT')).length,
      bounced: events.filter(isOf('BOUNCED')).length,
      opened: opens.length,
      first_opened_at: timeOrNull(earliest(opens)),
      last_opened_at: timeOrNull(latest(opens)),
      machine_opened: events.filter(isOf('OPENED')).length - opens.length,
      clicked: events.filter(isClick).length,
      conversion_value: events.filter(isOf('CONVERTED')).reduce((sum, { value }) => sum + (value ?? 0), 0),
      events: events.length,
      last_event_at: timeOrNull(latest(events)),
    };
  });
}

export const MESSAGE_COLUMNS =
  'tenant_id, campaign_id, user_id, message_id, channel, variant, sent_at, sent, bounced, opened, first_opened_at, last_opened_at, machine_opened, clicked, conversion_value, events, last_event_at';

interface Measured {
  readonly messages: readonly (readonly EventRow[])[];
  readonly events: readonly EventRow[];
}

function measures({ messages, events }: Measured): Record<string, number> {
  const people = (some: readonly EventRow[]) => new Set(some.map(({ user_id }) => user_id)).size;
  const messagesWith = (type: string) =>
    new Set(events.filter(isOf(type)).map(({ user_id, message_id }) => JSON.stringify([user_id, message_id])))
      .size;
  const opens = events.filter(isOpen);
  const clicks = events.filter(isClick);
  return {
    messages: messages.length,
    recipients: people(messages.flat()),
    sent: messagesWith('SENT'),
    delivered: messagesWith('DELIVERED'),
    bounced: messagesWith('BOUNCED'),
    dropped: 0,
    opens: opens.length,
    unique_opens: people(opens),
    machine_opens: events.filter(isOf('OPENED')).length - opens.length,
    clicks: clicks.length,
    unique_clicks: people(clicks),
    machine_clicks: events.filter(isOf('CLICKED')).length - clicks.length,
    replies: 0,
    unsubscribes: people(events.filter(isOf('UNSUBSCRIBED'))),
    complaints: people(events.filter(isOf('COMPLAINED'))),
    conversions: events.filter(isOf('CONVERTED')).length,
    conversion_value: events.filter(isOf('CONVERTED')).reduce((sum, { value }) => sum + (value ?? 0), 0),
  };
}

export const MEASURE_COLUMNS = Object.keys(measures({ messages: [], events: [] })).join(', ');

/** Rows of the view `campaign_stats`. */
export function expectedStats(rows: readonly EventRow[]): Record<string, unknown>[] {
  const first = firstCopies(rows);
  const hourOf = (ms: number) => Math.floor(ms / HOUR) * HOUR;
  return groupBy(first, ({ tenant_id, campaign_id }) => [tenant_id, campaign_id]).flatMap((ofCampaign) => {
    const messages = groupBy(ofCampaign, (row) => Object.values(keyOf(row)));
    const hours = new Set([...times(ofCampaign), ...messages.map(sentAt)].map(hourOf));
    const { tenant_id, campaign_id } = ofCampaign[0] ?? {};
    return [...hours].map((hour) => ({
      tenant_id,
      campaign_id,
      hour: time(hour),
      ...measures({
        messages: messages.filter((events) => hourOf(sentAt(events)) === hour),
        events: ofCampaign.filter(({ occurredAt }) => hourOf(occurredAt) === hour),
      }),
    }));
  });
}

/** Rows of the view `campaign_results`. */
export function expectedResults(rows: readonly EventRow[]): Record<string, unknown>[] {
  return groupBy(firstCopies(rows), ({ tenant_id, campaign_id }) => [tenant_id, campaign_id]).map(
    (events) => {
      const messages = groupBy(events, (row) => Object.values(keyOf(row)));
      const { tenant_id, campaign_id } = events[0] ?? {};
      return { tenant_id, campaign_id, ...measures({ messages, events }) };
    },
  );
}
