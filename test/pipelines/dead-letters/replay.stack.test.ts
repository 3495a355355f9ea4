/** Replaying letters on a real broker: what comes back, how often, and what never does. */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { loadConfig } from '../../../config/load.ts';
import { deadLetterTopic, replayLogTopic, type TopicRole, topicNames } from '../../../config/topics.ts';
import { createArchivePipeline } from '../../../pipelines/archive/pipeline.ts';
import { systemClock } from '../../../pipelines/common/clock.ts';
import { Fenced } from '../../../pipelines/common/errors.ts';
import { createAdmin } from '../../../pipelines/common/kafka/admin.ts';
import { readMapping } from '../../../pipelines/dead-letters/mapping/mapping-file.ts';
import { migrate } from '../../../schemas/migrate/migrate.ts';
import { byOffset, refuse, replayIn, sentBack } from '../../helpers/dead-letters.ts';
import { consumeAll } from '../../helpers/kafka-witness.ts';
import { change, definition, delivery, feedback, NOON } from '../../helpers/ledger-values.ts';
import { ledgerCommand } from '../../helpers/pipeline-child.ts';
import { ScriptedRegistry } from '../../helpers/scripted-registry.ts';
import { WholeLedger } from '../../helpers/whole-ledger.ts';

const MIB = 1024 * 1024;
/** Of the topic of definitions: more than its dead letters have room for, as when a limit was raised by hand. */
const RAISED_BYTES = 4 * MIB;

let ledger: WholeLedger;

beforeAll(async () => {
  ledger = await WholeLedger.create(inject('configFile'), {
    prepare: async (configFile) => {
      const config = await loadConfig({ file: configFile });
      const admin = createAdmin(config);
      await admin.createTopic({
        topic: topicNames(config).definitions,
        partitions: 1,
        replicationFactor: 1,
        configs: { 'cleanup.policy': 'delete', 'max.message.bytes': String(RAISED_BYTES) },
      });
      admin.close();
      const { faults } = await migrate(config, { clock: systemClock });
      expect(faults).toEqual([]);
    },
  });
});
afterAll(() => ledger[Symbol.asyncDispose]());

const encode = (role: TopicRole, value: object) => ledger.harness.encode(role, value);

const ends = async (topic: string) => {
  const { admin } = ledger.harness;
  const { partitions = 0 } = (await admin.describeTopics([topic])).get(topic) ?? {};
  const marks = await admin.watermarks(
    Array.from({ length: partitions }, (_, partition) => ({ topic, partition })),
  );
  return marks.map(({ high }) => high);
};

const mappingOf = async (name: string, text: string) => {
  const file = join(ledger.folder, name);
  await writeFile(file, text);
  return readMapping(file, ledger.config);
};

const logged = async (role: TopicRole) => {
  const records = await consumeAll(
    ledger.config.kafka.brokers,
    new Map([[replayLogTopic(ledger.topic(role)), 1]]),
  );
  return records.map(({ value }) => JSON.parse(String(value)) as Record<string, unknown>);
};

describe('profile changes', () => {
  const headers = [
    { trace: Buffer.from('t1') },
    { 'dl.replay-of': 'elsewhere' },
    { trace: Buffer.from('t2') },
  ];
  const good = () => encode('profiles', change({ change_id: 'good' }));
  const seconds = () => encode('profiles', change({ change_id: 'seconds', changed_at: NOON / 1000 }));
  const underOther = () => Buffer.concat([Buffer.from([0, 0x7f, 0xff, 0xff, 0xff]), good().subarray(5)]);
  let topicId: string;

  beforeAll(async () => {
    await using registry = await ScriptedRegistry.start();
    const { config } = ledger;
    const blind = { ...config, schemaRegistry: { ...config.schemaRegistry, url: registry.url } };
    const key = Buffer.from([0xff, 0x00, 0x61]);
    topicId = await refuse(
      ledger,
      'profiles',
      [
        { value: good(), key, headers },
        { value: underOther(), key: 'acme/u1' },
        { value: seconds(), key: 'acme/u1' },
        { value: null, key: 'acme/u1' },
        { value: good().subarray(0, -2), key: 'acme/u1' },
      ],
      { partition: 1, first: 100, config: blind },
    );
  });

  test('a dry run says what would be done and changes nothing', async () => {
    const before = await ends(ledger.topic('profiles'));
    const answer = await ledger.command('dead-letters', 'replay', '--topic', 'profile.changes', '--dry-run');
    expect(answer.exitCode).toBe(3);
    const lines = answer.stdout.split('\n').map((line) => line.split(/ {2,}/).slice(0, 2));
    expect(lines.toSorted()).toEqual([
      ['would be refused', `${ledger.topic('profiles')}/1:101`],
      ['would be refused', `${ledger.topic('profiles')}/1:102`],
      ['would be refused', `${ledger.topic('profiles')}/1:103`],
      ['would be refused', `${ledger.topic('profiles')}/1:104`],
      ['would be replayed', `${ledger.topic('profiles')}/1:100`],
    ]);
    expect(answer.stderr).toContain('1 would be replayed, 0 skipped (replayed before), 4 would be refused');
    expect(await ends(ledger.topic('profiles'))).toEqual(before);
    expect(await ends(replayLogTopic(ledger.topic('profiles')))).toEqual([0]);
  });

  test('what the registry knows by now comes back as it was, to its partition, with a mark; nothing else does', async () => {
    const outcomes = await replayIn(ledger, 'profiles', { reason: 'registry was another' });
    expect(byOffset(outcomes)).toEqual({
      100: 'replayed',
      101: 'refused: unknown_schema_id',
      102: 'refused: time_too_early',
      103: 'refused: tombstone',
      104: 'refused: avro_truncated',
    });
    const records = await ledger.records('profiles');
    expect(records).toEqual([
      expect.objectContaining({
        partition: 1,
        key: Buffer.from([0xff, 0x00, 0x61]),
        value: good(),
        headers: [
          ['trace', 't1'],
          ['trace', 't2'],
          ['dl.replay-of', `${topicId}/1/100`],
        ],
      }),
    ]);
    expect(await logged('profiles')).toEqual([
      {
        topic: ledger.topic('profiles'),
        topic_id: topicId,
        partition: 1,
        offset: 100,
        code: 'unknown_schema_id',
        at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        by: 'tester',
        reason: 'registry was another',
        schema_id: null,
        mapping: null,
        forced: false,
      },
    ]);
  });

  test('a corrected schema id and a mapping; the second time nothing is left to do', async () => {
    const { schemaId } = ledger.harness.encoders.profiles;
    const codes = new Set(['unknown_schema_id']);
    const addressed = await replayIn(ledger, 'profiles', { schemaId, filter: { codes, partition: 1 } });
    expect(byOffset(addressed)).toEqual({
      100: 'skipped',
      101: 'replayed',
      102: 'refused: time_too_early',
      104: 'refused: avro_truncated',
    });
    const mapping = await mappingOf(
      'seconds.yaml',
      `rules:
  - when: { topic: profile.changes, fields: { change_id: seconds } }
    then: { multiply: { changed_at: 1000 }, set: { source_version: 7 } }
`,
    );
    expect(byOffset(await replayIn(ledger, 'profiles', { mapping }))).toMatchObject({
      101: 'skipped',
      102: 'replayed',
      104: 'refused: avro_truncated',
    });
    const sent = await sentBack(ledger, 'profiles');
    expect(sent.get(`${topicId}/1/101`)?.map(({ value }) => value)).toEqual([good()]);
    expect(sent.get(`${topicId}/1/102`)?.map(({ value }) => value)).toEqual([
      encode('profiles', change({ change_id: 'seconds', source_version: 7 })),
    ]);
    expect(await logged('profiles')).toMatchObject([
      { offset: 100 },
      { offset: 101, schema_id: schemaId, mapping: null },
      { offset: 102, schema_id: null, mapping: mapping.sha256 },
    ]);
    const before = await ends(ledger.topic('profiles'));
    const again = await replayIn(ledger, 'profiles', { mapping, schemaId });
    expect(again.filter(({ outcome }) => outcome === 'replayed')).toEqual([]);
    expect(await ends(ledger.topic('profiles'))).toEqual(before);
  });
});

describe('many letters', () => {
  const COUNT = 1_300;
  /** Valid by now: what refused them was a registry that knew nothing. */
  const values = () =>
    Array.from({ length: COUNT }, (_, index) => ({
      key: `acme/u${index}`,
      value: encode('delivery', delivery({ event_id: `e${index}`, user_id: `u${index}` })),
    }));

  const refuseAll = async (role: TopicRole, records: { key: string; value: Buffer }[]) => {
    await using registry = await ScriptedRegistry.start();
    const { config } = ledger;
    const blind = { ...config, schemaRegistry: { ...config.schemaRegistry, url: registry.url } };
    await refuse(ledger, role, records, { partition: 2, config: blind });
  };

  const assertEachOnce = async (role: TopicRole, topicId: string, count: number) => {
    const sent = await sentBack(ledger, role);
    expect([...sent.values()].filter(({ length }) => length !== 1)).toEqual([]);
    const all = Array.from({ length: count }, (_, offset) => `${topicId}/2/${offset}`);
    expect([...sent.keys()].sort()).toEqual(all.sort());
  };

  test('killed inside a transaction and after one, then run to its end: each is there once', async () => {
    await refuseAll('delivery', values());
    const topicId = (await ledger.topicIds()).get(ledger.topic('delivery')) ?? '';
    const replay = ['dead-letters', 'replay', '--topic', 'campaign.delivery', '--config', ledger.configFile];
    for (const [point, isVisible] of [
      ['in-transaction', 0],
      ['after-commit', 500],
      ['in-transaction:2', 1_000],
    ] as const) {
      const answer = await ledgerCommand(replay, {
        LEDGER_FAULT_POINTS: `dead-letters/${point}=SIGKILL`,
      });
      expect(answer.stderr).toContain('fault point dead-letters/');
      expect(answer.exitCode).toBeUndefined();
      expect((await sentBackSoFar('delivery')).length).toBe(isVisible);
    }
    const last = await replayIn(ledger, 'delivery');
    expect(Object.groupBy(last, ({ outcome }) => outcome)).toMatchObject({
      replayed: { length: 300 },
      skipped: { length: 1_000 },
    });
    await assertEachOnce('delivery', topicId, COUNT);
    const before = await ends(ledger.topic('delivery'));
    const again = await replayIn(ledger, 'delivery');
    expect(new Set(again.map(({ outcome }) => outcome))).toEqual(new Set(['skipped']));
    expect(await ends(ledger.topic('delivery'))).toEqual(before);
  });

  /** By the log: what is committed, without waiting for a transaction that is still open in the topic. */
  const sentBackSoFar = (role: TopicRole) => logged(role);

  test('two operators at once: each letter is there once, and who is put aside is told', async () => {
    const records = values().map(({ key }, index) => ({
      key,
      value: encode('feedback', feedback({ event_id: `f${index}`, user_id: `u${index}` })),
    }));
    await refuseAll('feedback', records);
    const topicId = (await ledger.topicIds()).get(ledger.topic('feedback')) ?? '';
    const both = await Promise.allSettled([replayIn(ledger, 'feedback'), replayIn(ledger, 'feedback')]);
    for (const one of both) if (one.status === 'rejected') expect(one.reason).toBeInstanceOf(Fenced);
    expect(both.some(({ status }) => status === 'fulfilled')).toBe(true);
    await assertEachOnce('feedback', topicId, COUNT);
    const again = await replayIn(ledger, 'feedback');
    expect(new Set(again.map(({ outcome }) => outcome))).toEqual(new Set(['skipped']));
  });
});

describe('sizes', () => {
  /** Bytes of a batch that holds one record: Kafka's message format 2. */
  const batchBytes = ({ key, value }: { key: Buffer; value: Buffer }) => {
    const varint = (number: number) => {
      let size = 1;
      for (let rest = Math.floor((2 * number) / 128); rest > 0; rest = Math.floor(rest / 128)) size += 1;
      return size;
    };
    const body = 1 + 1 + 1 + varint(key.length) + key.length + varint(value.length) + value.length + 1;
    return 61 + varint(body) + body;
  };
  const KEY = Buffer.from('acme/large');

  /** A value without any pattern that a batch of exactly so many bytes holds. */
  const valueFor = (batch: number) => {
    const around = batchBytes({ key: KEY, value: Buffer.alloc(batch - 100) }) - (batch - 100);
    const value = randomBytes(batch - around);
    value[0] = 1;
    expect(batchBytes({ key: KEY, value })).toBe(batch);
    return value;
  };

  test('a value at the very limit goes to the dead letters and back with its mark; one beyond is refused', async () => {
    const role = 'feedback';
    const limit = ledger.config.kafka.topics.feedback.maxMessageBytes;
    const largest = valueFor(limit);
    const beyond = valueFor(limit + 1024);
    const small = { key: KEY, value: Buffer.from('small') };
    // What the sizes mean is for the broker to say.
    const taken = async (value: Buffer) => {
      const [before = 0] = await ends(ledger.topic(role));
      await ledger.harness.produce(role, [{ key: KEY, value, partition: 0 }]).catch(() => {});
      return ((await ends(ledger.topic(role)))[0] ?? 0) > before;
    };
    expect(await taken(valueFor(limit + 1025))).toBe(false);
    expect(await taken(beyond)).toBe(true);
    const first = 5_000;
    const topicId = await refuse(
      ledger,
      role,
      [small, { key: KEY, value: largest }, { key: KEY, value: beyond }, small],
      { first },
    );
    const codes = new Set(['not_framed']);
    const outcomes = await replayIn(ledger, role, { filter: { codes }, isForced: true });
    expect(byOffset(outcomes)).toEqual({
      5000: 'replayed',
      5001: 'replayed',
      5002: 'refused: too_large',
      5003: 'replayed',
    });
    const sent = await sentBack(ledger, role);
    expect(sent.get(`${topicId}/0/5001`)?.map(({ value }) => value?.equals(largest))).toEqual([true]);
    expect(sent.has(`${topicId}/0/5002`)).toBe(false);
    expect(sent.get(`${topicId}/0/5003`)).toHaveLength(1);
    const letters = await ledger.letters(role);
    expect(letters.filter(({ headers }) => headers.some(([name]) => name === 'dl.cut'))).toEqual([]);
    const [refusal] = outcomes.flatMap((one) => (one.outcome === 'refused' ? [one.refusal.reason] : []));
    expect(refusal).toContain('kafka-configs.sh --alter --entity-type topics');
  });

  test('a letter that was cut comes back whole from the archive, once it is there', async () => {
    const attributes = Object.fromEntries(
      Array.from({ length: 200 }, (_, index) => [`k${index}`, randomBytes(8_000).toString('base64')]),
    );
    const of = (updated_at: number) => encode('definitions', definition({ updated_at, attributes }));
    const record = { key: 'acme/spring', value: of(NOON / 1000), headers: [{ large: randomBytes(20_000) }] };
    const topicId = await refuse(ledger, 'definitions', [record]);
    const [letter] = await ledger.letters('definitions');
    expect(letter?.value).toHaveLength(65_536);
    const mapping = await mappingOf('cut.yaml', 'rules:\n  - then: { multiply: { updated_at: 1000 } }\n');
    expect(byOffset(await replayIn(ledger, 'definitions', { mapping }))).toEqual({
      0: 'refused: not_archived',
    });
    const { sink } = await ledger.harness.pipeline(createArchivePipeline);
    await sink.write([ledger.harness.batch('definitions', [record])], () => true);
    expect(byOffset(await replayIn(ledger, 'definitions', { mapping }))).toEqual({ 0: 'replayed' });
    const [back] = (await sentBack(ledger, 'definitions')).get(`${topicId}/0/0`) ?? [];
    expect(back?.value?.equals(of(NOON))).toBe(true);
    expect(back?.headers.map(([name, value]) => [name, value.length])).toEqual([
      ['large', 20_000],
      ['dl.replay-of', `${topicId}/0/0`.length],
    ]);
  });
});

test('without its log, or with one that was cut off, nothing is sent', async () => {
  const topic = ledger.topic('delivery');
  const log = replayLogTopic(topic);
  const before = await ends(topic);
  await ledger.harness.admin.deleteRecords([{ topic: log, partition: 0, offset: 1 }]);
  await expect(replayIn(ledger, 'delivery')).rejects.toThrow(`${log} begins at offset 1: what was replayed`);
  await ledger.harness.admin.deleteTopic(log);
  const answer = await ledger.command('dead-letters', 'replay', '--topic', topic);
  expect(answer).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('run campaign-ledger migrate'),
  });
  expect(await ends(topic)).toEqual(before);
  expect((await ends(deadLetterTopic(topic))).length).toBeGreaterThan(0);
});
