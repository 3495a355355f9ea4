/** What a group has committed, asked by a consumer that never joins it. */
import kafka from '@confluentinc/kafka-javascript';
import type { Config } from '../../../config/schema.ts';
import { kafkaSettings } from './client-settings.ts';
import { asOutage } from './errors.ts';

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface PartitionOffset extends TopicPartition {
  readonly offset: number;
}

export interface CommittedQuestion {
  readonly group: string;
  readonly partitions: readonly TopicPartition[];
}

/**
 * The admin client has a call for this, which ends the whole process with a segmentation fault when the group does not
 * exist or its coordinator is just moving (client 1.10): it reads the partitions of a result that has only an error.
 * @throws {Outage} when the cluster cannot be asked
 */
export async function readCommitted(
  config: Pick<Config, 'kafka'>,
  { group, partitions }: CommittedQuestion,
): Promise<readonly PartitionOffset[]> {
  if (partitions.length === 0) return [];
  const timeout = config.kafka.requestTimeoutMs;
  const consumer = new kafka.KafkaConsumer(
    { ...kafkaSettings(config), 'group.id': group, 'enable.auto.commit': false, log_level: 0 },
    {},
  );
  try {
    await settled((done) => consumer.connect({ timeout }, done));
    const answer = await settled<kafka.TopicPartitionOffset[]>((done) =>
      consumer.committed([...partitions], timeout, done),
    );
    return answer.flatMap(({ topic, partition, offset }) =>
      typeof offset === 'number' && offset >= 0 ? [{ topic, partition, offset }] : [],
    );
  } finally {
    await settled((done) => consumer.disconnect(done)).catch(() => {});
  }
}

function settled<T>(request: (done: (error: unknown, result?: T) => void) => void): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    request((error, result) => (error ? reject(asOutage(error)) : resolve(result as T)));
  });
}
