/** The names of topics and their dead-letter topics. */
import type { Config } from './schema.ts';

export type TopicRole = 'definitions' | 'delivery' | 'feedback' | 'profiles';

export type TopicNames = Readonly<Record<TopicRole, string>>;

/**
 * A dead letter that is sent back carries `dl.replay-of` besides what its record had: this much more room than producers
 * may use, in bytes. The header takes at most 88.
 */
export const REPLAY_HEADROOM_BYTES = 1024;

/** A dead letter carries its source's value and headers, plus headers of its own: this much more room, in bytes. */
export const DEAD_LETTER_HEADROOM_BYTES = 64 * 1024;

export function topicNames(config: Pick<Config, 'kafka'>): TopicNames {
  const { topicPrefix } = config.kafka;
  return {
    definitions: `${topicPrefix}campaign.definitions`,
    delivery: `${topicPrefix}campaign.delivery`,
    feedback: `${topicPrefix}campaign.feedback`,
    profiles: `${topicPrefix}profile.changes`,
  };
}

export function deadLetterTopic(topic: string): string {
  return `${topic}.dead-letters`;
}

/** Where it stands who sent which dead letter of a topic back, and when. */
export function replayLogTopic(topic: string): string {
  return `${topic}.dead-letter-replays`;
}
