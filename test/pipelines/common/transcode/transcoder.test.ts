/** Rows out of payloads: against the values that were encoded, whatever schema of ours they were written with. */
import avsc from 'avsc';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PayloadScanner } from '../../../../pipelines/common/avro/payload-scanner.ts';
import type { KafkaRecord } from '../../../../pipelines/common/batch.ts';
import { cursorOver, type RecordCursor } from '../../../../pipelines/common/record-cursor.ts';
import { ChunkPool } from '../../../../pipelines/common/transcode/chunk-pool.ts';
import { encodeText } from '../../../../pipelines/common/transcode/row-binary.ts';
import { RowChunks } from '../../../../pipelines/common/transcode/row-chunks.ts';
import { Transcoder } from '../../../../pipelines/common/transcode/transcoder.ts';
import { planFor, type WriterPlan } from '../../../../pipelines/common/transcode/writer-plan.ts';
import { EVENT_COLUMNS, FEEDBACK_ROWS } from '../../../../pipelines/tracking/rows.ts';
import { anySchema, encodedValue, encodeLong, mutated } from '../../../helpers/avro-arbitraries.ts';
import { READERS, readRows } from '../../../helpers/row-binary.ts';

const LIMITS = { earliest: Date.UTC(2000, 0, 1), maxFutureMs: 86_400_000 };
const NOW = Date.UTC(2026, 10, 24);
const SOURCE = '0123456789abcdef0123456789abcdef/7';

const { text, time, double, boolean, map, int64, nullable } = READERS;
const COLUMNS = {
  tenant_id: text,
  user_id: text,
  occurred_at: time,
  message_id: text,
  type: text,
  event_id: text,
  kind: text,
  campaign_id: text,
  channel: text,
  variant: nullable(text),
  reason: nullable(text),
  provider: nullable(text),
  link: nullable(text),
  user_agent: nullable(text),
  is_machine: boolean,
  value: nullable(double),
  attributes: map,
  source: text,
  offset: int64,
  recorded_at: time,
};

interface Feedback {
  readonly event_id: string;
  readonly tenant_id: string;
  readonly campaign_id: string;
  readonly message_id: string;
  readonly user_id: string;
  readonly channel: string;
  readonly type: string;
  readonly occurred_at: number;
  readonly link: string | null;
  readonly user_agent: string | null;
  readonly is_machine: boolean;
  readonly value: number | null;
  readonly attributes: readonly (readonly [string, string])[];
}

const anyText = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary', maxLength: 30 }).filter((s) => s.isWellFormed()),
  fc.string({ minLength: 100, maxLength: 300 }),
);
const id = anyText.filter((s) => s !== '');
const CHANNELS = ['UNKNOWN', 'EMAIL', 'SMS', 'PUSH', 'WEB', 'IN_APP', 'SOCIAL', 'DIRECT_MAIL', 'WEBHOOK'];
const TYPES = [
  'UNKNOWN',
  'OPENED',
  'CLICKED',
  'REPLIED',
  'FORWARDED',
  'DELETED',
  'BLOCKED',
  'UNSUBSCRIBED',
  'COMPLAINED',
  'CONVERTED',
];
const NEWER = ['SMELLED', 'HEARD'];

const anyFeedback: fc.Arbitrary<Feedback> = fc.record({
  event_id: id,
  tenant_id: id,
  campaign_id: id,
  message_id: id,
  user_id: id,
  channel: fc.constantFrom(...CHANNELS),
  type: fc.constantFrom(...TYPES, ...NEWER),
  occurred_at: fc.integer({ min: LIMITS.earliest, max: NOW + LIMITS.maxFutureMs }),
  link: fc.option(anyText),
  user_agent: fc.option(anyText),
  is_machine: fc.boolean(),
  // What a float, an int and a long can hold too.
  value: fc.option(fc.integer({ min: -(2 ** 20), max: 2 ** 20 })),
  attributes: fc.array(fc.tuple(anyText, anyText), { maxLength: 4 }),
});

/** One field as some writer declares it, and how that writer encodes its value. */
interface Field {
  readonly name: string;
  readonly type: unknown;
  encode(value: Feedback): Buffer;
}

const withLength = (bytes: Buffer) => Buffer.concat([encodeLong(bytes.length), bytes]);
const encodeString = (value: string) => withLength(Buffer.from(value));
const doubleOf = (value: number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
};
const floatOf = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
};

function textField(name: keyof Feedback): fc.Arbitrary<Field> {
  const encode = (value: Feedback) => encodeString(String(value[name]));
  return fc.oneof(
    fc.constant({ name, type: 'string', encode }),
    fc.constant({ name, type: 'bytes', encode }),
    fc.constant({
      name,
      type: ['null', 'string'],
      encode: (value: Feedback) => Buffer.concat([encodeLong(1), encode(value)]),
    }),
  );
}

function optional<T>(
  name: keyof Feedback,
  plain: readonly { type: unknown; encode: (value: T) => Buffer }[],
): fc.Arbitrary<Field> {
  return fc.tuple(fc.constantFrom(...plain), fc.boolean()).map(([{ type, encode }, isNullFirst]) => ({
    name,
    type: isNullFirst ? ['null', type] : [type, 'null'],
    encode: (value) => {
      const held = value[name] as T | null;
      return held === null
        ? encodeLong(isNullFirst ? 0 : 1)
        : Buffer.concat([encodeLong(isNullFirst ? 1 : 0), encode(held)]);
    },
  }));
}

function enumField(
  name: 'channel' | 'type',
  typeName: string,
  symbols: readonly string[],
): fc.Arbitrary<Field> {
  return fc.shuffledSubarray([...symbols], { minLength: symbols.length }).map((shuffled) => ({
    name,
    type: { type: 'enum', name: typeName, symbols: shuffled },
    encode: (value) => encodeLong(shuffled.indexOf(value[name])),
  }));
}

const UNITS = { 'timestamp-millis': 1n, 'timestamp-micros': 1_000n, 'timestamp-nanos': 1_000_000n } as const;
const timeField: fc.Arbitrary<Field> = fc.oneof(
  fc.constant({ name: 'occurred_at', type: 'long', encode: (v: Feedback) => encodeLong(v.occurred_at) }),
  fc.constantFrom(...(Object.keys(UNITS) as (keyof typeof UNITS)[])).chain((logicalType) =>
    fc.bigInt(0n, UNITS[logicalType] - 1n).map((rest) => ({
      name: 'occurred_at',
      type: { type: 'long', logicalType },
      encode: (v: Feedback) => encodeLong(BigInt(v.occurred_at) * UNITS[logicalType] + rest),
    })),
  ),
);

const mapField: fc.Arbitrary<Field> = fc.boolean().map((isSized) => ({
  name: 'attributes',
  type: { type: 'map', values: 'string' },
  encode: ({ attributes }) => {
    if (attributes.length === 0) return encodeLong(0);
    const body = Buffer.concat(attributes.flat().map(encodeString));
    const head = isSized
      ? [encodeLong(-attributes.length), encodeLong(body.length)]
      : [encodeLong(attributes.length)];
    return Buffer.concat([...head, body, encodeLong(0)]);
  },
}));

const extraField: fc.Arbitrary<Field> = anySchema.chain((type) =>
  encodedValue(type).map((bytes) => ({ name: 'something_new', type, encode: () => bytes })),
);

interface Written {
  readonly schema: { readonly name: string; readonly fields: readonly { readonly name: string }[] };
  readonly value: Feedback;
  readonly payload: Buffer;
  readonly fields: ReadonlySet<string>;
}

/** A feedback event as any producer may write it whose schema can be read as ours. */
const anyWritten: fc.Arbitrary<Written> = fc
  .record({
    value: anyFeedback,
    required: fc.tuple(
      textField('event_id'),
      textField('tenant_id'),
      textField('campaign_id'),
      textField('message_id'),
      textField('user_id'),
      enumField('channel', 'Channel', CHANNELS),
      enumField('type', 'FeedbackType', [...TYPES, ...NEWER]),
      timeField,
    ),
    optional: fc
      .tuple(
        optional<string>('link', [{ type: 'string', encode: encodeString }]),
        optional<string>('user_agent', [
          { type: 'string', encode: encodeString },
          { type: 'bytes', encode: encodeString },
        ]),
        fc.constant<Field>({
          name: 'is_machine',
          type: 'boolean',
          encode: ({ is_machine }) => Buffer.of(is_machine ? 1 : 0),
        }),
        optional<number>('value', [
          { type: 'double', encode: doubleOf },
          { type: 'float', encode: floatOf },
          { type: 'int', encode: encodeLong },
          { type: 'long', encode: encodeLong },
        ]),
        mapField,
        extraField,
      )
      .chain((fields) => fc.subarray(fields)),
    namespace: fc.constantFrom('campaignledger.v1', 'com.example'),
  })
  .chain(({ value, required, optional: chosen, namespace }) => {
    const all = [...required, ...chosen];
    return fc.shuffledSubarray(all, { minLength: all.length }).map((fields) => ({
      schema: {
        type: 'record',
        name: 'FeedbackEvent',
        namespace,
        fields: fields.map(({ name, type }) => ({ name, type })),
      },
      value,
      payload: Buffer.concat(fields.map((field) => field.encode(value))),
      fields: new Set(fields.map(({ name }) => name)),
    }));
  });

function planOf(schema: unknown): WriterPlan {
  const plan = planFor(schema, FEEDBACK_ROWS);
  if (typeof plan === 'string') throw new Error(plan);
  return plan;
}

const transcoder = new Transcoder(FEEDBACK_ROWS, LIMITS);

const BEFORE = Buffer.from('what comes before');
const BEHIND = Buffer.alloc(40, 0x7f);

/** Among other bytes, as records lie in a batch: not one of those may be looked at. */
function cursorAt(value: Buffer): RecordCursor {
  const record: KafkaRecord = {
    value,
    key: null,
    topic: 'campaign.feedback',
    partition: 7,
    offset: 2 ** 40 + 5,
    timestamp: NOW,
    size: value.length,
  };
  return Object.assign(cursorOver([record]), {
    bytes: Buffer.concat([BEFORE, value, BEHIND]),
    valueStart: BEFORE.length,
    valueLength: value.length,
    offset: record.offset,
    timestamp: NOW,
  });
}

function write(rows: RowChunks, payload: Buffer, plan: WriterPlan) {
  const framed = Buffer.concat([Buffer.of(0, 0, 0, 0, 1), payload]);
  return transcoder.write(rows, cursorAt(framed), { plan, source: encodeText(SOURCE) });
}

function expectedRow({ value, fields }: Written): Record<string, unknown> {
  return {
    ...value,
    kind: 'feedback',
    variant: null,
    reason: null,
    provider: null,
    link: fields.has('link') ? value.link : null,
    user_agent: fields.has('user_agent') ? value.user_agent : null,
    is_machine: fields.has('is_machine') && value.is_machine,
    value: fields.has('value') ? value.value : null,
    attributes: fields.has('attributes') ? value.attributes : [],
    source: SOURCE,
    offset: BigInt(2 ** 40 + 5),
    recorded_at: NOW,
  };
}

describe('a row', () => {
  test('has the columns that this test reads', () => {
    expect(EVENT_COLUMNS.map(({ name }) => name)).toEqual(Object.keys(COLUMNS));
  });

  test('holds the values that were written, whatever schema of ours the writer had', () => {
    fc.assert(
      fc.property(anyWritten, (written) => {
        const rows = new RowChunks(new ChunkPool());
        expect(write(rows, written.payload, planOf(written.schema))).toBeNull();
        rows.finish();
        expect(readRows(rows.full, COLUMNS)).toEqual([expectedRow(written)]);
      }),
      { numRuns: 400 },
    );
  });

  test('agrees with avsc under our own schema, and many rows fill many buffers without a gap', () => {
    const { type } = FEEDBACK_ROWS.reader;
    const plan = planOf(type.schema({ exportAttrs: true }));
    fc.assert(
      fc.property(fc.array(anyFeedback, { minLength: 1, maxLength: 200 }), (values) => {
        const rows = new RowChunks(new ChunkPool());
        const known = values.map((value) => ({
          ...value,
          type: TYPES.includes(value.type) ? value.type : 'UNKNOWN',
        }));
        for (const value of known) {
          const payload = type.toBuffer({ ...value, attributes: Object.fromEntries(value.attributes) });
          expect(write(rows, payload, plan)).toBeNull();
        }
        rows.finish();
        const read = readRows(rows.full, COLUMNS).map((row) => ({
          ...row,
          attributes: Object.fromEntries(row.attributes as [string, string][]),
        }));
        expect(read).toMatchObject(
          known.map((value) => ({ ...value, attributes: Object.fromEntries(value.attributes) })),
        );
      }),
      { numRuns: 100 },
    );
  });

  test('never takes more room than was reserved for it', () => {
    fc.assert(
      fc.property(anyWritten, (written) => {
        const plan = planOf(written.schema);
        const rows = new RowChunks(new ChunkPool());
        expect(write(rows, written.payload, plan)).toBeNull();
        expect(rows.position).toBeLessThanOrEqual(5 + written.payload.length + plan.slack);
      }),
      { numRuns: 200 },
    );
  });
});

describe('a damaged payload', () => {
  const STRUCTURE = new Set(['avro_truncated', 'avro_bytes_left_over', 'avro_invalid', 'invalid_utf8']);

  test('is refused exactly where the archive cannot decode it, and leaves the rows before it as they were', () => {
    const damaged = anyWritten.chain((written) =>
      fc
        .array(mutated(written.payload), { minLength: 10, maxLength: 10 })
        .map((payloads) => ({ written, payloads })),
    );
    const seen = new Map<string, number>();
    fc.assert(
      fc.property(damaged, ({ written, payloads }) => {
        const type = avsc.Type.forSchema(written.schema as avsc.Schema, { wrapUnions: true });
        const scanner = new PayloadScanner(type);
        const plan = planOf(written.schema);
        // Avro's bytes may hold anything; where they stand for a text of ours, they must be one.
        const hasBytes = JSON.stringify(written.schema).includes('"bytes"');
        const rows = new RowChunks(new ChunkPool());
        let good = 0;
        for (const payload of payloads) {
          const before = rows.position;
          const fault = write(rows, payload, plan);
          const isDecodable = scanner.scan(payload, 0, payload.length);
          const code = fault?.code ?? 'none';
          seen.set(code, (seen.get(code) ?? 0) + 1);
          if (!isDecodable && scanner.fault.code !== 'too_many_empty_items') expect(fault).not.toBeNull();
          if (STRUCTURE.has(code) && !(code === 'invalid_utf8' && hasBytes)) expect(isDecodable).toBe(false);
          if (fault === null) good += 1;
          else expect(rows.position).toBe(before);
        }
        rows.finish();
        expect(readRows(rows.full, COLUMNS)).toHaveLength(good);
      }),
      { numRuns: 200 },
    );
    for (const code of ['none', 'avro_truncated', 'avro_invalid', 'avro_bytes_left_over', 'invalid_utf8'])
      expect(seen.get(code), code).toBeGreaterThan(0);
  });

  test('never makes us allocate what a hostile length asks for', () => {
    const schema = {
      type: 'record',
      name: 'FeedbackEvent',
      fields: [
        { name: 'nothings', type: { type: 'array', items: 'null' } },
        ...FEEDBACK_ROWS.reader.type.fields.map(({ name, type }) => ({
          name,
          type: type.schema({ exportAttrs: true }),
        })),
      ],
    };
    const plan = planOf(schema);
    const rows = new RowChunks(new ChunkPool());
    const huge = encodeLong(2n ** 62n);
    // Four quintillion nulls take no byte: they are passed in one step, and the record ends where event_id should be.
    expect(write(rows, Buffer.concat([huge, encodeLong(0)]), plan)).toMatchObject({
      code: 'avro_truncated',
      reason: expect.stringContaining('event_id'),
    });
    expect(write(rows, Buffer.concat([encodeLong(0), huge]), plan)).toMatchObject({ code: 'avro_truncated' });
    expect(rows.position).toBe(0);
  });
});
