import { randomUUID } from 'node:crypto';
import kafka from '@confluentinc/kafka-javascript';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { loadConfig } from '../../../../config/load.ts';
import type { Config } from '../../../../config/schema.ts';
import { Outage } from '../../../../pipelines/common/errors.ts';
import { createAdmin, type KafkaAdmin } from '../../../../pipelines/common/kafka/admin.ts';
import { kafkaSettings, producerSettings } from '../../../../pipelines/common/kafka/client-settings.ts';
import { kafkaErrorCode } from '../../../../pipelines/common/kafka/errors.ts';
import { retryOutage } from '../../../../pipelines/common/retry.ts';
import { testConfig } from '../../../helpers/config.ts';

let config: Config;
let admin: KafkaAdmin;
beforeAll(async () => {
  config = await loadConfig({ file: inject('configFile'), env: {} });
  admin = createAdmin(config);
});
afterAll(() => admin.close());

const { ERRORS } = kafka.CODES;

/** For what a new partition or group answers while its leader or coordinator is being found. */
function soon<T>(question: () => Promise<T>): Promise<T> {
  return retryOutage(question, { retry: { initialMs: 50, maxMs: 200 }, retries: 50 });
}

async function newTopic(partitions = 3): Promise<string> {
  const topic = `admin-${randomUUID()}`;
  const configs = { 'message.timestamp.type': 'CreateTime', 'retention.ms': '-1' };
  expect(await admin.createTopic({ topic, partitions, replicationFactor: 1, configs })).toBe(true);
  // The controller has made it; the broker hears of it a moment later, and then finds leaders.
  await expect
    .poll(async () => (await admin.describeTopics([topic])).has(topic), { timeout: 10_000 })
    .toBe(true);
  await soon(() => admin.watermarks([{ topic, partition: partitions - 1 }]));
  return topic;
}

async function produce(topic: string, timestamps: readonly number[]): Promise<void> {
  const producer = new kafka.Producer({ ...producerSettings(config) });
  await new Promise((resolve, reject) =>
    producer.connect({}, (error, data) => (error ? reject(error) : resolve(data))),
  );
  for (const timestamp of timestamps) producer.produce(topic, 0, Buffer.from('value'), 'key', timestamp);
  await new Promise<void>((resolve, reject) =>
    producer.flush(10_000, (error) => (error ? reject(error) : resolve())),
  );
  await new Promise((resolve) => producer.disconnect(resolve));
}

test('topics: created once, described, enlarged, deleted once', async () => {
  const topic = await newTopic();
  expect(await admin.createTopic({ topic, partitions: 3, replicationFactor: 1 })).toBe(false);
  expect(await admin.listTopics()).toContain(topic);
  const described = await admin.describeTopics([topic, 'no-such-topic']);
  expect([...described.keys()]).toEqual([topic]);
  expect(described.get(topic)).toEqual({
    topic,
    topicId: expect.stringMatching(/^[0-9a-f]{32}$/),
    partitions: 3,
    replicationFactor: 1,
  });
  await admin.createPartitions(topic, 4);
  await expect(admin.createPartitions(topic, 4)).rejects.toMatchObject({
    code: ERRORS.ERR_INVALID_PARTITIONS,
  });
  expect(await admin.deleteTopic(topic)).toBe(true);
  expect(await admin.deleteTopic(topic)).toBe(false);
});

test('a topic made anew under its old name has another id', async () => {
  const topic = await newTopic();
  const idOf = async () => (await admin.describeTopics([topic])).get(topic)?.topicId;
  const before = await idOf();
  await admin.deleteTopic(topic);
  await admin.createTopic({ topic, partitions: 3, replicationFactor: 1 });
  await expect.poll(async () => [undefined, before].includes(await idOf()), { timeout: 10_000 }).toBe(false);
  expect(await idOf()).toMatch(/^[0-9a-f]{32}$/);
});

test('what the broker refuses is no outage and keeps its code', async () => {
  const topic = `admin-${randomUUID()}`;
  const tooMany = admin.createTopic({ topic, partitions: 1, replicationFactor: 3 });
  await expect(tooMany).rejects.toMatchObject({ code: ERRORS.ERR_INVALID_REPLICATION_FACTOR });
  const unknown = admin.createTopic({
    topic,
    partitions: 1,
    replicationFactor: 1,
    configs: { nonsense: '1' },
  });
  await expect(unknown).rejects.toThrow('Unknown topic config name: nonsense');
});

test('offsets: watermarks, the stable end, by time, and after records were dropped', async () => {
  const topic = await newTopic();
  const [first, second] = [
    { topic, partition: 0 },
    { topic, partition: 1 },
  ];
  await produce(topic, [1_000, 2_000, 3_000, 4_000]);
  expect(await admin.watermarks([first, second])).toEqual([
    { ...first, low: 0, high: 4 },
    { ...second, low: 0, high: 0 },
  ]);
  expect(await admin.stableEnds([first])).toEqual([{ ...first, offset: 4 }]);
  expect(await admin.offsetsAt([first, second], 2_001)).toEqual([
    { ...first, offset: 2 },
    { ...second, offset: null },
  ]);
  await admin.deleteRecords([{ ...first, offset: 3 }]);
  expect(await admin.watermarks([first])).toEqual([{ ...first, low: 3, high: 4 }]);
  await expect(admin.deleteRecords([{ ...first, offset: 9 }])).rejects.toMatchObject({
    code: ERRORS.ERR_OFFSET_OUT_OF_RANGE,
  });
  await expect(admin.watermarks([{ topic: 'no-such-topic', partition: 0 }])).rejects.toMatchObject({
    code: ERRORS.ERR_UNKNOWN_TOPIC_OR_PART,
  });
});

test('groups: what they committed, and their end', async () => {
  const topic = await newTopic();
  const group = `admin-${randomUUID()}`;
  const partitions = [0, 1].map((partition) => ({ topic, partition }));
  // A group that does not exist ends the process when the admin client's own call is asked about it.
  expect(await soon(() => admin.committedOffsets(group, partitions))).toEqual([]);
  expect(await soon(() => admin.deleteGroup(group))).toBe(false);

  const consumer = new kafka.KafkaConsumer(
    { ...kafkaSettings(config), 'group.id': group, 'enable.auto.commit': false },
    {},
  );
  await new Promise((resolve, reject) =>
    consumer.connect({}, (error, data) => (error ? reject(error) : resolve(data))),
  );
  consumer.assign([{ topic, partition: 0 }]);
  consumer.commitSync([{ topic, partition: 0, offset: 7 }]);
  await new Promise((resolve) => consumer.disconnect(resolve));

  expect(await admin.committedOffsets(group, partitions)).toEqual([{ topic, partition: 0, offset: 7 }]);
  expect(await admin.listGroups()).toContain(group);
  expect(await soon(() => admin.deleteGroup(group))).toBe(true);
  expect(await admin.listGroups()).not.toContain(group);
});

test('nobody there is an outage that says so, for every question', async () => {
  const away = await testConfig({ kafka: { brokers: ['127.0.0.1:1'], requestTimeoutMs: 1_000 } });
  const nobody = createAdmin(away);
  const partitions = [{ topic: 't', partition: 0 }];
  const questions = [
    nobody.listTopics(),
    nobody.describeTopics(['t']),
    nobody.createTopic({ topic: 't', partitions: 1, replicationFactor: 1 }),
    nobody.watermarks(partitions),
    nobody.listGroups(),
    nobody.committedOffsets('g', partitions),
  ];
  const answers = await Promise.allSettled(questions);
  nobody.close();
  for (const answer of answers) {
    expect(answer).toMatchObject({ status: 'rejected', reason: expect.any(Outage) });
    if (answer.status === 'rejected') expect(kafkaErrorCode(answer.reason)).not.toBeNull();
  }
  expect((answers[0] as PromiseRejectedResult).reason.message).toMatch(/Connection refused/);
});

test('closing waits for nobody: what is under way is answered all the same, and nothing more is asked', async () => {
  const away = await testConfig({ kafka: { brokers: ['127.0.0.1:1'], requestTimeoutMs: 1_000 } });
  const nobody = createAdmin(away);
  const underWay = nobody.listTopics();
  const before = performance.now();
  nobody.close();
  expect(performance.now() - before).toBeLessThan(200);
  await expect(nobody.listTopics()).rejects.toThrow('the admin client is closed');
  await expect(underWay).rejects.toThrow(Outage);
  nobody.close();
});
