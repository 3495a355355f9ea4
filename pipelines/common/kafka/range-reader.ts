/** Reads ranges of offsets as a consumer of committed transactions sees them: no group is joined, nothing committed. */
import kafka from '@confluentinc/kafka-javascript';
import type { Config } from '../../../config/schema.ts';
import type { KafkaRecord } from '../batch.ts';
import { Outage } from '../errors.ts';
import { FETCH_SETTINGS } from '../runner/consumer.ts';
import { mendHeaders } from '../runner/record-headers.ts';
import type { TopicPartition } from './admin.ts';
import { consumerSettings } from './client-settings.ts';
import { asOutage, type KafkaFault, kafkaErrorCode } from './errors.ts';

const { ERRORS } = kafka.CODES;

/** Records asked for at once. */
const MOST_RECORDS = 1_000;
/** Milliseconds that a call waits for its first record. */
const CONSUME_TIMEOUT_MS = 200;
/** KiB fetched ahead: a command reads as fast as it works, and needs no more. */
const QUEUED_KBYTES = 16 * 1024;

/** Kafka no longer has the first offsets of the range: retention, or a log that was cut off. */
export class OffsetsGone extends Error {
  override readonly name = 'OffsetsGone';
}

export interface OffsetsToRead extends TopicPartition {
  readonly first: number;
  /** Exclusive; at most the last stable offset. */
  readonly end: number;
}

/** A method that the client has and its types lack. */
type Client = kafka.KafkaConsumer & {
  setDefaultIsTimeoutOnlyForFirstMessage(isOnlyForFirst: boolean): void;
};

export class RangeReader {
  readonly #client: Client;
  readonly #stallMs: number;
  #place: TopicPartition | null = null;
  /** The next offset of the partition that is being read. */
  #next = -1;
  #ahead: KafkaRecord[] = [];
  #endOfLog = -1;
  /** What the client said since it last gave records. */
  #fault: KafkaFault | null = null;

  private constructor(client: Client, stallMs: number) {
    this.#client = client;
    this.#stallMs = stallMs;
    client.on('partition.eof', ({ topic, partition, offset }) => {
      if (topic === this.#place?.topic && partition === this.#place.partition) this.#endOfLog = offset;
    });
    client.on('event.error', (fault) => {
      // Who may not read the group reads all the same: it is never joined.
      if (fault.code !== ERRORS.ERR_GROUP_AUTHORIZATION_FAILED) this.#fault = fault;
    });
  }

  /**
   * @param name the client's group is `<groupPrefix>.<name>`, which stays empty
   * @throws {Outage} no broker answers
   */
  static async connect(config: Pick<Config, 'kafka'>, name: string): Promise<RangeReader> {
    const client = new kafka.KafkaConsumer(
      {
        ...FETCH_SETTINGS,
        'queued.max.messages.kbytes': QUEUED_KBYTES,
        ...consumerSettings(config, { pipeline: name }),
        'enable.partition.eof': true,
        // At the end of a log the broker holds a request back for so long, and the next partition behind it.
        'fetch.wait.max.ms': 20,
        log_level: 0,
      } as kafka.ConsumerGlobalConfig,
      { 'auto.offset.reset': 'error' },
    ) as Client;
    client.setDefaultConsumeTimeout(CONSUME_TIMEOUT_MS);
    // Else a call waits for as many records as it asked for.
    client.setDefaultIsTimeoutOnlyForFirstMessage(true);
    const timeout = config.kafka.requestTimeoutMs;
    await new Promise<void>((resolve, reject) => {
      client.connect({ timeout }, (error) => (error ? reject(asOutage(error)) : resolve()));
    });
    return new RangeReader(client, timeout);
  }

  /**
   * Every record of the range, in order. A range that begins where the last one ended goes on without a new fetch.
   * @throws {Outage} nothing comes for as long as a request may take
   * @throws {Error} the topic may not be read
   * @throws {OffsetsGone}
   */
  async *read({ topic, partition, first, end }: OffsetsToRead): AsyncGenerator<readonly KafkaRecord[]> {
    if (first >= end) return;
    const isContinued =
      this.#place?.topic === topic && this.#place.partition === partition && this.#next === first;
    if (!isContinued) {
      this.#place = { topic, partition };
      this.#ahead = [];
      this.#endOfLog = -1;
      this.#client.assign([{ topic, partition, offset: first }]);
    }
    this.#next = -1;
    let records = this.#ahead;
    let progressAt = performance.now();
    for (;;) {
      const behind = records.findIndex(({ offset }) => offset >= end);
      const own = behind < 0 ? records : records.slice(0, behind);
      this.#ahead = behind < 0 ? [] : records.slice(behind);
      if (own.length > 0) {
        this.#fault = null;
        yield own;
        progressAt = performance.now();
      }
      const last = own.at(-1)?.offset ?? -1;
      if (behind >= 0 || last >= end - 1 || this.#endOfLog >= end) {
        this.#next = end;
        return;
      }
      const lasting = this.#fault === null ? null : this.#lasting(this.#fault);
      if (lasting !== null) throw lasting;
      if (performance.now() - progressAt > this.#stallMs) {
        const why = this.#fault === null ? '' : `: ${this.#fault.message}`;
        throw new Outage('kafka', `${topic}/${partition} gives no records from offset ${first} on${why}`);
      }
      records = await this.#consume();
    }
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#client.disconnect(() => resolve()));
  }

  /** What no waiting puts right. */
  #lasting(fault: KafkaFault): Error | null {
    if (isGone(fault)) return new OffsetsGone(fault.message);
    if (kafkaErrorCode(fault) !== ERRORS.ERR_TOPIC_AUTHORIZATION_FAILED) return null;
    const may = `${this.#place?.topic} may not be read: grant Read and Describe on it`;
    return new Error(`${may} (${fault.message})`);
  }

  #consume(): Promise<KafkaRecord[]> {
    return new Promise((resolve, reject) => {
      this.#client.consume(MOST_RECORDS, (error, records) => {
        if (error) return reject(this.#lasting(error) ?? asOutage(error));
        mendHeaders(records);
        // What was fetched before a change of place may still come.
        const { topic, partition } = this.#place ?? {};
        resolve(records.filter((record) => record.topic === topic && record.partition === partition));
      });
    });
  }
}

function isGone(fault: KafkaFault): boolean {
  const code = kafkaErrorCode(fault);
  return code === ERRORS.ERR_OFFSET_OUT_OF_RANGE || code === ERRORS.ERR__AUTO_OFFSET_RESET;
}

/**
 * The records of the ranges, one range after the other, with a client of their own. Holds a few MiB however long they are.
 * @throws {Outage} as `read` does, and when Kafka dropped records before they were read
 */
export async function* readRanges(
  { config, name }: { readonly config: Pick<Config, 'kafka'>; readonly name: string },
  ranges: readonly OffsetsToRead[],
): AsyncGenerator<readonly KafkaRecord[]> {
  if (ranges.every(({ first, end }) => first >= end)) return;
  const reader = await RangeReader.connect(config, name);
  try {
    for (const range of ranges) yield* reader.read(range);
  } catch (error) {
    if (!(error instanceof OffsetsGone)) throw error;
    throw new Outage('kafka', `records were dropped while they were read; run it again (${error.message})`);
  } finally {
    await reader.close();
  }
}
