/** Payloads as broken, confused and hostile producers send them: each made from a good one, all of them decided by a seed. */
import type { TopicRole } from '../../config/topics.ts';
import { frame, type WorldEncoders } from '../../deploy/local/world/encoders.ts';
import { Random } from '../../deploy/local/world/random.ts';
import { encodeLong } from './avro-arbitraries.ts';
import { TIME } from './ledger-oracle.ts';
import { change, definition, delivery, feedback, NOON } from './ledger-values.ts';

const ROLES = ['definitions', 'delivery', 'feedback', 'profiles'] as const satisfies readonly TopicRole[];
const USERS = 150;
/** A large value is one in so many: a hundred of them would be all that the test moves about. */
const LARGE_EVERY = 300;
/** What a topic takes by default, without room for the batch around it. */
const LARGEST_BYTES = 1024 * 1024 - 512;

export interface FuzzedRecord {
  readonly role: TopicRole;
  readonly kind: string;
  readonly key: string;
  readonly value: Buffer | null;
}

interface Subject {
  readonly random: Random;
  readonly encoders: WorldEncoders;
  readonly role: TopicRole;
  readonly fields: Readonly<Record<string, unknown>>;
  /** The good one, framed. Whoever changes bytes copies it first. */
  readonly good: Buffer;
  /** Encodes the good fields with these in their place. */
  encode(change: object): Buffer;
}

type Breakage = (subject: Subject) => Buffer | null;

/** Lengths and counts that some reader may try to make room for; none of them is the number of bytes that follow. */
const HOSTILE = [
  2n ** 28n,
  2n ** 29n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n,
  2n ** 53n,
  2n ** 63n - 1n,
] as const;
const NEGATIVE = [-1n, -(2n ** 31n), -(2n ** 63n)] as const;

const BROKEN_TEXTS = [
  [0xff],
  [0xc0, 0xaf],
  [0xed, 0xa0, 0x80],
  [0xe2, 0x82],
  [0xf5, 0x80, 0x80, 0x80],
] as const;

const BREAKAGES: Readonly<Record<string, Breakage>> = {
  'one bit flipped': ({ good, random }) => withBitsFlipped(good, random, 1),
  'one bit of the payload flipped': ({ good, random }) => withBitsFlipped(good, random, 1, 5),
  'several bits flipped': ({ good, random }) => withBitsFlipped(good, random, random.between(2, 12)),
  'bits of the payload flipped': ({ good, random }) => withBitsFlipped(good, random, random.between(2, 6), 5),
  cut: ({ good, random }) => good.subarray(0, random.between(1, good.length - 1)),
  'cut at the front': ({ good, random }) => good.subarray(random.between(1, good.length - 1)),
  'a piece cut out': ({ good, random }) => {
    const at = random.between(0, good.length - 2);
    return Buffer.concat([good.subarray(0, at), good.subarray(at + random.between(1, 20))]);
  },
  lengthened: ({ good, random }) => Buffer.concat([good, noise(random, random.between(1, 40))]),
  'bytes put in': ({ good, random }) => {
    const at = random.between(5, good.length);
    return Buffer.concat([good.subarray(0, at), noise(random, random.between(1, 12)), good.subarray(at)]);
  },
  'wrong magic': ({ good, random }) => Buffer.concat([Buffer.of(random.between(1, 255)), good.subarray(1)]),
  'JSON instead': ({ fields }) => Buffer.from(JSON.stringify(fields)),
  'wrong id': ({ good, random }) =>
    frame(
      random.pick([0, random.between(100, 5_000), random.between(0, 0x7fff_ffff), 0x8000_0000, 0xffff_ffff]),
      good.subarray(5),
    ),
  'the id of another topic': ({ good, role, encoders, random }) => {
    const other = random.pick(ROLES);
    return frame(encoders[other === role ? 'profiles' : other].schemaId, good.subarray(5));
  },
  'a hostile length': (subject) => withLengthOf(subject, subject.random.pick(HOSTILE)),
  'a negative length': (subject) => withLengthOf(subject, subject.random.pick(NEGATIVE)),
  'a hostile count': ({ role, encode, random }) => {
    if (role === 'profiles') return hostileBranch(encode({}), random);
    const value = encode({ attributes: {} });
    const count = encodeLong(random.pick([...HOSTILE, ...NEGATIVE, 4n, 1_000n]));
    return Buffer.concat([value.subarray(0, -1), count, noise(random, random.between(0, 8))]);
  },
  'a number without end': ({ good, random }) => {
    const at = random.between(5, good.length - 1);
    return Buffer.concat([
      good.subarray(0, at),
      Buffer.alloc(random.between(9, 12), 0xff),
      good.subarray(at + 1),
    ]);
  },
  'text that is not UTF-8': (subject) => {
    const { random, good } = subject;
    const [text, at] = aText(subject);
    const broken = random.pick(BROKEN_TEXTS as unknown as [readonly number[], ...(readonly number[])[]]);
    const value = Buffer.from(good);
    if (text.length >= broken.length) value.set(broken, at + random.between(0, text.length - broken.length));
    return value;
  },
  'deep JSON': ({ role, encode, random }) => {
    const depth = random.pick([50, 99, 100, 101, 150, 5_000, 100_000]);
    const text = random.pick([
      `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`,
      `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`,
      '['.repeat(depth),
      `{"a":"${'[{'.repeat(depth)}"}`,
    ]);
    return encode({ attributes: role === 'profiles' ? text : { json: text } });
  },
  'attributes that are no object': ({ role, encode, random }) => {
    const text = random.pick([
      '[1,2]',
      'null',
      '"text"',
      '12',
      '{"plan":',
      '{"plan":}',
      '',
      "{'plan':1}",
      '\ufeff{}',
    ]);
    return encode({ attributes: role === 'profiles' ? text : { json: text } });
  },
  'no attributes, or no operation': ({ role, encode, random }) => {
    if (role !== 'profiles') return encode({ channel: 'UNKNOWN' });
    return encode(
      random.pick<object>([
        { op: 'UNKNOWN' },
        { attributes: null, op: 'PATCH' },
        { attributes: null, op: 'DELETE' },
      ]),
    );
  },
  'a time in seconds': ({ role, encode, fields }) =>
    encode({ [TIME[role]]: Math.floor(Number(fields[TIME[role]]) / 1_000) }),
  'an absurd time': ({ role, encode, fields, random }) =>
    encode({
      [TIME[role]]: random.pick([
        0,
        -1,
        Number(fields[TIME[role]]) * 1_000,
        9e15,
        -9e15,
        Date.UTC(2000, 0, 1) - 1,
      ]),
    }),
  'an empty id': (subject) => subject.encode({ [anId(subject)]: '' }),
  'an id without end': (subject) =>
    subject.encode({ [anId(subject)]: 'x'.repeat(subject.random.between(1_020, 1_030)) }),
  nothing: ({ random }) =>
    random.pick([null, Buffer.alloc(0), Buffer.alloc(1), Buffer.alloc(4), Buffer.alloc(5)]),
};

/** Of the largest size that a topic takes. */
const LARGE: readonly (readonly [string, Breakage])[] = [
  ['1 MiB of noise', ({ random }) => noise(random, LARGEST_BYTES)],
  ['1 MiB of zeros', () => Buffer.alloc(LARGEST_BYTES)],
  ['1 MiB behind the record', ({ good }) => Buffer.concat([good, Buffer.alloc(LARGEST_BYTES - good.length)])],
  [
    '1 MiB of text',
    ({ role, encode }) =>
      encode({
        attributes:
          role === 'profiles'
            ? JSON.stringify({ long: 'x'.repeat(1_000_000) })
            : { long: 'ü'.repeat(500_000) },
      }),
  ],
  [
    '1 MiB of brackets',
    ({ role, encode }) =>
      encode({ attributes: role === 'profiles' ? '['.repeat(1_000_000) : { deep: '{['.repeat(500_000) } }),
  ],
  ['1 MiB of an id', (subject) => subject.encode({ [anId(subject)]: 'i'.repeat(1_000_000) })],
];

export const KINDS: readonly string[] = ['good', ...Object.keys(BREAKAGES), ...LARGE.map(([kind]) => kind)];

/** @param count of the broken ones; behind every second of them stands a good one */
export function* fuzzedRecords(
  encoders: WorldEncoders,
  { seed, count }: { seed: number; count: number },
): Generator<FuzzedRecord> {
  const random = new Random(seed, 5);
  const breakages = Object.entries(BREAKAGES);
  for (let index = 0; index < count; index += 1) {
    const isLarge = index % LARGE_EVERY === 0;
    const [kind, breakage] = isLarge
      ? (LARGE[(index / LARGE_EVERY) % LARGE.length] ?? (LARGE[0] as (typeof LARGE)[number]))
      : (breakages[index % breakages.length] as (typeof breakages)[number]);
    const subject = goodOne(encoders, random, `b${index}`);
    yield { role: subject.role, kind, key: keyOf(subject), value: breakage(subject) };
    if (index % 2 === 0) continue;
    const other = goodOne(encoders, random, `g${index}`);
    yield { role: other.role, kind: 'good', key: keyOf(other), value: other.good };
  }
}

function goodOne(encoders: WorldEncoders, random: Random, id: string): Subject {
  const role = ROLES[random.between(0, ROLES.length - 1)] ?? 'feedback';
  const fields = fieldsOf(role, { random, id });
  const { schemaId, type } = encoders[role];
  const encode = (other: object) => frame(schemaId, type.toBuffer({ ...fields, ...other }));
  return { random, encoders, role, fields, encode, good: encode({}) };
}

function fieldsOf(role: TopicRole, { random, id }: { random: Random; id: string }): Record<string, unknown> {
  const at = NOON - random.between(0, 72 * 3_600_000);
  const user_id = `user-${random.between(0, USERS - 1)}`;
  const message = {
    event_id: id,
    user_id,
    message_id: `message-${random.between(0, 9)}-${user_id}`,
    occurred_at: at,
  };
  switch (role) {
    case 'definitions':
      return { ...definition({ campaign_id: id, updated_at: at }) };
    case 'delivery':
      return { ...delivery(message) };
    case 'feedback':
      return { ...feedback({ ...message, is_machine: random.chance(0.3) }) };
    case 'profiles':
      return {
        ...change({
          change_id: id,
          user_id,
          op: random.pick(['SNAPSHOT', 'PATCH', 'PATCH']),
          changed_at: at,
          attributes: JSON.stringify({ city: random.pick(['Graz', 'Łódź', 'Ghent']), [id]: at }),
        }),
      };
  }
}

function keyOf({ role, fields }: Subject): string {
  return `acme/${String(role === 'definitions' ? fields.campaign_id : fields.user_id)}`;
}

function withBitsFlipped(good: Buffer, random: Random, bits: number, from = 0): Buffer {
  const value = Buffer.from(good);
  for (let flipped = 0; flipped < bits; flipped += 1) {
    const at = random.between(from, value.length - 1);
    value[at] = (value[at] ?? 0) ^ (1 << random.between(0, 7));
  }
  return value;
}

/** The length in front of one of the texts says something else. */
function withLengthOf(subject: Subject, length: bigint): Buffer {
  const { good } = subject;
  const [, at] = aText(subject);
  return Buffer.concat([good.subarray(0, at - 1), encodeLong(length), good.subarray(at)]);
}

/** A union of null and text whose branch does not exist. */
function hostileBranch(value: Buffer, random: Random): Buffer {
  const at = value.indexOf('{"city"') - 2;
  const branch = encodeLong(random.pick([2n, 5n, -1n, 2n ** 31n - 1n, ...HOSTILE]));
  return Buffer.concat([value.subarray(0, at), branch, value.subarray(at + 1)]);
}

/** One of the texts, and where its bytes begin. It is short: one byte in front of it holds its length. */
function aText({ fields, good, random }: Subject): readonly [Buffer, number] {
  const texts = Object.values(fields).flatMap((value) => {
    const bytes = Buffer.from(typeof value === 'string' ? value : '');
    const at =
      bytes.length === 0 || bytes.length > 63
        ? -1
        : good.indexOf(Buffer.concat([encodeLong(bytes.length), bytes]));
    return at < 0 ? [] : [[bytes, at + 1] as const];
  });
  const found = texts[random.between(0, texts.length - 1)];
  if (found === undefined) throw new Error('a good record without a text');
  return found;
}

function anId({ role, random }: Subject): string {
  if (role === 'definitions') return random.pick(['tenant_id', 'campaign_id']);
  if (role === 'profiles') return random.pick(['tenant_id', 'user_id', 'change_id']);
  return random.pick(['tenant_id', 'campaign_id', 'user_id', 'message_id', 'event_id']);
}

function noise(random: Random, bytes: number): Buffer {
  const value = Buffer.alloc(bytes);
  for (let at = 0; at + 1 < bytes; at += 2) value.writeUInt16LE(random.between(0, 0xffff), at);
  if (bytes % 2 === 1) value[bytes - 1] = random.between(0, 255);
  return value;
}
