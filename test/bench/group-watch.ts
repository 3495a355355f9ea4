/** What the broker says of a consumer group, asked from outside and in the same way whoever the consumer is. */
import { Admin } from '@platformatic/kafka';
import type { Config } from '../../config/schema.ts';

export class GroupWatch {
  readonly #admin: Admin;
  readonly #topic: string;

  constructor({ kafka }: Config, topic: string) {
    this.#admin = new Admin({ clientId: 'bench-watch', bootstrapBrokers: [...kafka.brokers] });
    this.#topic = topic;
  }

  /** True once the coordinator has handed out partitions of the topic. */
  async isAssigned(group: string): Promise<boolean> {
    const { state, members } = (await this.#admin.describeGroups({ groups: [group] })).get(group) ?? {};
    // The types say STABLE, the broker Stable.
    if (state?.toUpperCase() !== 'STABLE' || members === undefined) return false;
    return [...members.values()].some(({ assignments }) => assignments?.has(this.#topic) === true);
  }

  /** Sum of the committed offsets: records, since the topic begins at 0 and nothing in it is transactional. */
  async committed(group: string): Promise<number> {
    const answer = await this.#admin.listConsumerGroupOffsets({ groups: [group] });
    const topics = answer.find(({ groupId }) => groupId === group)?.topics ?? [];
    const partitions = topics.find(({ name }) => name === this.#topic)?.partitions ?? [];
    return partitions.reduce((sum, { committedOffset }) => sum + Math.max(0, Number(committedOffset)), 0);
  }

  async close(): Promise<void> {
    await this.#admin.close();
  }
}
