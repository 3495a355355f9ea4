/** Sends records back and writes the log of it in one transaction: both are there, or neither. */
import { setTimeout as sleep } from 'node:timers/promises';
import kafka, { type MessageHeader } from '@confluentinc/kafka-javascript';
import type { Config } from '../../config/schema.ts';
import { replayLogTopic } from '../../config/topics.ts';
import { Fenced, Outage } from '../common/errors.ts';
import { faultPoint } from '../common/fault-points.ts';
import { producerSettings } from '../common/kafka/client-settings.ts';
import { asOutage, KafkaError, type KafkaFault, kafkaErrorCode } from '../common/kafka/errors.ts';
import type { Logger } from '../common/logger.ts';
import { LOG_PARTITION, type ReplayEntry } from './replay-log.ts';

const { ERRORS } = kafka.CODES;

/** Milliseconds. A replay that dies holds up the readers of its topic for so long, or until the next replay begins. */
const TRANSACTION_TIMEOUT_MS = 30_000;
const DELIVERY_TIMEOUT_MS = 20_000;
const CONNECT_TIMEOUT_MS = 10_000;
const POLL_MS = 5;

const SETTINGS: Readonly<Record<string, string | number>> = {
  'transaction.timeout.ms': TRANSACTION_TIMEOUT_MS,
  'message.timeout.ms': DELIVERY_TIMEOUT_MS,
  'socket.timeout.ms': DELIVERY_TIMEOUT_MS,
  'topic.metadata.propagation.max.ms': DELIVERY_TIMEOUT_MS / 4,
  // The broker decides what is too large, after compression, as it did when it took the record.
  'message.max.bytes': 1_000_000_000,
  'compression.codec': 'lz4',
  'batch.size': 64 * 1024,
  'linger.ms': 2,
};

/** Somebody else has begun to replay the topic: this producer may not write any more, and never will. */
const FENCED: ReadonlySet<number> = new Set([
  ERRORS.ERR__FENCED,
  ERRORS.ERR_PRODUCER_FENCED,
  ERRORS.ERR_INVALID_PRODUCER_EPOCH,
]);

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
  readonly #client: kafka.Producer;
  #unanswered = 0;
  #failures: unknown[] = [];
  #isFenced = false;

  private constructor(topic: string, client: kafka.Producer) {
    this.#topic = topic;
    this.#client = client;
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
    const client = new kafka.Producer({
      ...producerSettings(config),
      ...SETTINGS,
      'transactional.id': replayLogTopic(topic),
    });
    const producer = new ReplayProducer(topic, client);
    client.on('delivery-report', (error) => {
      producer.#unanswered -= 1;
      if (error) producer.#failures.push(error);
    });
    client.on('event.error', (error) => {
      const code = kafkaErrorCode(error);
      producer.#isFenced ||= code !== null && FENCED.has(code);
      logger.debug({ err: error }, 'replay producer');
    });
    try {
      await call((done) => client.connect({ timeout: CONNECT_TIMEOUT_MS }, done));
      await call((done) => client.initTransactions(TRANSACTION_TIMEOUT_MS, done));
    } catch (error) {
      throw producer.#translated(error);
    }
    return producer;
  }

  /**
   * Resolves when all of them can be read.
   * @returns those that the topic refuses as too large; they have not been sent, the others have
   * @throws {Fenced} another replay of the topic has begun; what this one had not committed is undone
   * @throws {Outage} whether they were sent is for the log to say
   */
  async send(replays: readonly OutgoingReplay[]): Promise<readonly OutgoingReplay[]> {
    if (replays.length === 0 || (await this.#transaction(replays))) return [];
    // Which one it was is not said: a refused transaction is undone as a whole.
    const tooLarge: OutgoingReplay[] = [];
    for (const replay of replays) if (!(await this.#transaction([replay]))) tooLarge.push(replay);
    return tooLarge;
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#client.disconnect(1_000, () => resolve()));
  }

  /** @returns false when one of them is too large, and nothing was sent */
  async #transaction(replays: readonly OutgoingReplay[]): Promise<boolean> {
    try {
      await call((done) => this.#client.beginTransaction(done));
      this.#failures = [];
      for (const { partition, key, value, headers, entry } of replays) {
        this.#produce(this.#topic, partition, { key, value, headers: [...headers] });
        this.#produce(replayLogTopic(this.#topic), LOG_PARTITION, {
          key: Buffer.from(`${entry.topic_id}/${entry.partition}/${entry.offset}`),
          value: Buffer.from(JSON.stringify(entry)),
          headers: [],
        });
      }
      await this.#answers();
      if (this.#failures.length === 0) {
        faultPoint('in-transaction', 'dead-letters');
        await call((done) => this.#client.commitTransaction(TRANSACTION_TIMEOUT_MS, done));
        faultPoint('after-commit', 'dead-letters');
        return true;
      }
      const isTooLarge = (error: unknown) => kafkaErrorCode(error) === ERRORS.ERR_MSG_SIZE_TOO_LARGE;
      const other = this.#failures.find((failure) => !isTooLarge(failure) && !isPurged(failure));
      await call((done) => this.#client.abortTransaction(TRANSACTION_TIMEOUT_MS, done));
      if (other !== undefined) throw other;
      return false;
    } catch (error) {
      throw this.#translated(error);
    }
  }

  #produce(
    topic: string,
    partition: number,
    { key, value, headers }: { key: Buffer | null; value: Buffer | null; headers: MessageHeader[] },
  ): void {
    this.#client.produce(topic, partition, value, key, null, null, headers);
    this.#unanswered += 1;
  }

  async #answers(): Promise<void> {
    while (this.#unanswered > 0) {
      this.#client.poll();
      if (this.#unanswered > 0) await sleep(POLL_MS);
    }
  }

  #translated(error: unknown): unknown {
    const code = kafkaErrorCode(error);
    if (this.#isFenced || (code !== null && FENCED.has(code)))
      return new Fenced(
        `another replay of the letters of ${this.#topic} has begun, and goes on alone; what this one had not yet reported was taken back. Run it again when the other has ended`,
        { cause: error },
      );
    const translated = asOutage(error instanceof Error ? error : new KafkaError(error as KafkaFault));
    return translated instanceof Error ? translated : new Outage('kafka', String(error));
  }
}

/** Messages behind a failed one, thrown away with the transaction. */
function isPurged(error: unknown): boolean {
  const code = kafkaErrorCode(error);
  return code === ERRORS.ERR__PURGE_QUEUE || code === ERRORS.ERR__PURGE_INFLIGHT;
}

function call(request: (done: (error: unknown) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    request((error) => (error ? reject(error) : resolve()));
  });
}
