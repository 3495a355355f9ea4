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
  // Those in flight behind a refused one would be tried until they time out, and hold up the end of the transaction.
  'max.in.flight.requests.per.connection': 1,
};

/** Somebody else has begun to replay the topic: this producer may not write any more, and never will. */
const FENCED: ReadonlySet<number> = new Set([
  ERRORS.ERR__FENCED,
  ERRORS.ERR_PRODUCER_FENCED,
  ERRORS.ERR_INVALID_PRODUCER_EPOCH,
]);

const DENIED: ReadonlySet<number> = new Set([
  ERRORS.ERR_TOPIC_AUTHORIZATION_FAILED,
  ERRORS.ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
]);

/** Messages of a transaction that has failed as a whole: the commit says why. */
const PURGED: ReadonlySet<number> = new Set([
  ERRORS.ERR__PURGE_QUEUE,
  ERRORS.ERR__PURGE_INFLIGHT,
  ERRORS.ERR__FATAL,
]);

const MOST_ATTEMPTS = 3;

interface FailedAttempt {
  readonly error: unknown;
  readonly isTooLarge: boolean;
  /** Nothing of it can be committed any more: it may be tried again. */
  readonly isUndone: boolean;
}

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
    client.on('event.error', (error) => logger.debug({ err: error }, 'replay producer'));
    client.setPollInterval(POLL_MS);
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
    if (replays.length === 0 || (await this.#transaction(replays)) === 'sent') return [];
    // Which one it was is not said: a refused transaction is undone as a whole.
    const tooLarge: OutgoingReplay[] = [];
    for (const replay of replays)
      if ((await this.#transaction([replay])) === 'too large') tooLarge.push(replay);
    return tooLarge;
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#client.disconnect(1_000, () => resolve()));
  }

  /** All or none of them. */
  async #transaction(replays: readonly OutgoingReplay[]): Promise<'sent' | 'too large'> {
    try {
      for (let attempt = 1; ; attempt += 1) {
        const refusal = await this.#attempt(replays);
        if (refusal === null) return 'sent';
        await this.#abort();
        if (refusal.isTooLarge) return 'too large';
        // The client counts on behind a message that was refused: the transaction after such a one fails, the next not.
        if (attempt === MOST_ATTEMPTS || !refusal.isUndone) throw refusal.error;
      }
    } catch (error) {
      throw this.#translated(kafkaErrorCode(error) === ERRORS.ERR__FATAL ? await this.#cause(error) : error);
    }
  }

  /** "Fatal error" says that nothing goes any more; what goes next says why. */
  #cause(fatal: unknown): Promise<unknown> {
    return call((done) => this.#client.beginTransaction(done)).then(
      () => fatal,
      (cause: unknown) => cause,
    );
  }

  /** @returns why nothing was sent, the transaction still to be aborted; null when it is committed */
  async #attempt(replays: readonly OutgoingReplay[]): Promise<FailedAttempt | null> {
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
    const codes = this.#failures.map(kafkaErrorCode);
    if (codes.includes(ERRORS.ERR_MSG_SIZE_TOO_LARGE))
      return { error: this.#failures[0], isTooLarge: true, isUndone: true };
    const other = codes.findIndex((code) => code === null || !PURGED.has(code));
    if (other >= 0) return { error: this.#failures[other], isTooLarge: false, isUndone: false };
    faultPoint('in-transaction', 'dead-letters');
    try {
      await call((done) => this.#client.commitTransaction(TRANSACTION_TIMEOUT_MS, done));
    } catch (error) {
      // Any other error leaves open whether it was committed.
      if ((error as { isTxnRequiresAbort?: boolean }).isTxnRequiresAbort !== true) throw error;
      return { error, isTooLarge: false, isUndone: true };
    }
    faultPoint('after-commit', 'dead-letters');
    return null;
  }

  #produce(
    topic: string,
    partition: number,
    { key, value, headers }: { key: Buffer | null; value: Buffer | null; headers: MessageHeader[] },
  ): void {
    this.#client.produce(topic, partition, value, key, null, null, headers);
    this.#unanswered += 1;
  }

  /** Waits no longer than for the first that is bad: those behind a refused message are tried until they time out. */
  async #answers(): Promise<void> {
    while (this.#unanswered > 0 && this.#failures.length === 0) await sleep(POLL_MS);
  }

  async #abort(): Promise<void> {
    await call((done) => this.#client.abortTransaction(TRANSACTION_TIMEOUT_MS, done));
    // What comes later would be taken for an answer of the next transaction.
    while (this.#unanswered > 0) await sleep(POLL_MS);
  }

  #translated(error: unknown): unknown {
    const code = kafkaErrorCode(error);
    if (code !== null && FENCED.has(code))
      return new Fenced(
        `another replay of the letters of ${this.#topic} has begun, and goes on alone: run this one again when it has ended, what was sent by then is skipped`,
        { cause: error },
      );
    if (code !== null && DENIED.has(code)) {
      const [topic, log] = [this.#topic, replayLogTopic(this.#topic)];
      const { message } = error as KafkaFault;
      return new Error(
        `the letters of ${topic} cannot be sent back: grant Write and Describe on ${topic} and ${log}, and on the transactional id ${log} (${message})`,
        { cause: error },
      );
    }
    const translated = asOutage(error instanceof Error ? error : new KafkaError(error as KafkaFault));
    return translated instanceof Error ? translated : new Outage('kafka', String(error));
  }
}

function call(request: (done: (error: unknown) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    request((error) => (error ? reject(error) : resolve()));
  });
}
