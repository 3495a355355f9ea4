/** The tracking pipeline on real services: what was produced is what the tables hold, however often it is written. */
import avsc from 'avsc';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { frame } from '../../../deploy/local/world/encoders.ts';
import type { Batch } from '../../../pipelines/common/batch.ts';
import { Fenced, Outage } from '../../../pipelines/common/errors.ts';
import { acceptsGaps } from '../../../pipelines/common/gaps.ts';
import { createMetrics } from '../../../pipelines/common/metrics.ts';
import type { Sink } from '../../../pipelines/common/sink.ts';
import { createTrackingPipeline } from '../../../pipelines/tracking/pipeline.ts';
import { readSchemaFile } from '../../../schemas/migrate/subjects.ts';
import { LedgerHarness, type Sent } from '../../helpers/ledger-harness.ts';
import { definition, delivery, feedback, NOON } from '../../helpers/ledger-values.ts';
import { eventually, metricValue } from '../../helpers/runner-harness.ts';

const DAY_MS = 86_400_000;
const always = () => true;

let ledger: LedgerHarness;
let sink: Sink;
beforeAll(async () => {
  ledger = await LedgerHarness.create(inject('configFile'));
  ({ sink } = await ledger.pipeline(createTrackingPipeline));
});
afterAll(() => ledger[Symbol.asyncDispose]());

const sent = (value: object, more: Partial<Sent> = {}): Sent => ({
  value: ledger.encode('feedback', value),
  key: Buffer.from('acme/u1'),
  timestamp: NOON + DAY_MS,
  ...more,
});

const eventsOf = (tenant: string) =>
  ledger.rows(
    `SELECT * EXCEPT (occurred_at, recorded_at), toUnixTimestamp64Milli(occurred_at) AS occurred,
       toUnixTimestamp64Milli(recorded_at) AS recorded
     FROM events FINAL WHERE tenant_id = {tenant:String} ORDER BY message_id, type, event_id`,
    { tenant },
  );

describe('rows', () => {
  test('hold every field of both kinds of event, and where they were read', async () => {
    const tenant_id = 'columns';
    const delivered = ledger.batch(
      'delivery',
      [{ value: ledger.encode('delivery', delivery({ tenant_id })), timestamp: NOON + 5 }],
      { partition: 1, first: 2 ** 40 },
    );
    const clicked = ledger.batch('feedback', [sent(feedback({ tenant_id }))], { partition: 2, first: 7 });
    await sink.write([delivered, clicked], always);
    const common = {
      tenant_id,
      user_id: 'u1',
      message_id: 'm1',
      campaign_id: 'spring',
      channel: 'EMAIL',
      reason: null,
      user_agent: null,
    };
    expect(await eventsOf(tenant_id)).toEqual([
      {
        ...common,
        kind: 'feedback',
        type: 'CLICKED',
        event_id: 'f1',
        occurred: NOON + 60_000,
        variant: null,
        provider: null,
        link: 'https://shop.example/?a=1&b=ü',
        is_machine: true,
        value: 12.5,
        attributes: { region: 'north', größe: '' },
        source: `${clicked.source.topicId}/2`,
        offset: 7,
        recorded: NOON + DAY_MS,
      },
      {
        ...common,
        kind: 'delivery',
        type: 'SENT',
        event_id: 'd1',
        occurred: NOON,
        variant: 'B',
        provider: 'mailer',
        link: null,
        is_machine: false,
        value: null,
        attributes: {},
        source: `${delivered.source.topicId}/1`,
        offset: 2 ** 40,
        recorded: NOON + 5,
      },
    ]);
    expect(await sink.positions([delivered.source, clicked.source])).toEqual(
      new Map([
        [`${delivered.source.topicId}/1`, { next: 2 ** 40 + 1, intent: null, epoch: 0 }],
        [`${clicked.source.topicId}/2`, { next: 8, intent: null, epoch: 0 }],
      ]),
    );
  });

  test('come back from the engine as random values went in', async () => {
    const tenant_id = 'random';
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ minLength: 200, maxLength: 400 }));
    const wellFormed = text.map((value) => value.toWellFormed());
    const values = fc.sample(
      fc.record({
        user_id: wellFormed.filter((value) => value !== ''),
        link: fc.option(wellFormed),
        user_agent: fc.option(wellFormed),
        is_machine: fc.boolean(),
        value: fc.option(fc.double({ noNaN: true })),
        occurred_at: fc.integer({ min: NOON - 20 * DAY_MS, max: NOON }),
        attributes: fc.dictionary(wellFormed, wellFormed, { noNullPrototype: true }),
      }),
      { numRuns: 3_000, seed: 20 },
    );
    const expected = values.map((value, index) => ({
      ...value,
      message_id: String(index).padStart(6, '0'),
    }));
    await sink.write(
      [
        ledger.batch(
          'feedback',
          expected.map((value) => sent(feedback({ tenant_id, ...value }))),
        ),
      ],
      always,
    );
    const rows = await ledger.rows<Record<string, unknown>>(
      `SELECT user_id, link, user_agent, is_machine, value, toUnixTimestamp64Milli(occurred_at) AS occurred_at,
         attributes, message_id
       FROM events WHERE tenant_id = '${tenant_id}' ORDER BY message_id
       SETTINGS output_format_json_quote_denormals = 1`,
    );
    const readable = (value: number | null) =>
      value === null || Number.isFinite(value) ? value : value > 0 ? 'inf' : '-inf';
    expect(rows).toEqual(expected.map((row) => ({ ...row, value: readable(row.value) })));
  });

  test('of 1,000 different days go in with one batch', async () => {
    const tenant_id = 'days';
    const days = Array.from({ length: 1_000 }, (_, day) =>
      sent(feedback({ tenant_id, message_id: `m${day}`, occurred_at: NOON - day * DAY_MS })),
    );
    await sink.write([ledger.batch('feedback', days)], always);
    expect(
      await ledger.rows(
        `SELECT count() AS rows, uniqExact(toDate(occurred_at)) AS days FROM events WHERE tenant_id = '${tenant_id}'`,
      ),
    ).toEqual([{ rows: 1_000, days: 1_000 }]);
  });

  test('of campaign definitions, with plans that no clock can show moved to the end of time', async () => {
    const tenant_id = 'plans';
    const batch = ledger.batch('definitions', [
      { value: ledger.encode('definitions', definition({ tenant_id })), timestamp: NOON },
      {
        value: ledger.encode(
          'definitions',
          definition({
            tenant_id,
            campaign_id: 'forever',
            subject: null,
            starts_at: null,
            ends_at: Date.UTC(9999, 11, 31),
          }),
        ),
        timestamp: NOON,
      },
    ]);
    await sink.write([batch], always);
    expect(
      await ledger.rows(
        `SELECT campaign_id, name, channel, subject, toString(starts_at) AS starts, toString(ends_at) AS ends, attributes,
           toString(updated_at) AS updated, source, offset
         FROM campaigns WHERE tenant_id = '${tenant_id}' ORDER BY campaign_id`,
      ),
    ).toEqual([
      {
        campaign_id: 'forever',
        name: 'Spring is here',
        channel: 'EMAIL',
        subject: null,
        starts: null,
        ends: '2299-12-31 23:59:59.999',
        attributes: { team: 'green' },
        updated: '2026-11-20 12:00:00.000',
        source: `${batch.source.topicId}/0`,
        offset: 1,
      },
      {
        campaign_id: 'spring',
        name: 'Spring is here',
        channel: 'EMAIL',
        subject: 'Hello',
        starts: '2026-11-20 12:00:00.000',
        ends: null,
        attributes: { team: 'green' },
        updated: '2026-11-20 12:00:00.000',
        source: `${batch.source.topicId}/0`,
        offset: 0,
      },
    ]);
  });
});

describe('writing again', () => {
  test('changes nothing, however the batches are cut the second time', async () => {
    const tenant_id = 'again';
    const types = ['OPENED', 'CLICKED', 'CONVERTED'];
    const records = Array.from({ length: 300 }, (_, index) =>
      sent(
        feedback({
          tenant_id,
          message_id: `m${index % 40}`,
          event_id: `e${index % 90}`,
          type: types[index % 3],
          occurred_at: NOON + (index % 7) * 1_000,
        }),
      ),
    );
    const state = async () => ({
      events: await eventsOf(tenant_id),
      messages: await ledger.rows(
        `SELECT * FROM messages WHERE tenant_id = '${tenant_id}' ORDER BY message_id`,
      ),
    });
    await sink.write([ledger.batch('feedback', records)], always);
    const once = await state();
    expect(once.events.length).toBeGreaterThan(80);
    expect(once.messages).toHaveLength(40);
    await sink.write([ledger.batch('feedback', records)], always);
    for (let first = 0; first < records.length; first += 77) {
      const piece = records.slice(first, first + 77);
      await sink.write([ledger.batch('feedback', piece, { first })], always);
    }
    expect(await state()).toEqual(once);
  });

  test('never moves progress back, unless an operator raises the epoch', async () => {
    const ten = ledger.batch('feedback', Array(10).fill(sent(feedback({ tenant_id: 'progress' }))), {
      partition: 1,
      first: 90,
    });
    const next = async () => [...(await sink.positions([ten.source])).values()][0]?.next;
    await sink.write([ten], always);
    expect(await next()).toBe(100);
    await sink.write([{ ...ten, last: 95, records: [...ten.records].slice(0, 6) }], always);
    expect(await next()).toBe(100);
    await ledger.client.insert({
      table: 'progress',
      format: 'JSONEachRow',
      values: [
        {
          pipeline: 'tracking',
          topic: ten.source.topic,
          topic_id: ten.source.topicId,
          partition: 1,
          epoch: 1,
          next_offset: 90,
          written_at: '2026-11-20 12:00:00',
          note: 'read again',
        },
      ],
    });
    expect(await next()).toBe(90);
    await sink.write([{ ...ten, last: 95, records: [...ten.records].slice(0, 6) }], always);
    expect(await next()).toBe(96);
  });

  test('goes on behind a gap that somebody accepted, and never forgets who', async () => {
    if (!acceptsGaps(sink)) throw new TypeError('the sink cannot be told of gaps');
    const { source } = ledger.batch('delivery', [], { partition: 2 });
    const next = async () => [...(await sink.positions([source])).values()][0]?.next;
    const gap = { first: 0, last: 99, by: 'Ada', reason: 'the disk broke', at: NOON };
    await sink.acceptGap(source, gap);
    expect(await next()).toBe(100);
    await sink.acceptGap(source, gap);
    await expect(sink.acceptGap(source, { ...gap, last: 150 })).rejects.toThrow('needs offset 100');
    const after = { value: ledger.encode('delivery', delivery({ tenant_id: 'gap' })), timestamp: NOON };
    await sink.write([ledger.batch('delivery', [after], { partition: 2, first: 100 })], always);
    await ledger.client.command({ query: 'OPTIMIZE TABLE progress FINAL' });
    expect(await next()).toBe(101);
    const notes = await ledger.rows(
      "SELECT note FROM progress WHERE topic_id = {topicId:String} AND note != ''",
      { topicId: source.topicId },
    );
    expect(notes).toEqual([{ note: 'offsets 0 to 99 accepted as missing by Ada: the disk broke' }]);
  });

  test('goes on where an outage cut it short: what is stored is not sent again, what is not is', async () => {
    const other = await LedgerHarness.create(inject('configFile'));
    const pipeline = await other.pipeline(createTrackingPipeline);
    const topic = `${other.topic('feedback')}.dead-letters`;
    await other.admin.deleteTopic(topic);
    const good = { value: other.encode('feedback', feedback()), timestamp: NOON };
    const batch = other.batch('feedback', [good, { value: null }]);
    await expect(pipeline.sink.write([batch], always)).rejects.toMatchObject({
      name: 'Outage',
      service: 'kafka',
      message: expect.stringContaining('migrate'),
    });
    expect(await other.rows('SELECT message_id FROM events')).toHaveLength(1);
    expect((await pipeline.sink.positions([batch.source])).get(`${batch.source.topicId}/0`)?.next).toBeNull();
    await other.client.command({ query: 'TRUNCATE TABLE events' });
    await other.admin.createTopic({ topic, partitions: 1, replicationFactor: 1 });
    await eventually(async () => {
      try {
        await pipeline.sink.write([batch], always);
        return true;
      } catch (error) {
        if (error instanceof Outage) return false;
        throw error;
      }
    });
    expect(await other.rows('SELECT message_id FROM events')).toHaveLength(0);
    expect(await other.letters('feedback')).toHaveLength(1);
    await other[Symbol.asyncDispose]();
  });
});

describe('a partition that is no longer ours', () => {
  test('is not written', async () => {
    const batch = ledger.batch('feedback', [sent(feedback({ tenant_id: 'fenced' }))], {
      partition: 2,
      first: 500,
    });
    await expect(sink.write([batch], () => false)).rejects.toBeInstanceOf(Fenced);
    expect(await eventsOf('fenced')).toEqual([]);
  });

  test('gets no progress when it was lost in the middle of the write', async () => {
    const batch = ledger.batch('feedback', [sent(feedback({ tenant_id: 'lost' }))], {
      partition: 2,
      first: 600,
    });
    let asked = 0;
    await expect(sink.write([batch], () => ++asked === 1)).rejects.toBeInstanceOf(Fenced);
    expect((await sink.positions([batch.source])).get(`${batch.source.topicId}/2`)?.next).not.toBe(601);
  });
});

describe('an outage', () => {
  const NOWHERE = { url: 'http://127.0.0.1:1' };

  test.each(['schemaRegistry', 'clickhouse'])(
    'of %s is told from bad data: nobody gets a letter',
    async (service) => {
      const config = {
        ...ledger.config,
        schemaRegistry: { ...ledger.config.schemaRegistry, ...(service === 'schemaRegistry' ? NOWHERE : {}) },
        clickhouse: { ...ledger.config.clickhouse, ...(service === 'clickhouse' ? NOWHERE : {}) },
      };
      const { sink: lonely } = await ledger.pipeline(createTrackingPipeline, { config });
      const before = (await ledger.letters('feedback')).length;
      const batch = ledger.batch('feedback', [sent(feedback({ tenant_id: 'outage' })), { value: null }]);
      await expect(lonely.write([batch], always)).rejects.toMatchObject({ name: 'Outage', service });
      expect(await ledger.letters('feedback')).toHaveLength(before);
    },
  );
});

describe('rows that ClickHouse refuses', () => {
  const refused = (batch: Batch) => sink.write([batch], always);

  test('are found by halving: they alone are dead letters, and all others are stored', async () => {
    const tenant_id = 'constraint';
    await ledger.client.command({
      query: "ALTER TABLE events ADD CONSTRAINT good CHECK user_id NOT LIKE 'bad%'",
    });
    try {
      const records = Array.from({ length: 500 }, (_, index) =>
        sent(
          feedback({
            tenant_id,
            message_id: `m${index}`,
            user_id: [100, 101, 399].includes(index) ? `bad${index}` : 'u',
          }),
        ),
      );
      await refused(ledger.batch('feedback', records, { first: 1_000 }));
      expect(await eventsOf(tenant_id)).toHaveLength(497);
      const letters = (await ledger.letters('feedback')).filter(
        ({ dl }) => dl.code === 'clickhouse_rejected',
      );
      expect(letters.map(({ dl }) => dl.offset)).toEqual(['1100', '1101', '1399']);
      expect(letters[0]?.dl.reason).toContain('good');
    } finally {
      await ledger.client.command({ query: 'ALTER TABLE events DROP CONSTRAINT good' });
    }
  });

  test('all of them are an outage: the server is to blame', async () => {
    await ledger.client.command({
      query: "ALTER TABLE events ADD CONSTRAINT none CHECK tenant_id != 'none'",
    });
    try {
      const before = (await ledger.letters('feedback')).length;
      const records = Array.from({ length: 50 }, () => sent(feedback({ tenant_id: 'none' })));
      await expect(refused(ledger.batch('feedback', records))).rejects.toBeInstanceOf(Outage);
      expect(await ledger.letters('feedback')).toHaveLength(before);
    } finally {
      await ledger.client.command({ query: 'ALTER TABLE events DROP CONSTRAINT none' });
    }
  });
});

describe('a newer producer', () => {
  test('keeps its symbols and may send what we do not know, beside an older one in the same batch', async () => {
    const tenant_id = 'newer';
    const metrics = createMetrics();
    const { sink: watching } = await ledger.pipeline(createTrackingPipeline, { metrics });
    const own = JSON.parse(readSchemaFile('feedback-event.avsc')) as {
      fields: { name: string; type: unknown }[];
    };
    const schema = {
      ...own,
      fields: [
        { name: 'mood', type: ['null', { type: 'array', items: 'string' }], default: null },
        ...own.fields
          .filter(({ name }) => name !== 'user_agent')
          .map((field) =>
            field.name === 'type'
              ? {
                  ...field,
                  type: { ...(field.type as object), symbols: ['SMELLED', 'UNKNOWN', 'CLICKED'] },
                }
              : field,
          ),
      ],
    };
    const id = await ledger.register('feedback', schema);
    const newer = avsc.Type.forSchema(schema as avsc.Schema);
    const value = { ...feedback({ tenant_id, event_id: 'f2', type: 'SMELLED' }), mood: ['happy', 'ü'] };
    await watching.write(
      [
        ledger.batch('feedback', [
          sent(feedback({ tenant_id })),
          { value: frame(id, newer.toBuffer(value)), timestamp: NOON + DAY_MS },
        ]),
      ],
      always,
    );
    expect(await eventsOf(tenant_id)).toMatchObject([
      { type: 'CLICKED', event_id: 'f1' },
      { type: 'SMELLED', event_id: 'f2', link: 'https://shop.example/?a=1&b=ü', user_agent: null },
    ]);
    expect(await metricValue(metrics, 'ledger_unknown_symbols_total')).toBe(1);
  });
});

describe('on Kafka', () => {
  test('everything that was produced arrives once, and what nobody can read is a dead letter', async () => {
    const other = await LedgerHarness.create(inject('configFile'));
    const running = await other.run(createTrackingPipeline);
    const messages = 500;
    const value = (role: 'delivery' | 'feedback', index: number) =>
      other.encode(
        role,
        (role === 'delivery' ? delivery : feedback)({
          message_id: `m${index}`,
          user_id: `u${index % 50}`,
          occurred_at: NOON + index,
        }),
      );
    const key = (index: number) => Buffer.from(`acme/u${index % 50}`);
    const indices = Array.from({ length: messages }, (_, index) => index);
    const timestamp = NOON + DAY_MS / 2;
    await other.produce(
      'delivery',
      indices.map((index) => ({ value: value('delivery', index), key: key(index), timestamp })),
    );
    await other.produce('feedback', [
      ...indices.map((index) => ({ value: value('feedback', index), key: key(index), timestamp })),
      ...indices
        .slice(0, 100)
        .map((index) => ({ value: value('feedback', index), key: key(index), timestamp })),
      { value: Buffer.from('{"not":"avro"}'), key: Buffer.from('acme/u1') },
      { value: null, key: Buffer.from('acme/u1') },
    ]);
    await other.produce('definitions', [{ value: other.encode('definitions', definition()), timestamp }]);
    const count = async (query: string) => Number((await other.rows<{ n: string }>(query))[0]?.n);
    await eventually(async () => (await count('SELECT count() AS n FROM events FINAL')) === 2 * messages, {
      what: 'all events',
    });
    await eventually(async () => (await other.letters('feedback')).length === 2, {
      what: 'the dead letters',
    });
    await eventually(async () => (await count('SELECT count() AS n FROM campaigns FINAL')) === 1);
    await running.stop();
    expect(await count('SELECT uniqExact(message_id) AS n FROM events FINAL')).toBe(messages);
    expect(
      await count(
        "SELECT toUInt64(sum(next)) AS n FROM (SELECT argMax(next_offset, (epoch, next_offset)) AS next FROM progress WHERE pipeline = 'tracking' GROUP BY topic_id, partition)",
      ),
    ).toBe(2 * messages + 100 + 2 + 1);
    expect(await metricValue(running.metrics, 'ledger_dead_letters_total')).toBe(2);
    expect(await metricValue(running.metrics, 'ledger_foreign_keys_total')).toBe(1);
    await other[Symbol.asyncDispose]();
  });
});
