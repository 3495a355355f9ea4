/** Topic ids, asked for again before each write: a topic deleted and made anew has the name and offsets of the old one. */
import type { KafkaAdmin } from '../kafka/admin.ts';

export type IdsByTopic = ReadonlyMap<string, string>;

export class TopicIds {
  readonly #admin: Pick<KafkaAdmin, 'describeTopics'>;
  readonly #topics: readonly string[];
  #running: Promise<IdsByTopic> | null = null;
  #next: Promise<IdsByTopic> | null = null;

  constructor(admin: Pick<KafkaAdmin, 'describeTopics'>, topics: readonly string[]) {
    this.#admin = admin;
    this.#topics = topics;
  }

  /**
   * The ids as of after this call: the question goes out after it, never before. Since a deleted topic's id does not
   * come back, records that were read before the call and whose topic still has its id are of that topic.
   * Calls made while a question is out share the one after it. A topic that does not exist is missing.
   * @throws {Outage}
   */
  fetch(): Promise<IdsByTopic> {
    if (this.#running === null) return this.#ask();
    this.#next ??= this.#running
      .catch(() => {})
      .then(() => {
        this.#next = null;
        return this.#ask();
      });
    return this.#next;
  }

  #ask(): Promise<IdsByTopic> {
    const question = this.#admin
      .describeTopics(this.#topics)
      .then((topics) => new Map([...topics].map(([topic, { topicId }]) => [topic, topicId])))
      .finally(() => {
        if (this.#running === question) this.#running = null;
      });
    this.#running = question;
    return question;
  }
}
