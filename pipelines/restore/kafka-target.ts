/** The topic that archived records are to go into: whether it takes them as they were. */
import type { Config } from '../../config/schema.ts';
import { topicNames } from '../../config/topics.ts';
import { readTopicSettings } from '../../schemas/migrate/topics/topic-settings.ts';
import { UsageError } from '../common/errors.ts';
import type { KafkaAdmin } from '../common/kafka/admin.ts';
import type { RestoreTarget } from './restore-producer.ts';

/** @throws {UsageError} it is not there, or would change or drop what it gets @throws {Outage} */
export async function checkedTarget(
  { config, admin }: { config: Config; admin: KafkaAdmin },
  { topic, intoSource }: { topic: string; intoSource: boolean },
): Promise<RestoreTarget> {
  if (Object.values(topicNames(config)).includes(topic) && !intoSource)
    throw new UsageError(
      `--as ${topic}: the pipelines read this topic, and would store everything a second time under new offsets. Name another topic, or say --into-source if that is what you want`,
    );
  const described = (await admin.describeTopics([topic])).get(topic);
  if (described === undefined)
    throw new UsageError(
      `--as ${topic}: there is no such topic. Create it with retention.ms=-1, retention.bytes=-1, message.timestamp.type=CreateTime and as many partitions as the source`,
    );
  const settings = (await readTopicSettings(config, [topic])).get(topic);
  if (settings?.get('message.timestamp.type') === 'LogAppendTime')
    throw new UsageError(
      `--as ${topic}: its message.timestamp.type is LogAppendTime, which would give every record the time of today: set it to CreateTime`,
    );
  if (settings?.get('cleanup.policy')?.includes('compact') === true)
    throw new UsageError(
      `--as ${topic}: it is compacted, and would keep only the last record of each key: set its cleanup.policy to delete`,
    );
  if (settings?.get('retention.ms') !== '-1')
    throw new UsageError(
      `--as ${topic}: its retention.ms is ${settings?.get('retention.ms')}: records keep their times, and older ones would be dropped at once. Set it to -1 while they are restored`,
    );
  const bytes = settings?.get('retention.bytes');
  if (bytes !== undefined && bytes !== '-1')
    throw new UsageError(
      `--as ${topic}: its retention.bytes is ${bytes}: what goes beyond it in a partition would drop what was restored first. Set it to -1`,
    );
  return { topic, partitions: described.partitions };
}
