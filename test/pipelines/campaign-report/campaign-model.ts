/** What a campaign's report must say, by counting event for event and version for version: the slow way, so that it is plainly right. */
import fc from 'fast-check';
import { type EventRow, eventLists, firstCopies, time } from '../../schemas/clickhouse/event-model.ts';

/** `eventLists` plays from here on. */
export const START = Date.UTC(2026, 7, 30, 23);
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

export interface ModelGroup {
  readonly status: string;
  readonly type: string | null;
  readonly value: string | null;
}

const found = (type: string, value: string | null): ModelGroup => ({ status: 'found', type, value });

/** Profiles as the fold writes them, and what group of `/p` each is, told by hand. */
export const PROFILES: readonly (readonly [text: string, group: ModelGroup])[] = [
  ['{"p":"free"}', found('string', 'free')],
  ['{"p":"pro","q":"free"}', found('string', 'pro')],
  // The same spelling, and something else.
  ['{"p":1}', found('number', '1')],
  ['{"p":"1"}', found('string', '1')],
  ['{"p":true}', found('boolean', 'true')],
  ['{"p":"true"}', found('string', 'true')],
  ['{"p":{"q":1}}', found('object', '{"q":1}')],
  ['{"p":"{\\"q\\":1}"}', found('string', '{"q":1}')],
  ['{"p":[null,"x",2.50]}', found('array', '[null,"x",2.5]')],
  ['{"q":{"p":"free"}}', found('absent', null)],
  ['{}', found('absent', null)],
  ['{"p":"none_yet"}', found('string', 'none_yet')],
  ['{"p":""}', found('string', '')],
  // One number or half a surrogate pair anywhere is enough for ClickHouse to give up the whole document.
  ['{"n":1e400,"p":"free"}', found('string', 'free')],
  ['{"n":"\\ud800","p":"free"}', found('string', 'free')],
  ['{"p":"\\ud800"}', found('string', '\ud800')],
  ['{"p":12345678901234567890123}', found('number', '12345678901234567890123')],
  ['{"p":12345678901234567890124}', found('number', '12345678901234567890124')],
  ['{"p":0.10000000000000000001}', found('number', '0.10000000000000000001')],
  ['{"p":-1e-7}', found('number', '-1e-7')],
  // What stands between quotes is no structure, whatever it looks like.
  ['{"a\\"b":",\\"p\\":2","p":"\\\\\\"%22$#\\n:1,[2"}', found('string', '\\"%22$#\n:1,[2')],
  ['{"p":18446744073709551615}', found('number', '18446744073709551615')],
  ['{"p":0.000001}', found('number', '0.000001')],
  ['{"n":1.5,"p":["\u007f",{"x":-3}]}', found('array', '["\u007f",{"x":-3}]')],
  ['{"n":1e400,"p":["\u007f",{"x":-3}]}', found('array', '["\u007f",{"x":-3}]')],
  ['{"p":"%5C"}', found('string', '%5C')],
  ['{"p":"\u2028/ é 日本"}', found('string', '\u2028/ é 日本')],
  ['{"__proto__":1,"p":{"__proto__":"x"}}', found('object', '{"__proto__":"x"}')],
];

const NONE_YET: ModelGroup = { status: 'none_yet', type: null, value: null };
const DELETED: ModelGroup = { status: 'deleted', type: null, value: null };

export interface ModelVersion {
  readonly tenant_id: string;
  readonly user_id: string;
  readonly validFrom: number;
  readonly deleted: boolean;
  readonly profile: (typeof PROFILES)[number];
}

export interface World {
  readonly events: readonly EventRow[];
  readonly versions: readonly ModelVersion[];
}

/** At the very milliseconds of the events, just before them, and just after. */
const instant = fc
  .record({
    day: fc.integer({ min: 0, max: 2 }),
    hour: fc.integer({ min: 0, max: 3 }),
    ms: fc.integer({ min: -1, max: 3 }),
  })
  .map(({ day, hour, ms }) => START + day * DAY + hour * HOUR + ms);

const versionLists = fc.uniqueArray(
  fc.record({
    tenant_id: fc.constantFrom('t', "o'tenant"),
    user_id: fc.constantFrom('u1', 'u2', 'ü/3'),
    validFrom: instant,
    deleted: fc.constantFrom(false, false, false, true),
    profile: fc.constantFrom(...PROFILES),
  }),
  {
    maxLength: 24,
    selector: ({ tenant_id, user_id, validFrom }) => JSON.stringify([tenant_id, user_id, validFrom]),
  },
);

export const worlds: fc.Arbitrary<World> = fc.record({ events: eventLists, versions: versionLists });

/** Each version, and what older folds had made of it: FINAL is to leave them out. */
export function versionRows(versions: readonly ModelVersion[]): object[] {
  return versions.flatMap(({ tenant_id, user_id, validFrom, deleted, profile: [text] }, index) => {
    const row = {
      tenant_id,
      user_id,
      valid_from: time(validFrom),
      valid_to: null,
      version: index + 1,
      deleted,
      attributes: deleted ? '{}' : text,
      change_ids: ['c'],
      recorded_at: time(validFrom),
      fold: '9',
      withdrawn: 0,
    };
    const gone = { ...row, valid_from: time(validFrom + 7), attributes: '{"p":"never"}', fold: '5' };
    return [
      row,
      { ...row, attributes: '{"p":"older"}', deleted: false, fold: '5' },
      gone,
      { ...gone, fold: '9', withdrawn: 1 },
    ];
  });
}

export function eventRow({ occurredAt, recordedAt, topicId, partition, ...row }: EventRow): object {
  return {
    ...row,
    attributes: {},
    occurred_at: time(occurredAt),
    recorded_at: time(recordedAt),
    source: `${topicId}/${partition}`,
  };
}

export interface Question {
  readonly tenantId: string;
  readonly campaignId: string;
  readonly from: number | null;
  readonly to: number | null;
  readonly now: number;
}

type Message = readonly EventRow[];

export function sentAt(message: Message): number {
  const times = (some: Message) => some.map(({ occurredAt }) => occurredAt);
  const sends = times(message.filter(({ type }) => type === 'SENT'));
  const deliveries = times(message.filter(({ kind }) => kind === 'delivery'));
  return Math.min(...(sends.length > 0 ? sends : deliveries.length > 0 ? deliveries : times(message)));
}

export function messagesOf({ events }: World, { tenantId, campaignId, from, to }: Question): Message[] {
  const own = firstCopies(events).filter(
    ({ tenant_id, campaign_id }) => tenant_id === tenantId && campaign_id === campaignId,
  );
  const all = [
    ...Map.groupBy(own, ({ user_id, message_id }) => JSON.stringify([user_id, message_id])).values(),
  ];
  return all.filter(
    (message) => sentAt(message) >= (from ?? -Infinity) && sentAt(message) < (to ?? Infinity),
  );
}

const userOf = ([first]: Message) => first?.user_id ?? '';
const of = (type: string, isMachine?: boolean) => (event: EventRow) =>
  event.type === type && (isMachine === undefined || event.is_machine === isMachine);

export function figuresOf(messages: readonly Message[]): Record<string, number> {
  const events = messages.flat();
  const withAny = (is: (event: EventRow) => boolean) => messages.filter((message) => message.some(is));
  const people = (some: readonly Message[]) => new Set(some.map(userOf)).size;
  return {
    messages: messages.length,
    recipients: people(messages),
    sent: withAny(of('SENT')).length,
    delivered: withAny(of('DELIVERED')).length,
    recipients_delivered: people(withAny(of('DELIVERED'))),
    bounced: withAny(of('BOUNCED')).length,
    dropped: withAny(of('DROPPED')).length,
    opens: events.filter(of('OPENED', false)).length,
    unique_opens: people(withAny(of('OPENED', false))),
    machine_opens: events.filter(of('OPENED', true)).length,
    clicks: events.filter(of('CLICKED', false)).length,
    unique_clicks: people(withAny(of('CLICKED', false))),
    machine_clicks: events.filter(of('CLICKED', true)).length,
    replies: people(withAny(of('REPLIED'))),
    unsubscribes: people(withAny(of('UNSUBSCRIBED'))),
    complaints: people(withAny(of('COMPLAINED'))),
    conversions: events.filter(of('CONVERTED')).length,
    unique_conversions: people(withAny(of('CONVERTED'))),
    conversion_value: events.filter(of('CONVERTED')).reduce((sum, { value }) => sum + (value ?? 0), 0),
  };
}

function groupAt(versions: readonly ModelVersion[], at: number): ModelGroup {
  const valid = versions
    .filter(({ validFrom }) => validFrom <= at)
    .reduce<ModelVersion | null>(
      (latest, one) => (latest === null || one.validFrom > latest.validFrom ? one : latest),
      null,
    );
  if (valid === null) return NONE_YET;
  return valid.deleted ? DELETED : valid.profile[1];
}

const keyOf = ({ status, type, value }: ModelGroup) => JSON.stringify([status, type, value]);

export interface ModelBreakdown {
  readonly atSend: Record<string, Record<string, number>>;
  readonly today: Record<string, Record<string, number>>;
  readonly flow: Record<string, readonly [recipients: number, messages: number]>;
  readonly changed: number;
}

/** Groups by their `[status, type, value]` as text. */
export function breakdownOf(world: World, question: Question): ModelBreakdown {
  const messages = messagesOf(world, question).map((message) => {
    const versions = world.versions.filter(
      ({ tenant_id, user_id }) => tenant_id === question.tenantId && user_id === userOf(message),
    );
    return {
      message,
      atSend: keyOf(groupAt(versions, sentAt(message))),
      today: keyOf(groupAt(versions, question.now)),
    };
  });
  type Placed = (typeof messages)[number];
  const by = <Result>(key: (one: Placed) => string, make: (some: Message[]) => Result) =>
    Object.fromEntries(
      [...Map.groupBy(messages, key)].map(([name, some]) => [name, make(some.map(({ message }) => message))]),
    );
  return {
    atSend: by(({ atSend }) => atSend, figuresOf),
    today: by(({ today }) => today, figuresOf),
    flow: by(
      ({ atSend, today }) => `${atSend} ${today}`,
      (some) => [new Set(some.map(userOf)).size, some.length] as const,
    ),
    changed: new Set(
      messages.filter(({ atSend, today }) => atSend !== today).map(({ message }) => userOf(message)),
    ).size,
  };
}

/** A report's breakdown in the shape of `breakdownOf`. */
export function comparable(breakdown: {
  readonly at_send: { readonly groups: readonly (ModelGroup & { readonly figures: object })[] };
  readonly today: { readonly groups: readonly (ModelGroup & { readonly figures: object })[] };
  readonly flow: readonly {
    readonly at_send: ModelGroup;
    readonly today: ModelGroup;
    readonly recipients: number;
    readonly messages: number;
  }[];
  readonly changed_recipients: number;
}) {
  const side = (groups: readonly (ModelGroup & { readonly figures: object })[]) =>
    Object.fromEntries(groups.map((group) => [keyOf(group), group.figures]));
  return {
    atSend: side(breakdown.at_send.groups),
    today: side(breakdown.today.groups),
    flow: Object.fromEntries(
      breakdown.flow.map((one) => [
        `${keyOf(one.at_send)} ${keyOf(one.today)}`,
        [one.recipients, one.messages],
      ]),
    ),
    changed: breakdown.changed_recipients,
  };
}
