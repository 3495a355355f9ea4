/** What a plain consumer sees: every committed record of some topics, with none of the pipelines' code in between. */
import { randomUUID } from 'node:crypto';
import kafka from '@confluentinc/kafka-javascript';

export interface SeenRecord {
  readonly topic: string;
  /** Empty when it was not asked for: a topic made anew has its name, and another id. */
  readonly topicId: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly (readonly [string, string])[];
}

/**
 * From the first offset that Kafka still has.
 * @param partitions how many each topic has
 * @param topicIds of the topics, as they are now
 */
export async function consumeAll(
  brokers: readonly string[],
  partitions: ReadonlyMap<string, number>,
  topicIds: ReadonlyMap<string, string> = new Map(),
): Promise<SeenRecord[]> {
  const records: SeenRecord[] = [];
  await consumeEach({ brokers, partitions, topicIds }, (record) => records.push(record));
  return records;
}

/** As `consumeAll` for more than fit into memory. */
export async function consumeEach(
  {
    brokers,
    partitions,
    topicIds = new Map(),
  }: {
    brokers: readonly string[];
    partitions: ReadonlyMap<string, number>;
    topicIds?: ReadonlyMap<string, string>;
  },
  each: (record: SeenRecord) => void,
): Promise<void> {
  const consumer = new kafka.KafkaConsumer(
    {
      'bootstrap.servers': brokers.join(','),
      'group.id': `witness-${randomUUID()}`,
      'isolation.level': 'read_committed',
      'enable.auto.commit': false,
      'enable.partition.eof': true,
    },
    { 'auto.offset.reset': 'earliest' },
  );
  consumer.setDefaultConsumeTimeout(100);
  const unread = new Set<string>();
  consumer.on('partition.eof', ({ topic, partition }) => unread.delete(`${topic}/${partition}`));
  await new Promise<void>((resolve, reject) => {
    consumer.connect({}, (error) => (error ? reject(error) : resolve()));
  });
  try {
    const assignment = [...partitions].flatMap(([topic, count]) =>
      Array.from({ length: count }, (_, partition) => ({ topic, partition, offset: 0 })),
    );
    for (const { topic, partition } of assignment) unread.add(`${topic}/${partition}`);
    consumer.assign(assignment);
    while (unread.size > 0) for (const message of await consume(consumer)) each(seen(message, topicIds));
  } finally {
    await new Promise<void>((resolve) => consumer.disconnect(() => resolve()));
  }
}

function consume(consumer: kafka.KafkaConsumer): Promise<kafka.Message[]> {
  return new Promise((resolve, reject) => {
    consumer.consume(1_000, (error, messages) => (error ? reject(error) : resolve(messages)));
  });
}

function seen(
  { topic, partition, offset, timestamp, key, value, headers }: kafka.Message,
  topicIds: ReadonlyMap<string, string>,
): SeenRecord {
  return {
    topic,
    topicId: topicIds.get(topic) ?? '',
    partition,
    offset,
    timestamp: timestamp ?? -1,
    key: key == null ? null : Buffer.from(key),
    value,
    headers: (headers ?? []).flatMap((header) =>
      Object.entries(header).map(
        ([name, content]) => [name, Buffer.from(content).toString('latin1')] as const,
      ),
    ),
  };
}
