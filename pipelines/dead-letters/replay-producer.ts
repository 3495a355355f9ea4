/** Sends records back and writes the log of it in one transaction: both are there, or neither. */
import type { MessageHeader } from '@confluentinc/kafka-javascript';
import type { Config } from '../../config/schema.ts';
import { replayLogTopic } from '../../config/topics.ts';
import { TransactionalProducer } from '../common/kafka/transactional-producer.ts';
import type { Logger } from '../common/logger.ts';
import { LOG_PARTITION, type ReplayEntry } from './replay-log.ts';

/** One record on its way back. */
export interface OutgoingReplay {
  readonly partition: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly MessageHeader[];
  readonly entry: ReplayEntry;
}

export class ReplayProducer {
  readonly #topic: string;
  readonly #producer: TransactionalProducer;

  private constructor(topic: string, producer: TransactionalProducer) {
    this.#topic = topic;
    this.#producer = producer;
  }

  /**
   * From now on nobody who began before can write: the log as it is now says all that was ever sent, and no earlier
   * transaction can still be committed. The transactional id is the name of the log, whoever runs it.
   * @throws {Outage}
   */
  static async open(
    { config, logger }: { config: Pick<Config, 'kafka'>; logger: Logger },
    topic: string,
  ): Promise<ReplayProducer> {
    const log = replayLogTopic(topic);
    const producer = await TransactionalProducer.open({
      config,
      logger,
      transactionalId: log,
      work: 'dead-letters',
      words: {
        fenced: `another replay of the letters of ${topic} has begun, and goes on alone: run this one again when it has ended, what was sent by then is skipped`,
        denied: `the letters of ${topic} cannot be sent back: grant Write and Describe on ${topic} and ${log}, and on the transactional id ${log}`,
      },
    });
    return new ReplayProducer(topic, producer);
  }

  /**
   * Resolves when all of them can be read.
   * @returns those that the topic refuses as too large; they have not been sent, the others have
   * @throws {Fenced} another replay of the topic has begun; what this one had not committed is undone
   * @throws {Outage} whether they were sent is for the log to say
   */
  async send(replays: readonly OutgoingReplay[]): Promise<readonly OutgoingReplay[]> {
    if (replays.length === 0 || (await this.#transaction(replays)) === 'sent') return [];
    // Which one it was is not said: a refused transaction is undone as a whole.
    const tooLarge: OutgoingReplay[] = [];
    for (const replay of replays)
      if ((await this.#transaction([replay])) === 'too large') tooLarge.push(replay);
    return tooLarge;
  }

  close(): Promise<void> {
    return this.#producer.close();
  }

  /** All or none of them. */
  #transaction(replays: readonly OutgoingReplay[]): Promise<'sent' | 'too large'> {
    return this.#producer.send(
      replays.flatMap(({ partition, key, value, headers, entry }) => [
        { topic: this.#topic, partition, key, value, headers },
        {
          topic: replayLogTopic(this.#topic),
          partition: LOG_PARTITION,
          key: Buffer.from(`${entry.topic_id}/${entry.partition}/${entry.offset}`),
          value: Buffer.from(JSON.stringify(entry)),
          headers: [],
        },
      ]),
    );
  }
}
