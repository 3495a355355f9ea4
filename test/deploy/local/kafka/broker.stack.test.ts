/** What the local broker promises to tests and to people who try things out. */
import { randomUUID } from 'node:crypto';
import kafka from '@confluentinc/kafka-javascript';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { loadConfig } from '../../../../config/load.ts';
import type { Config } from '../../../../config/schema.ts';
import { createAdmin, type KafkaAdmin } from '../../../../pipelines/common/kafka/admin.ts';
import { kafkaSettings } from '../../../../pipelines/common/kafka/client-settings.ts';

const topic = `broker-test-${randomUUID()}`;
const MIB = 1024 * 1024;
let config: Config;
let admin: KafkaAdmin;

beforeAll(async () => {
  config = await loadConfig({ file: inject('configFile'), env: {} });
  admin = createAdmin(config);
  await admin.createTopic({ topic, partitions: 1, replicationFactor: 1 });
});
afterAll(async () => {
  await admin.deleteTopic(topic);
  admin.close();
});

function produce(to: string, value: Buffer): Promise<void> {
  const producer = new kafka.Producer({
    ...kafkaSettings(config),
    'message.max.bytes': 20 * MIB,
    'message.timeout.ms': to === topic ? 30_000 : 2_000,
    dr_cb: true,
  } as never);
  producer.setPollInterval(10);
  return new Promise<void>((resolve, reject) => {
    producer.on('delivery-report', (error) => (error ? reject(error) : resolve()));
    producer.connect({}, (error) => {
      if (error) reject(error);
      else producer.produce(to, 0, value);
    });
  }).finally(() => producer.disconnect());
}

/** Joins a group and reads until there is a record. */
async function readAsMember(settings: Record<string, unknown>): Promise<kafka.Message> {
  const consumer = new kafka.KafkaConsumer(
    { ...kafkaSettings(config), 'group.id': `broker-test-${randomUUID()}`, ...settings } as never,
    { 'auto.offset.reset': 'earliest' },
  );
  try {
    await new Promise<void>((resolve, reject) => {
      consumer.connect({}, (error) => (error ? reject(error) : resolve()));
    });
    consumer.setDefaultConsumeTimeout(200);
    consumer.subscribe([topic]);
    for (;;) {
      const [message] = await new Promise<kafka.Message[]>((resolve, reject) => {
        consumer.consume(1, (error, messages) => (error ? reject(error) : resolve(messages)));
      });
      if (message !== undefined) return message;
    }
  } finally {
    await new Promise<void>((resolve) => consumer.disconnect(() => resolve()));
  }
}

describe('the local broker', () => {
  it('makes no topic that nobody has ordered', async () => {
    const unknown = `broker-test-${randomUUID()}`;
    await expect(produce(unknown, Buffer.from('x'))).rejects.toThrow();
    expect((await admin.describeTopics([unknown])).size).toBe(0);
  });

  it('takes records of 15 MiB, and hands them out', async () => {
    const value = Buffer.alloc(15 * MIB, 'x');
    await produce(topic, value);
    const message = await readAsMember({
      'fetch.message.max.bytes': 20 * MIB,
      'receive.message.max.bytes': 100 * MIB,
    });
    expect(message.value?.equals(value)).toBe(true);
  });

  it('lets a member ask for a session of one second', async () => {
    const message = await readAsMember({ 'session.timeout.ms': 1_000, 'heartbeat.interval.ms': 200 });
    expect(message.offset).toBe(0);
  });

  it('speaks the group protocol of the broker side (KIP-848)', async () => {
    const message = await readAsMember({ 'group.protocol': 'consumer' });
    expect(message.offset).toBe(0);
  });
});
