/** The topics that the configuration asks for, with the settings that matter to us. */
import type { Config } from '../../../config/schema.ts';
import {
  DEAD_LETTER_HEADROOM_BYTES,
  deadLetterTopic,
  REPLAY_HEADROOM_BYTES,
  replayLogTopic,
  type TopicRole,
  topicNames,
} from '../../../config/topics.ts';
import type { NewTopic } from '../../../pipelines/common/kafka/admin.ts';

export type DesiredTopic = NewTopic & { readonly configs: Readonly<Record<string, string>> };

const ROLES: readonly TopicRole[] = ['definitions', 'delivery', 'feedback', 'profiles'];

/** The four topics, and for each the topic of its dead letters and the log of their replays. */
export function desiredTopics(config: Pick<Config, 'kafka'>): readonly DesiredTopic[] {
  const names = topicNames(config);
  return ROLES.flatMap((role) => topicsOf(names[role], role, config.kafka.topics));
}

/** Kafka's own default; a record of the log is a few hundred bytes. */
const LOG_RECORD_BYTES = 1024 * 1024;

function topicsOf(topic: string, role: TopicRole, topics: Config['kafka']['topics']): DesiredTopic[] {
  const { partitions, retentionMs, maxMessageBytes } = topics[role];
  const { replicationFactor, timestampType, deadLetterRetentionMs } = topics;
  const common = { partitions, replicationFactor };
  const largest = maxMessageBytes + REPLAY_HEADROOM_BYTES;
  return [
    {
      ...common,
      topic,
      configs: settings({ retentionMs, maxMessageBytes: largest, timestampType }),
    },
    {
      ...common,
      topic: deadLetterTopic(topic),
      configs: settings({
        retentionMs: deadLetterRetentionMs,
        maxMessageBytes: largest + DEAD_LETTER_HEADROOM_BYTES,
        timestampType: 'LogAppendTime',
      }),
    },
    {
      topic: replayLogTopic(topic),
      // Few records, and one partition to look through for a letter.
      partitions: 1,
      replicationFactor,
      configs: settings({
        // What it forgets could be sent a second time.
        retentionMs: null,
        maxMessageBytes: LOG_RECORD_BYTES,
        timestampType: 'LogAppendTime',
      }),
    },
  ];
}

interface Settings {
  readonly retentionMs: number | null;
  readonly maxMessageBytes: number;
  readonly timestampType: string;
}

function settings({ retentionMs, maxMessageBytes, timestampType }: Settings): Record<string, string> {
  return {
    // Compaction would keep the last event of each user and lose the history.
    'cleanup.policy': 'delete',
    'retention.ms': String(retentionMs ?? -1),
    'max.message.bytes': String(maxMessageBytes),
    'message.timestamp.type': timestampType,
  };
}
