/** Bad input through the whole: each kind becomes one dead letter with code and reason, is archived, and harms nothing beside it. */
import avsc from 'avsc';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { TopicRole } from '../../config/topics.ts';
import { frame } from '../../deploy/local/world/encoders.ts';
import type { DeadLetterCodeName } from '../../pipelines/common/dead-letters/codes.ts';
import { readSchemaFile } from '../../schemas/migrate/subjects.ts';
import { type ArchivedSegment, readArchive } from '../helpers/archive-witness.ts';
import { audit, auditLetters, type Evidence, gatherEvidence } from '../helpers/audit.ts';
import type { Sent } from '../helpers/ledger-harness.ts';
import { change, definition, delivery, feedback, NOON } from '../helpers/ledger-values.ts';
import { type OwnParts, startOwnParts } from '../helpers/own-parts.ts';
import type { PipelineChild } from '../helpers/pipeline-child.ts';
import { WholeLedger } from '../helpers/whole-ledger.ts';

const DAY_MS = 86_400_000;
const DAYS = 1_000;

let ledger: WholeLedger;

interface Case {
  readonly what: string;
  readonly role: TopicRole;
  readonly code: DeadLetterCodeName;
  readonly reason: RegExp;
  /** What cannot be decoded is archived apart. */
  readonly folder: 'raw' | 'undecodable';
  bad(): Buffer | null | Promise<Buffer>;
}

const encode = (role: TopicRole, value: object) => ledger.harness.encode(role, value);
const goodFeedback = (fields: object = {}) => encode('feedback', feedback(fields));

/** A feedback event whose time may be null, under a schema of its own that the topic's subject never saw. */
async function withoutTime(): Promise<Buffer> {
  const own = JSON.parse(readSchemaFile('feedback-event.avsc')) as {
    fields: { name: string; type: unknown }[];
  };
  const fields = own.fields.map((field) =>
    field.name === 'occurred_at' ? { name: field.name, type: ['null', field.type] } : field,
  );
  const schema = { ...own, fields };
  const response = await fetch(
    `${ledger.config.schemaRegistry.url}/subjects/${ledger.topic('feedback')}-elsewhere/versions`,
    {
      method: 'POST',
      headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
      body: JSON.stringify({ schema: JSON.stringify(schema) }),
    },
  );
  const { id } = (await response.json()) as { id: number };
  return frame(id, avsc.Type.forSchema(schema as avsc.Schema).toBuffer({ ...feedback(), occurred_at: null }));
}

function withBrokenText(): Buffer {
  const value = Buffer.from(goodFeedback({ campaign_id: 'Fruhling' }));
  value[value.indexOf('Fruhling') + 2] = 0xfc;
  return value;
}

const CASES: readonly Case[] = [
  {
    what: 'JSON instead of a frame',
    role: 'feedback',
    code: 'not_framed',
    reason: /zero byte/,
    folder: 'undecodable',
    bad: () => Buffer.from('{"event_id":"f1"}'),
  },
  {
    what: 'an empty value',
    role: 'delivery',
    code: 'not_framed',
    reason: /zero byte/,
    folder: 'undecodable',
    bad: () => Buffer.alloc(0),
  },
  {
    what: 'a schema id that was never given out',
    role: 'feedback',
    code: 'unknown_schema_id',
    reason: /1999999999/,
    folder: 'undecodable',
    bad: () => frame(1_999_999_999, goodFeedback().subarray(5)),
  },
  {
    what: 'a truncated payload',
    role: 'feedback',
    code: 'avro_truncated',
    reason: /byte \d+/,
    folder: 'undecodable',
    bad: () => goodFeedback().subarray(0, -4),
  },
  {
    what: 'bytes left over',
    role: 'profiles',
    code: 'avro_bytes_left_over',
    reason: /2 bytes/,
    folder: 'undecodable',
    bad: () => Buffer.concat([encode('profiles', change()), Buffer.of(0, 0)]),
  },
  {
    what: 'the schema of another topic',
    role: 'feedback',
    code: 'schema_not_ours',
    reason: /ProfileChange/,
    folder: 'raw',
    bad: () => encode('profiles', change()),
  },
  {
    what: 'text that is not UTF-8',
    role: 'feedback',
    code: 'invalid_utf8',
    reason: /campaign_id/,
    folder: 'undecodable',
    bad: withBrokenText,
  },
  {
    what: 'a missing time',
    role: 'feedback',
    code: 'time_missing',
    reason: /occurred_at/,
    folder: 'raw',
    bad: withoutTime,
  },
  {
    what: 'seconds where milliseconds belong',
    role: 'delivery',
    code: 'time_too_early',
    reason: /occurred_at is 1970/,
    folder: 'raw',
    bad: () => encode('delivery', delivery({ occurred_at: Math.floor(NOON / 1_000) })),
  },
  {
    what: 'a time before 2000',
    role: 'definitions',
    code: 'time_too_early',
    reason: /updated_at is 1999-12-31/,
    folder: 'raw',
    bad: () => encode('definitions', definition({ updated_at: Date.UTC(2000, 0, 1) - 1 })),
  },
  {
    what: 'a time more than a day ahead of its own Kafka timestamp',
    role: 'feedback',
    code: 'time_too_late',
    reason: /recorded at/,
    folder: 'raw',
    bad: () => goodFeedback({ occurred_at: Date.now() + DAY_MS + 3_600_000 }),
  },
  {
    what: 'an empty tenant',
    role: 'definitions',
    code: 'empty_id',
    reason: /tenant_id/,
    folder: 'raw',
    bad: () => encode('definitions', definition({ tenant_id: '' })),
  },
  {
    what: 'an empty message id',
    role: 'delivery',
    code: 'empty_id',
    reason: /message_id/,
    folder: 'raw',
    bad: () => encode('delivery', delivery({ message_id: '' })),
  },
  {
    what: 'an empty user',
    role: 'profiles',
    code: 'empty_id',
    reason: /user_id/,
    folder: 'raw',
    bad: () => encode('profiles', change({ user_id: '' })),
  },
  {
    what: 'attributes that are a list',
    role: 'profiles',
    code: 'attributes_not_object',
    reason: /attributes/,
    folder: 'raw',
    bad: () => encode('profiles', change({ attributes: '["plan"]' })),
  },
  {
    what: 'attributes that are half an object',
    role: 'profiles',
    code: 'attributes_not_object',
    reason: /attributes/,
    folder: 'raw',
    bad: () => encode('profiles', change({ op: 'PATCH', attributes: '{"plan":' })),
  },
  {
    what: 'op UNKNOWN',
    role: 'profiles',
    code: 'op_unknown',
    reason: /op/,
    folder: 'raw',
    bad: () => encode('profiles', change({ op: 'UNKNOWN' })),
  },
  {
    what: 'a tombstone of an event',
    role: 'delivery',
    code: 'tombstone',
    reason: /no value/,
    folder: 'undecodable',
    bad: () => null,
  },
  {
    what: 'a tombstone of a profile',
    role: 'profiles',
    code: 'tombstone',
    reason: /no value/,
    folder: 'undecodable',
    bad: () => null,
  },
];

/** The good record that stands before and behind each bad one. */
function neighbour(role: TopicRole, index: number): Buffer {
  const message = { message_id: `m${index}` };
  switch (role) {
    case 'definitions':
      return encode(role, definition({ campaign_id: `c${index}` }));
    case 'delivery':
      return encode(role, delivery(message));
    case 'feedback':
      return encode(role, feedback(message));
    case 'profiles':
      return encode(role, change({ change_id: `c${index}`, changed_at: NOON + index }));
  }
}

const PARTITION = 0;
const ROLES = [...new Set(CASES.map(({ role }) => role))];
const casesOf = (role: TopicRole) => CASES.filter((one) => one.role === role);
/** Good ones are at even offsets. */
const offsetOf = (one: Case) => 2 * casesOf(one.role).indexOf(one) + 1;

describe('among good records of the same batch', () => {
  let evidence: Evidence;
  let segments: readonly ArchivedSegment[];
  let running: PipelineChild;
  let daysBatches: number;

  beforeAll(async () => {
    // What waits in Kafka at the start is one batch for each partition.
    const limits = { maxBatchRecords: 10_000, flushIntervalMs: 1_000 };
    ledger = await WholeLedger.create(inject('configFile'), {
      overrides: { pipelines: { tracking: limits, profiles: limits, archive: limits } },
    });
    for (const role of ROLES) {
      const records: (Sent & { partition: number })[] = [];
      for (const [index, one] of casesOf(role).entries()) {
        records.push({ value: neighbour(role, index), partition: PARTITION });
        records.push({
          value: await one.bad(),
          partition: PARTITION,
          key: Buffer.of(0xff, index),
          headers: [{ trace: Buffer.from(one.what) }, { binary: Buffer.of(0, 0xfe) }],
        });
      }
      records.push({ value: neighbour(role, casesOf(role).length), partition: PARTITION });
      await ledger.harness.produce(role, records);
    }
    await ledger.harness.produce(
      'feedback',
      Array.from({ length: DAYS }, (_, day) => ({
        value:
          day === 500 ? null : goodFeedback({ message_id: `day-${day}`, occurred_at: NOON - day * DAY_MS }),
        partition: 1,
      })),
    );
    running = ledger.start();
    await ledger.caughtUp();
    daysBatches = await running.metric('ledger_batches_total', {
      pipeline: 'tracking',
      topic: ledger.topic('feedback'),
      partition: '1',
    });
    expect(await running.stop()).toEqual({ code: 0, signal: null });
    evidence = await gatherEvidence(ledger);
    segments = await readArchive(ledger.config);
  });
  afterAll(() => ledger[Symbol.asyncDispose]());

  test.each(CASES.map((one) => [one.what, one] as const))(
    '%s is a dead letter that says why',
    async (_, one) => {
      const topic = ledger.topic(one.role);
      const letters = (await letterHeaders(one.role)).filter(
        (dl) => dl['dl.partition'] === String(PARTITION) && dl['dl.offset'] === String(offsetOf(one)),
      );
      expect(letters).toEqual([
        expect.objectContaining({
          'dl.code': one.code,
          'dl.reason': expect.stringMatching(one.reason),
          'dl.topic': topic,
          'dl.topic-id': evidence.topicIds.get(topic),
          trace: one.what,
        }),
      ]);
    },
  );

  const cache = new Map<TopicRole, Promise<Record<string, string>[]>>();
  function letterHeaders(role: TopicRole): Promise<Record<string, string>[]> {
    const known = cache.get(role);
    if (known !== undefined) return known;
    const reading = ledger
      .letters(role)
      .then((letters) => letters.map(({ headers }) => Object.fromEntries(headers) as Record<string, string>));
    cache.set(role, reading);
    return reading;
  }

  test('each is one letter, with the key, headers and bytes that were sent', async () => {
    const bad = ROLES.reduce((sum, role) => sum + evidence.judged[role].bad.length, 0);
    expect(bad).toBe(CASES.length + 1);
    expect(await auditLetters(ledger, evidence)).toEqual([]);
  });

  test('all of them, and all others, are stored and archived as produced', async () => {
    expect(await audit(ledger, evidence)).toEqual([]);
  });

  test.each(CASES.map((one) => [one.what, one] as const))(
    '%s is archived where its bytes belong',
    (_, one) => {
      const found = segments.filter(
        ({ topic, partition, records }) =>
          topic === ledger.topic(one.role) &&
          partition === PARTITION &&
          records.some(({ offset }) => offset === offsetOf(one)),
      );
      expect(found.map(({ path }) => path.split('/')[0])).toEqual([one.folder]);
    },
  );

  test('events of 1,000 different days go in together', async () => {
    const [row] = await ledger.rows(
      "SELECT count() AS rows, uniqExact(occurred_on) AS days FROM {bi}.events WHERE message_id LIKE 'day-%'",
    );
    expect(row).toEqual({ rows: DAYS - 1, days: DAYS - 1 });
    // ClickHouse's own limit is 100 partitions in one insert: some batch had more.
    expect(DAYS / daysBatches).toBeGreaterThan(100);
  });
});

describe('while the schema registry cannot be asked', () => {
  let parts: OwnParts;
  let own: WholeLedger;
  let running: PipelineChild;

  beforeAll(async () => {
    parts = await startOwnParts(['registry']);
    own = await WholeLedger.create(inject('configFile'), { overrides: parts.overrides });
    for (const [role, value] of [
      ['delivery', delivery()],
      ['profiles', change()],
    ] as const) {
      const good = own.harness.encode(role, value);
      await own.harness.produce(role, [{ value: good }, { value: frame(1_999_999_998, good.subarray(5)) }]);
    }
    await parts.part('registry').kill();
    running = own.start();
    for (const pipeline of ['tracking', 'archive', 'profiles']) {
      const labels = { pipeline, service: 'schemaRegistry' };
      await running.until(
        `${pipeline} waits`,
        async () => (await running.metric('ledger_retries_total', labels)) > 2,
      );
    }
  });
  afterAll(async () => {
    await own[Symbol.asyncDispose]();
    await parts[Symbol.asyncDispose]();
  });

  test('nothing is judged: no row, no segment, no dead letter, and the process says that it waits', async () => {
    const ready = await running.get('/readyz');
    expect(ready.status).toBe(503);
    expect(ready.body).toContain('schemaRegistry');
    expect((await running.get('/healthz')).status).toBe(200);
    expect(await own.rows('SELECT count() AS rows FROM events')).toEqual([{ rows: 0 }]);
    expect(await own.rows('SELECT count() AS rows FROM profile_changes')).toEqual([{ rows: 0 }]);
    expect(await readArchive(own.config)).toEqual([]);
    expect([...(await own.letters('delivery')), ...(await own.letters('profiles'))]).toEqual([]);
  });

  test('and goes on by itself when it can be asked again, knowing now what is bad', async () => {
    await parts.part('registry').start();
    await own.caughtUp();
    expect(await audit(own)).toEqual([]);
    for (const role of ['delivery', 'profiles'] as const) {
      const letters = await own.letters(role);
      expect(letters.map(({ headers }) => Object.fromEntries(headers)['dl.code'])).toEqual([
        'unknown_schema_id',
      ]);
    }
    await running.until('ready', async () => (await running.get('/readyz')).status === 200);
    expect(await running.stop()).toEqual({ code: 0, signal: null });
  });
});
