/** Every kind of record that cannot be stored: a dead letter with its code, the original untouched, its neighbours stored. */
import avsc from 'avsc';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { frame } from '../../../deploy/local/world/encoders.ts';
import type { DeadLetterCodeName } from '../../../pipelines/common/dead-letters/codes.ts';
import { createTrackingPipeline } from '../../../pipelines/tracking/pipeline.ts';
import { readSchemaFile } from '../../../schemas/migrate/subjects.ts';
import { LedgerHarness, type Sent } from '../../helpers/ledger-harness.ts';
import { definition, delivery, feedback, NOON } from '../../helpers/ledger-values.ts';

const DAY_MS = 86_400_000;
/** When Kafka recorded them. */
const RECORDED = NOON + DAY_MS;

let ledger: LedgerHarness;
beforeAll(async () => {
  ledger = await LedgerHarness.create(inject('configFile'));
});
afterAll(() => ledger[Symbol.asyncDispose]());

/** A feedback event under the schema with some of its fields declared otherwise. */
async function under(
  fields: Record<string, unknown>,
  value: object,
  name = 'FeedbackEvent',
): Promise<Buffer> {
  const own = JSON.parse(readSchemaFile('feedback-event.avsc')) as { fields: { name: string }[] };
  const schema = {
    ...own,
    name,
    fields: own.fields.map((field) =>
      field.name in fields ? { name: field.name, type: fields[field.name] } : field,
    ),
  };
  const response = await fetch(
    `${ledger.config.schemaRegistry.url}/subjects/${crypto.randomUUID()}/versions`,
    {
      method: 'POST',
      headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
      body: JSON.stringify({ schema: JSON.stringify(schema) }),
    },
  );
  const { id } = (await response.json()) as { id: number };
  return frame(id, avsc.Type.forSchema(schema as avsc.Schema, { wrapUnions: false }).toBuffer(value));
}

const good = (change: object = {}) => ledger.encode('feedback', feedback(change));

type Case = readonly [
  what: string,
  code: DeadLetterCodeName,
  reason: RegExp,
  bad: () => Sent | Promise<Sent>,
];

const CASES: readonly Case[] = [
  ['a tombstone', 'tombstone', /no value/, () => ({ value: null })],
  ['an empty value', 'not_framed', /does not begin/, () => ({ value: Buffer.alloc(0) })],
  ['JSON', 'not_framed', /does not begin/, () => ({ value: Buffer.from('{"event_id":"e"}') })],
  [
    'an id that the registry never gave out',
    'unknown_schema_id',
    /2000000000/,
    () => ({ value: frame(2_000_000_000, good().subarray(5)) }),
  ],
  [
    'an id that no registry can give out',
    'unknown_schema_id',
    /4294967295/,
    () => ({ value: frame(0xffff_ffff, good().subarray(5)) }),
  ],
  [
    'the schema of another topic',
    'schema_not_ours',
    /DeliveryEvent/,
    () => ({ value: ledger.encode('delivery', delivery()) }),
  ],
  [
    'a field of another type',
    'schema_not_ours',
    /occurred_at is string/,
    async () => ({ value: await under({ occurred_at: 'string' }, feedback({ occurred_at: 'noon' })) }),
  ],
  [
    'a time without a zone',
    'schema_not_ours',
    /local-timestamp-millis/,
    async () => ({
      value: await under(
        { occurred_at: { type: 'long', logicalType: 'local-timestamp-millis' } },
        feedback(),
      ),
    }),
  ],
  [
    'a payload cut short',
    'avro_truncated',
    /field link, byte 36: a length of 30 reaches beyond/,
    () => ({ value: good().subarray(0, 40) }),
  ],
  [
    'bytes left over',
    'avro_bytes_left_over',
    /3 bytes/,
    () => ({ value: Buffer.concat([good(), Buffer.of(1, 2, 3)]) }),
  ],
  [
    'a negative length',
    'avro_invalid',
    /field event_id, byte 6: a length of -1/,
    () => ({ value: Buffer.concat([good().subarray(0, 5), Buffer.of(1), good().subarray(6)]) }),
  ],
  [
    'a symbol that does not exist',
    'avro_invalid',
    /field channel.*no symbol 63/,
    () => {
      const value = Buffer.from(good());
      value[value.indexOf('u1') + 2] = 126;
      return { value };
    },
  ],
  [
    'Latin-1 in a text',
    'invalid_utf8',
    /field campaign_id/,
    () => {
      const value = Buffer.from(good({ campaign_id: 'Fruhling' }));
      value[value.indexOf('Fruhling') + 2] = 0xfc;
      return { value };
    },
  ],
  [
    'Latin-1 in an attribute',
    'invalid_utf8',
    /field attributes/,
    () => {
      const value = Buffer.from(good({ attributes: { region: 'north' } }));
      value[value.indexOf('north') + 1] = 0xf6;
      return { value };
    },
  ],
  ['an empty tenant', 'empty_id', /field tenant_id is empty/, () => ({ value: good({ tenant_id: '' }) })],
  ['an empty user', 'empty_id', /field user_id is empty/, () => ({ value: good({ user_id: '' }) })],
  [
    'an empty campaign',
    'empty_id',
    /field campaign_id is empty/,
    () => ({ value: good({ campaign_id: '' }) }),
  ],
  ['an empty message', 'empty_id', /field message_id is empty/, () => ({ value: good({ message_id: '' }) })],
  ['an empty event id', 'empty_id', /field event_id is empty/, () => ({ value: good({ event_id: '' }) })],
  [
    'a null id',
    'empty_id',
    /field user_id is null/,
    async () => ({ value: await under({ user_id: ['null', 'string'] }, feedback({ user_id: null })) }),
  ],
  [
    'an id without end',
    'id_too_long',
    /field user_id has 1025 bytes/,
    () => ({ value: good({ user_id: 'u'.repeat(1025) }) }),
  ],
  [
    'a null time',
    'time_missing',
    /field occurred_at is null/,
    async () => ({ value: await under({ occurred_at: ['null', 'long'] }, feedback({ occurred_at: null })) }),
  ],
  [
    'a null channel',
    'field_null',
    /field channel is null/,
    async () => {
      const own = JSON.parse(readSchemaFile('feedback-event.avsc')) as {
        fields: { name: string; type: unknown }[];
      };
      const channel = own.fields.find(({ name }) => name === 'channel')?.type;
      return { value: await under({ channel: ['null', channel] }, feedback({ channel: null })) };
    },
  ],
  ['time zero', 'time_too_early', /1970-01-01/, () => ({ value: good({ occurred_at: 0 }) })],
  [
    'seconds for milliseconds',
    'time_too_early',
    /1970-01-21/,
    () => ({ value: good({ occurred_at: NOON / 1000 }) }),
  ],
  [
    'the last instant of 1999',
    'time_too_early',
    /1999-12-31T23:59:59.999Z/,
    () => ({ value: good({ occurred_at: Date.UTC(2000, 0, 1) - 1 }) }),
  ],
  [
    'a day and a millisecond ahead',
    'time_too_late',
    /2026-11-22T12:00:00.001Z, recorded at 2026-11-21T12:00:00.000Z/,
    () => ({ value: good({ occurred_at: RECORDED + DAY_MS + 1 }) }),
  ],
  [
    'microseconds for milliseconds',
    'time_too_late',
    /occurred_at is \+/,
    () => ({ value: good({ occurred_at: NOON * 1000 }) }),
  ],
  [
    'no Kafka timestamp',
    'kafka_time_unusable',
    /no Kafka timestamp/,
    () => ({ value: good(), timestamp: -1 }),
  ],
  [
    'a Kafka timestamp of the 23rd century',
    'kafka_time_unusable',
    /2200-01-01/,
    () => ({ value: good(), timestamp: Date.UTC(2200, 0, 1) }),
  ],
];

describe('a feedback event', () => {
  test('is stored at the very edges of what is allowed', async () => {
    const { sink } = await ledger.pipeline(createTrackingPipeline);
    const edges = [
      { message_id: 'edge-1', occurred_at: Date.UTC(2000, 0, 1) },
      { message_id: 'edge-2', occurred_at: RECORDED + DAY_MS },
      { message_id: 'edge-3', user_id: 'u'.repeat(1024) },
      { message_id: 'edge-4', type: 'UNKNOWN', channel: 'UNKNOWN' },
    ];
    await sink.write(
      [
        ledger.batch(
          'feedback',
          edges.map((value) => ({ value: good(value), timestamp: RECORDED })),
        ),
      ],
      () => true,
    );
    expect(await ledger.rows("SELECT message_id FROM events WHERE message_id LIKE 'edge-%'")).toHaveLength(4);
    expect(await ledger.letters('feedback')).toEqual([]);
  });

  test('of any bad kind becomes a letter, and its neighbours become rows', async () => {
    const { sink } = await ledger.pipeline(createTrackingPipeline);
    const records: Sent[] = [];
    for (const [index, [, , , bad]] of CASES.entries()) {
      records.push({ value: good({ message_id: `neighbour-${index}` }), timestamp: RECORDED });
      records.push({
        timestamp: RECORDED,
        key: Buffer.from([0xff, index]),
        headers: [
          { trace: Buffer.from(`t${index}`) },
          { trace: Buffer.from('again') },
          { empty: Buffer.alloc(0) },
        ],
        ...(await bad()),
      });
    }
    const batch = ledger.batch('feedback', records, { partition: 1, first: 1_000 });
    await sink.write([batch], () => true);
    expect(
      await ledger.rows("SELECT message_id FROM events WHERE message_id LIKE 'neighbour-%'"),
    ).toHaveLength(CASES.length);
    const letters = await ledger.letters('feedback');
    const seen = letters.map(({ dl }) => dl.code);
    expect(seen).toEqual(CASES.map(([, code]) => code));
    for (const [index, [what, code, reason]] of CASES.entries()) {
      const letter = letters[index];
      const original = records[2 * index + 1];
      expect(letter?.value, what).toEqual(original?.value);
      expect(letter?.key, what).toEqual(original?.key);
      expect(letter?.headers, what).toEqual([
        ['trace', `t${index}`],
        ['trace', 'again'],
        ['empty', ''],
      ]);
      expect(letter?.dl, what).toEqual({
        code,
        reason: expect.stringMatching(reason),
        topic: ledger.topic('feedback'),
        'topic-id': batch.source.topicId,
        partition: '1',
        offset: String(1_001 + 2 * index),
        at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      });
    }
  });
});

test('definitions and deliveries are held to the same rules', async () => {
  const { sink } = await ledger.pipeline(createTrackingPipeline);
  await sink.write(
    [
      ledger.batch('definitions', [
        { value: ledger.encode('definitions', definition({ campaign_id: '' })), timestamp: RECORDED },
        { value: ledger.encode('definitions', definition({ updated_at: 1 })), timestamp: RECORDED },
        { value: ledger.encode('definitions', definition({ name: '' })), timestamp: RECORDED },
      ]),
      ledger.batch('delivery', [
        { value: ledger.encode('delivery', delivery({ event_id: '' })), timestamp: RECORDED },
      ]),
    ],
    () => true,
  );
  expect((await ledger.letters('definitions')).map(({ dl }) => dl.code)).toEqual([
    'empty_id',
    'time_too_early',
  ]);
  expect((await ledger.letters('delivery')).map(({ dl }) => dl.code)).toEqual(['empty_id']);
  expect(await ledger.rows('SELECT campaign_id, name FROM campaigns')).toEqual([
    { campaign_id: 'spring', name: '' },
  ]);
});

describe('a letter', () => {
  test('of a letter that was replayed keeps its other headers, and says anew why', async () => {
    const { sink } = await ledger.pipeline(createTrackingPipeline);
    const before = (await ledger.letters('feedback')).length;
    const headers = [
      { 'dl.code': 'old' },
      { 'dl.replay-of': 'somewhere' },
      { 'dl.reason': 'old' },
      { other: 'kept' },
    ];
    await sink.write([ledger.batch('feedback', [{ value: null, headers }])], () => true);
    const [letter] = (await ledger.letters('feedback')).slice(before);
    expect(letter?.headers).toEqual([['other', 'kept']]);
    expect(letter?.dl).toMatchObject({ 'replay-of': 'somewhere', code: 'tombstone' });
    expect(letter?.dl.reason).not.toBe('old');
  });

  test('takes a value of the largest size that its source takes', async () => {
    const { sink } = await ledger.pipeline(createTrackingPipeline);
    const before = (await ledger.letters('feedback')).length;
    const value = Buffer.alloc(1024 * 1024 - 200, 'x');
    await sink.write([ledger.batch('feedback', [{ value }])], () => true);
    const [letter] = (await ledger.letters('feedback')).slice(before);
    expect(letter?.value?.equals(value)).toBe(true);
  });

  test('that does not fit is cut, says so, and holds up nothing', async () => {
    const { sink } = await ledger.pipeline(createTrackingPipeline);
    const before = (await ledger.letters('feedback')).length;
    const noise = Buffer.allocUnsafe(3 * 1024 * 1024);
    for (let at = 0; at < noise.length; at += 65_536) crypto.getRandomValues(noise.subarray(at, at + 65_536));
    noise[0] = 1;
    await sink.write([ledger.batch('feedback', [{ value: noise }, { value: null }])], () => true);
    const letters = (await ledger.letters('feedback')).slice(before);
    expect(letters.map(({ dl }) => dl.code).sort()).toEqual(['not_framed', 'tombstone']);
    const cut = letters.find(({ dl }) => dl.code === 'not_framed');
    expect(cut?.value?.equals(noise.subarray(0, 65_536))).toBe(true);
    expect(cut?.dl.cut).toMatch(/^3145728 sha256:[0-9a-f]{64}$/);
  });
});

test('ten thousand bad records in one batch are ten thousand letters', async () => {
  const other = await LedgerHarness.create(inject('configFile'));
  const { sink } = await other.pipeline(createTrackingPipeline);
  const records = Array.from({ length: 10_000 }, (_, index) => ({ value: Buffer.from(`bad ${index}`) }));
  await sink.write([other.batch('feedback', records)], () => true);
  const letters = await other.letters('feedback');
  expect(letters.map(({ value }) => String(value))).toEqual(records.map(({ value }) => String(value)));
  await other[Symbol.asyncDispose]();
});
