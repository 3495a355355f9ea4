/**
 * Sends archived records into a topic, each once however often it is begun: with every transaction a group of the job's own
 * commits how far it has come.
 */
import { hash } from 'node:crypto';
import kafka from '@confluentinc/kafka-javascript';
import type { Config } from '../../config/schema.ts';
import { kafkaSettings } from '../common/kafka/client-settings.ts';
import { asOutage } from '../common/kafka/errors.ts';
import { type OutgoingRecord, TransactionalProducer } from '../common/kafka/transactional-producer.ts';
import type { Logger } from '../common/logger.ts';
import { type CommitNote, NOTHING_NOTED, noteText, parseNote } from './commit-note.ts';
import { RESTORE } from './row-loader.ts';

const TIMEOUT_MS = 10_000;

export interface RestoreTarget {
  readonly topic: string;
  readonly partitions: number;
}

/** How far a source's partition has come. */
export interface Restored {
  /** Before this offset everything is in the target that could be read. */
  readonly next: number;
  readonly note: CommitNote;
}

export interface ProducerOptions {
  readonly config: Pick<Config, 'kafka'>;
  readonly logger: Logger;
  readonly target: RestoreTarget;
  /** What is restored: the very same goes on where another ended. */
  readonly job: unknown;
}

export class RestoreProducer {
  readonly #options: ProducerOptions;
  readonly #name: string;
  readonly #producer: TransactionalProducer;
  /** By group. */
  readonly #consumers = new Map<string, kafka.KafkaConsumer>();

  private constructor(options: ProducerOptions, name: string, producer: TransactionalProducer) {
    this.#options = options;
    this.#name = name;
    this.#producer = producer;
  }

  /** The same restore that still runs elsewhere cannot write any more from now on. @throws {Outage} */
  static async open(options: ProducerOptions): Promise<RestoreProducer> {
    const { config, logger, target, job } = options;
    const name = `${config.kafka.groupPrefix}.restore.${hash('sha256', JSON.stringify(job)).slice(0, 16)}`;
    const producer = await TransactionalProducer.open({
      config,
      logger,
      transactionalId: name,
      work: RESTORE,
      words: {
        fenced: 'the same restore has been begun elsewhere, and goes on alone',
        denied: `nothing can be restored to ${target.topic}: grant Write and Describe on it and on the transactional id ${name}, and Read on the group ${name}`,
      },
    });
    return new RestoreProducer(options, name, producer);
  }

  /** Of a source's partition. @throws {Outage} */
  async restoredTo(partition: number): Promise<Restored> {
    const { group, topic, partition: noted } = this.#placeOf(partition);
    const consumer = await this.#consumer(group);
    const [answer] = await settled<kafka.TopicPartitionOffset[]>((done) =>
      consumer.committed([{ topic, partition: noted }], TIMEOUT_MS, done),
    );
    if (typeof answer?.offset !== 'number' || answer.offset < 0) return { next: 0, note: NOTHING_NOTED };
    return { next: answer.offset, note: parseNote((answer as { metadata?: string | null }).metadata) };
  }

  /**
   * @param at where the source's partition goes on behind these records
   * @throws {Fenced} the same restore was begun elsewhere
   * @throws {Outage} whether they were sent is for `restoredTo` to say, of another producer
   */
  async send(
    records: readonly Omit<OutgoingRecord, 'topic' | 'partition'>[],
    { partition, next, note }: Restored & { readonly partition: number },
  ): Promise<'sent' | 'too large'> {
    const { group, ...noted } = this.#placeOf(partition);
    const { topic, partitions } = this.#options.target;
    return this.#producer.send(
      records.map((record) => ({ ...record, topic, partition: partition % partitions })),
      {
        consumer: await this.#consumer(group),
        offsets: [{ ...noted, offset: next, metadata: noteText(note) }],
      },
    );
  }

  async close(): Promise<void> {
    await this.#producer.close();
    for (const consumer of this.#consumers.values())
      await new Promise<void>((resolve) => consumer.disconnect(() => resolve()));
  }

  /** A group can only commit for partitions that exist, and the source may be lost: those of the target stand for it. */
  #placeOf(partition: number): { group: string; topic: string; partition: number } {
    const { topic, partitions } = this.#options.target;
    const round = Math.floor(partition / partitions);
    const group = round === 0 ? this.#name : `${this.#name}.${round}`;
    return { group, topic, partition: partition % partitions };
  }

  /** It never joins. */
  async #consumer(group: string): Promise<kafka.KafkaConsumer> {
    const known = this.#consumers.get(group);
    if (known !== undefined) return known;
    const consumer = new kafka.KafkaConsumer(
      {
        ...kafkaSettings(this.#options.config),
        'group.id': group,
        'enable.auto.commit': false,
        'isolation.level': 'read_committed',
        log_level: 0,
      },
      {},
    );
    await settled<unknown>((done) => consumer.connect({ timeout: TIMEOUT_MS }, done));
    this.#consumers.set(group, consumer);
    return consumer;
  }
}

function settled<T>(request: (done: (error: unknown, result?: T) => void) => void): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    request((error, result) => (error ? reject(asOutage(error)) : resolve(result as T)));
  });
}
