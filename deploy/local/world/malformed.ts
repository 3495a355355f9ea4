/** Payloads as broken producers send them, each made from a good one. Every kind belongs among the dead letters. */
import { frame, type WorldEncoders } from './encoders.ts';
import type { WorldTopic, WorldValue } from './world-record.ts';

export interface Malformed {
  readonly kind: string;
  readonly value: Buffer | null;
}

/** `good` is a value of `topic`; the answer is null where the kind makes no sense for the topic. */
type Breakage = (encoders: WorldEncoders, good: WorldValue) => Buffer | null;

function encodeWith(encoders: WorldEncoders, { topic, value }: WorldValue, change: object): Buffer {
  const { schemaId, type } = encoders[topic];
  return frame(schemaId, type.toBuffer({ ...value, ...change }));
}

const timeField = {
  definitions: 'updated_at',
  delivery: 'occurred_at',
  feedback: 'occurred_at',
  profiles: 'changed_at',
} as const satisfies Record<WorldTopic, string>;

function timeOf({ topic, value }: WorldValue): number {
  return Number((value as unknown as Record<string, unknown>)[timeField[topic]]);
}

const everywhere: Readonly<Record<string, Breakage>> = {
  'not framed': (_encoders, { value }) => Buffer.from(JSON.stringify(value)),
  empty: () => Buffer.alloc(0),
  tombstone: () => null,
  'unknown schema id': (encoders, good) =>
    frame(2_000_000_000, encoders[good.topic].type.toBuffer(good.value)),
  'schema of another topic': (encoders, good) => {
    const other = encoders[good.topic === 'profiles' ? 'delivery' : 'profiles'];
    return frame(other.schemaId, encoders[good.topic].type.toBuffer(good.value));
  },
  'cut short': (encoders, good) => encodeWith(encoders, good, {}).subarray(0, 40),
  'bytes left over': (encoders, good) =>
    Buffer.concat([encodeWith(encoders, good, {}), Buffer.from([1, 2, 3])]),
  'seconds for milliseconds': (encoders, good) =>
    encodeWith(encoders, good, { [timeField[good.topic]]: Math.floor(timeOf(good) / 1000) }),
  'no time': (encoders, good) => encodeWith(encoders, good, { [timeField[good.topic]]: 0 }),
  'microseconds for milliseconds': (encoders, good) =>
    encodeWith(encoders, good, { [timeField[good.topic]]: timeOf(good) * 1000 }),
  'empty tenant': (encoders, good) => encodeWith(encoders, good, { tenant_id: '' }),
  'invalid UTF-8': (encoders, good) => {
    const broken = encodeWith(encoders, good, { tenant_id: 'tenant-with-a-broken-name' });
    broken[broken.indexOf('tenant-with') + 6] = 0xff;
    return broken;
  },
};

const profilesOnly: Readonly<Record<string, Breakage>> = {
  'attributes are a list': (encoders, good) =>
    encodeWith(encoders, good, { op: 'SNAPSHOT', attributes: '[1,2]' }),
  'attributes are not JSON': (encoders, good) =>
    encodeWith(encoders, good, { op: 'PATCH', attributes: '{"plan":' }),
  'operation unknown': (encoders, good) => encodeWith(encoders, good, { op: 'UNKNOWN' }),
  'empty user': (encoders, good) => encodeWith(encoders, good, { user_id: '' }),
};

const eventsOnly: Readonly<Record<string, Breakage>> = {
  'empty message id': (encoders, good) => encodeWith(encoders, good, { message_id: '' }),
  'empty event id': (encoders, good) => encodeWith(encoders, good, { event_id: '' }),
};

const kindsFor: Readonly<Record<WorldTopic, readonly (readonly [string, Breakage])[]>> = {
  definitions: Object.entries(everywhere),
  delivery: Object.entries({ ...everywhere, ...eventsOnly }),
  feedback: Object.entries({ ...everywhere, ...eventsOnly }),
  profiles: Object.entries({ ...everywhere, ...profilesOnly }),
};

/** The `index`-th way to break a value of this topic, going round. */
export function breakValue(encoders: WorldEncoders, good: WorldValue, index: number): Malformed {
  const kinds = kindsFor[good.topic];
  const [kind, breakage] = kinds[index % kinds.length] ?? ['empty', () => Buffer.alloc(0)];
  return { kind, value: breakage(encoders, good) };
}
