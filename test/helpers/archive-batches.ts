/** Random batches for tests of the archive, and what is needed to encode them without a registry. */
import avsc from 'avsc';
import fc from 'fast-check';
import type { SchemaDecisions } from '../../pipelines/archive/encode-batch.ts';
import type { SegmentSchema } from '../../pipelines/archive/segment-builder.ts';
import { wrapperSchema } from '../../pipelines/archive/wrapper-schema.ts';
import { PayloadScanner } from '../../pipelines/common/avro/payload-scanner.ts';
import { frameOf } from '../../pipelines/common/avro/wire-format.ts';
import type { Batch, KafkaRecord } from '../../pipelines/common/batch.ts';

export const SOURCE = {
  topic: 'campaign.feedback',
  topicId: '0123456789abcdef0123456789abcdef',
  partition: 3,
};

/** Two versions of one event, and a schema that is no event at all. */
export const EVENT_V1 = {
  type: 'record',
  name: 'Event',
  namespace: 'test.v1',
  fields: [
    { name: 'campaign_id', type: 'string' },
    { name: 'occurred_at', type: { type: 'long', logicalType: 'timestamp-millis' } },
    { name: 'link', type: ['null', 'string'], default: null },
    { name: 'attributes', type: { type: 'map', values: 'string' }, default: {} },
  ],
};
export const EVENT_V2 = {
  ...EVENT_V1,
  fields: [...EVENT_V1.fields, { name: 'score', type: ['null', 'double'], default: null }],
};
export const NUMBER = 'long';

/** By schema id. */
export const WRITERS: ReadonlyMap<number, unknown> = new Map<number, unknown>([
  [7, EVENT_V1],
  [8, EVENT_V2],
  [2_000_000_000, NUMBER],
]);

const types = new Map<unknown, avsc.Type>();

export function typeOf(schema: unknown): avsc.Type {
  const type = types.get(schema) ?? avsc.Type.forSchema(schema as avsc.Schema);
  types.set(schema, type);
  return type;
}

const SCHEMAS: ReadonlyMap<number, SegmentSchema> = new Map(
  [...WRITERS].map(([id, schema]) => [
    id,
    {
      text: wrapperSchema(JSON.stringify(schema)),
      scanner: new PayloadScanner(typeOf(schema), { timeFields: ['occurred_at'] }),
    },
  ]),
);

/** As the registry would decide on `WRITERS`. */
export function decisions(): SchemaDecisions {
  return { get: (id) => SCHEMAS.get(id) ?? null, decide: async () => {} };
}

export function framed(id: number, value: unknown): Buffer {
  return Buffer.concat([frameOf(id), typeOf(WRITERS.get(id)).toBuffer(value)]);
}

const text = fc.oneof(fc.string(), fc.string({ unit: 'grapheme' }));
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null });
const time = fc.integer({ min: 0, max: 4_102_444_800_000 });
const event = fc.record({
  campaign_id: text,
  occurred_at: time,
  link: optional(text),
  attributes: fc.dictionary(text, text, { maxKeys: 3 }).map((entries) => ({ ...entries })),
});
const bytes = (options?: fc.IntArrayConstraints) => fc.uint8Array(options).map((array) => Buffer.from(array));

const decodable = fc.oneof(
  event.map((value) => framed(7, value)),
  fc.tuple(event, optional(fc.double())).map(([value, score]) => framed(8, { ...value, score })),
  // One short of the ends: avsc refuses the very last.
  fc.integer({ min: -(2 ** 53) + 2, max: 2 ** 53 - 2 }).map((value) => framed(2_000_000_000, value)),
);
const undecodable = fc.oneof(
  fc.constant(null),
  bytes(),
  // Not framed, an id nobody knows, cut off, bytes left over.
  fc.constant(Buffer.from('{"json":true}')),
  bytes().map((payload) => Buffer.concat([frameOf(99), payload])),
  decodable.map((value) => value.subarray(0, -1)),
  decodable.map((value) => Buffer.concat([value, Buffer.of(0)])),
);

export const anyValue: fc.Arbitrary<Buffer | null> = fc.oneof(
  { weight: 5, arbitrary: decodable },
  undecodable,
);

const anyHeaders = fc.option(
  fc.array(
    fc.tuple(text, bytes({ maxLength: 50 })).map(([key, value]) => Object.fromEntries([[key, value]])),
    { maxLength: 3 },
  ),
  { nil: undefined },
);

/** Records in offset order, with holes where markers would be. */
export const anyBatch: fc.Arbitrary<Batch> = fc
  .record({
    first: fc.oneof(fc.nat(1000), fc.integer({ min: 2 ** 40, max: 2 ** 50 })),
    tail: fc.nat(3),
    records: fc.array(
      fc.record({
        gap: fc.nat(3),
        timestamp: fc.oneof(time, fc.constant(undefined)),
        key: optional(bytes({ maxLength: 60 })),
        value: anyValue,
        headers: anyHeaders,
      }),
      { maxLength: 60 },
    ),
  })
  .map(({ first, tail, records }) => {
    let offset = first - 1;
    const placed = records.map(({ gap, timestamp, key, value, headers }) => {
      offset += gap + 1;
      return record({ offset, timestamp, key, value, headers });
    });
    return batchOf(placed, { first, last: Math.max(first, offset + tail) });
  });

type RecordFields = Pick<KafkaRecord, 'offset' | 'value'> & {
  readonly timestamp?: number | undefined;
  readonly key?: KafkaRecord['key'];
  readonly headers?: KafkaRecord['headers'] | undefined;
};

export function record({
  offset,
  value,
  timestamp = 1_700_000_000_000,
  key = null,
  headers,
}: RecordFields): KafkaRecord {
  const { topic, partition } = SOURCE;
  const size = value?.length ?? 0;
  return {
    topic,
    partition,
    offset,
    timestamp,
    key,
    value,
    size,
    ...(headers === undefined ? {} : { headers }),
  };
}

export function batchOf(records: readonly KafkaRecord[], range: { first: number; last: number }): Batch {
  return { source: SOURCE, ...range, records, bytes: records.reduce((sum, { size }) => sum + size, 0) };
}
