/** Sends records in transactions: all of one can be read, or none. Whoever opens a producer under a name ends those before it. */
import { setTimeout as sleep } from 'node:timers/promises';
import kafka, { type MessageHeader } from '@confluentinc/kafka-javascript';
import type { Config } from '../../../config/schema.ts';
import { Fenced, Outage } from '../errors.ts';
import { faultPoint } from '../fault-points.ts';
import type { Logger } from '../logger.ts';
import { producerSettings } from './client-settings.ts';
import type { PartitionOffset } from './committed-offsets.ts';
import { asOutage, KafkaError, type KafkaFault, kafkaErrorCode } from './errors.ts';

const { ERRORS } = kafka.CODES;

/** Milliseconds. A producer that dies holds up the readers of its topics for so long, or until the next one opens. */
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

/** Somebody else has opened a producer under this name: this one may not write any more, and never will. */
const FENCED: ReadonlySet<number> = new Set([
  ERRORS.ERR__FENCED,
  ERRORS.ERR_PRODUCER_FENCED,
  ERRORS.ERR_INVALID_PRODUCER_EPOCH,
]);

const DENIED: ReadonlySet<number> = new Set([
  ERRORS.ERR_TOPIC_AUTHORIZATION_FAILED,
  ERRORS.ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
  ERRORS.ERR_GROUP_AUTHORIZATION_FAILED,
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

export interface OutgoingRecord {
  readonly topic: string;
  readonly partition: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly MessageHeader[];
  /** Milliseconds; now when missing. */
  readonly timestamp?: number | undefined;
}

/** Offsets of a group that are committed with the records, or not at all. */
export interface OutgoingOffsets {
  /** Connected under the group's name. */
  readonly consumer: kafka.KafkaConsumer;
  readonly offsets: readonly (PartitionOffset & { readonly metadata?: string })[];
}

export interface TransactionalOptions {
  readonly config: Pick<Config, 'kafka'>;
  readonly logger: Logger;
  readonly transactionalId: string;
  /** Whose fault points are passed. */
  readonly work: string;
  /** What to say to those who run it. */
  readonly words: {
    readonly fenced: string;
    readonly denied: string;
  };
}

export class TransactionalProducer {
  readonly #options: TransactionalOptions;
  readonly #client: kafka.Producer;
  #unanswered = 0;
  #failures: unknown[] = [];

  private constructor(options: TransactionalOptions, client: kafka.Producer) {
    this.#options = options;
    this.#client = client;
  }

  /**
   * From now on nobody who opened one of this name before can write, and no earlier transaction can still be committed.
   * @throws {Outage}
   */
  static async open(options: TransactionalOptions): Promise<TransactionalProducer> {
    const { config, logger, transactionalId, work } = options;
    const client = new kafka.Producer({
      ...producerSettings(config),
      ...SETTINGS,
      'transactional.id': transactionalId,
    });
    const producer = new TransactionalProducer(options, client);
    client.on('delivery-report', (error) => {
      producer.#unanswered -= 1;
      if (error) producer.#failures.push(error);
    });
    client.on('event.error', (error) => logger.debug({ err: error }, `producer of ${work}`));
    client.setPollInterval(POLL_MS);
    try {
      await call((done) => client.connect({ timeout: CONNECT_TIMEOUT_MS }, done));
      await call((done) => client.initTransactions(TRANSACTION_TIMEOUT_MS, done));
    } catch (error) {
      // Not waited for: whoever tries again opens another.
      void producer.close().catch(() => {});
      throw producer.#translated(error);
    }
    return producer;
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#client.disconnect(1_000, () => resolve()));
  }

  /**
   * Resolves when all of them can be read, or none, because a topic refuses one of them as too large.
   * @throws {Fenced} another one was opened; what this one had not committed is undone
   * @throws {Outage} whether they were sent is not known
   */
  async send(
    records: readonly OutgoingRecord[],
    offsets: OutgoingOffsets | null = null,
  ): Promise<'sent' | 'too large'> {
    try {
      for (let attempt = 1; ; attempt += 1) {
        const refusal = await this.#attempt(records, offsets);
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
  async #attempt(
    records: readonly OutgoingRecord[],
    offsets: OutgoingOffsets | null,
  ): Promise<FailedAttempt | null> {
    await call((done) => this.#client.beginTransaction(done));
    this.#failures = [];
    const stopped = this.#produceAll(records);
    await this.#answers();
    const codes = this.#failures.map(kafkaErrorCode);
    if (codes.includes(ERRORS.ERR_MSG_SIZE_TOO_LARGE))
      return { error: this.#failures[0], isTooLarge: true, isUndone: true };
    const other = codes.findIndex((code) => code === null || !PURGED.has(code));
    if (other >= 0) return { error: this.#failures[other], isTooLarge: false, isUndone: false };
    if (stopped !== null) return { error: stopped, isTooLarge: false, isUndone: true };
    faultPoint('in-transaction', this.#options.work);
    try {
      if (offsets !== null) await this.#sendOffsets(offsets);
      await call((done) => this.#client.commitTransaction(TRANSACTION_TIMEOUT_MS, done));
    } catch (error) {
      // Any other error leaves open whether it was committed.
      if ((error as { isTxnRequiresAbort?: boolean }).isTxnRequiresAbort !== true) throw error;
      return { error, isTooLarge: false, isUndone: true };
    }
    faultPoint('after-commit', this.#options.work);
    return null;
  }

  #sendOffsets({ consumer, offsets }: OutgoingOffsets): Promise<void> {
    return call((done) =>
      this.#client.sendOffsetsToTransaction([...offsets], consumer, TRANSACTION_TIMEOUT_MS, done),
    );
  }

  /** @returns what the client says of a transaction in which a message has failed meanwhile; null when it took them all */
  #produceAll(records: readonly OutgoingRecord[]): unknown {
    try {
      for (const record of records) this.#produce(record);
    } catch (error) {
      // Why is in the answer to that message.
      if (kafkaErrorCode(error) === ERRORS.ERR__STATE) return error;
      throw error;
    }
    return null;
  }

  #produce({ topic, partition, key, value, headers, timestamp }: OutgoingRecord): void {
    this.#client.produce(topic, partition, value, key, timestamp ?? null, null, [...headers]);
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
    const { fenced, denied } = this.#options.words;
    const code = kafkaErrorCode(error);
    if (code !== null && FENCED.has(code)) return new Fenced(fenced, { cause: error });
    if (code !== null && DENIED.has(code))
      return new Error(`${denied} (${(error as KafkaFault).message})`, { cause: error });
    const translated = asOutage(error instanceof Error ? error : new KafkaError(error as KafkaFault));
    return translated instanceof Error ? translated : new Outage('kafka', String(error));
  }
}

function call(request: (done: (error: unknown) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    request((error) => (error ? reject(error) : resolve()));
  });
}
