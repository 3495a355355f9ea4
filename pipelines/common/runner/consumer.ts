/** The client's consumer, with what it does at its edges put right: one reading call at a time, and changes between two. */
import kafka from '@confluentinc/kafka-javascript';
import type { KafkaRecord } from '../batch.ts';
import type { PartitionOffset, TopicPartition } from '../kafka/admin.ts';
import type { KafkaSettings } from '../kafka/client-settings.ts';
import { asOutage } from '../kafka/errors.ts';
import type { Logger } from '../logger.ts';
import { mendHeaders } from './record-headers.ts';
import { type CommittedOffset, readCommitMetadata } from './start-offset.ts';

const { ERRORS } = kafka.CODES;

/** Milliseconds that a reading call may wait for its first record. Longer would hold a thread of Node's small pool. */
const CONSUME_TIMEOUT_MS = 10;
/** Milliseconds between two reading calls on quiet topics; a record that arrives wakes the reader at once. */
const QUIET_WAIT_MS = 200;
const REQUEST_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 5_000;

/**
 * What bounds the client's memory and keeps it fed; `kafka.properties` may override them. With the default back-off of
 * a second a full queue runs dry long before it is filled again: that alone halves the rate of reading. Fetches are
 * counted as they come over the wire, so their size is what a well compressed topic multiplies.
 */
export const FETCH_SETTINGS = {
  'fetch.queue.backoff.ms': 10,
  'fetch.max.bytes': 4 * 1024 * 1024,
  'fetch.message.max.bytes': 1024 * 1024,
  'topic.metadata.refresh.interval.ms': 30_000,
} as const;

export interface ConsumeResult {
  readonly records: readonly KafkaRecord[];
  /** Ends of partitions that were reached, each with the position past its markers. */
  readonly ends: readonly PartitionOffset[];
  readonly error: kafka.LibrdKafkaError | null;
}

export interface ConsumerEvents {
  assigned(partitions: readonly TopicPartition[]): void;
  /** @param isLost the group has given them to others already */
  revoked(partitions: readonly TopicPartition[], isLost: boolean): void;
  failed(error: kafka.LibrdKafkaError): void;
}

interface CommitOffset extends PartitionOffset {
  readonly metadata: string;
}

/** Two methods that the client has and its types lack. */
type Client = kafka.KafkaConsumer & {
  setDefaultIsTimeoutOnlyForFirstMessage(isOnlyForFirst: boolean): void;
  rebalanceProtocol(): 'NONE' | 'COOPERATIVE' | 'EAGER';
  assignmentLost(): boolean;
  incrementalAssign(partitions: readonly TopicPartition[]): void;
  incrementalUnassign(partitions: readonly TopicPartition[]): void;
};

const keyOf = ({ topic, partition }: TopicPartition) => `${topic}/${partition}`;

export class Consumer {
  readonly #client: Client;
  readonly #events: ConsumerEvents;
  readonly #logger: Logger;
  /** What the client reads, by `keyOf`; less than what the group has assigned while start offsets are asked for. */
  readonly #placed = new Map<string, TopicPartition>();
  readonly #paused = new Set<string>();
  #ends: PartitionOffset[] = [];
  #hasMore = false;
  #wake: (() => void) | null = null;
  #commit: { resolve(): void; reject(error: unknown): void } | null = null;
  #isClosing = false;

  constructor(settings: KafkaSettings, { events, logger }: { events: ConsumerEvents; logger: Logger }) {
    this.#events = events;
    this.#logger = logger;
    const client = new kafka.KafkaConsumer(
      {
        ...FETCH_SETTINGS,
        ...settings,
        // A transaction marker is no record: only this event tells that the position has passed one.
        'enable.partition.eof': true,
        rebalance_cb: (error: kafka.LibrdKafkaError, partitions: TopicPartition[]) =>
          this.#onRebalance(error, partitions),
        offset_commit_cb: (error: kafka.LibrdKafkaError | undefined) => this.#onCommitted(error),
        queue_non_empty_cb: () => this.nudge(),
      } as kafka.ConsumerGlobalConfig,
      { 'auto.offset.reset': 'error' },
    ) as Client;
    client.setDefaultConsumeTimeout(CONSUME_TIMEOUT_MS);
    // Else a trickle of records holds a call back until it has all of them.
    client.setDefaultIsTimeoutOnlyForFirstMessage(true);
    client.on('partition.eof', ({ topic, partition, offset }) =>
      this.#ends.push({ topic, partition, offset }),
    );
    client.on('event.error', (error) => this.#events.failed(error));
    // What it logs of connections comes as errors too.
    client.on('event.log', ({ severity, fac, message }: ClientLog) =>
      this.#logger[severity <= 4 && fac !== 'FAIL' && fac !== 'ERROR' ? 'warn' : 'debug'](
        { facility: fac },
        `kafka client: ${message}`,
      ),
    );
    this.#client = client;
  }

  /**
   * Joins the group when there are topics to read, and else only asks.
   * @throws {Outage} no broker answers; the consumer is spent then, make another
   */
  async connect(topics: readonly string[]): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#client.connect({ timeout: CONNECT_TIMEOUT_MS }, (error) =>
        error ? reject(asOutage(error)) : resolve(),
      );
    });
    if (topics.length > 0) this.#client.subscribe([...topics]);
  }

  /** Never rejects. No other method but `commit`, `committed` and `nudge` may be called until it has resolved. */
  consume(most: number): Promise<ConsumeResult> {
    this.#hasMore = false;
    return new Promise((resolve) => {
      this.#client.consume(most, (error, records) => {
        const ends = this.#ends;
        if (ends.length > 0) this.#ends = [];
        if (error) return resolve({ records: [], ends, error });
        mendHeaders(records);
        resolve({ records, ends, error: null });
      });
    });
  }

  /** Resolves when there is something to read or `nudge` was called, and after a short while in any case. */
  async waitForMore(): Promise<void> {
    if (this.#hasMore) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, QUIET_WAIT_MS);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = null;
  }

  nudge(): void {
    this.#hasMore = true;
    this.#wake?.();
  }

  isPlaced(partition: TopicPartition): boolean {
    return this.#placed.has(keyOf(partition));
  }

  /**
   * Reads the partitions from these offsets on, whether it read them before or not.
   * @param positionOf where another partition goes on, null when it is not read: the eager protocol can only assign
   * all at once
   */
  place(starts: readonly PartitionOffset[], positionOf: (partition: TopicPartition) => number | null): void {
    const begins = starts.map(({ topic, partition, offset }) => ({ topic, partition, offset }));
    if (this.#client.rebalanceProtocol() === 'EAGER') {
      const again = new Set(starts.map(keyOf));
      const others = [...this.#placed.values()].filter((other) => !again.has(keyOf(other)));
      this.#placed.clear();
      for (const other of others) {
        const offset = positionOf(other);
        if (offset === null) continue;
        this.#placed.set(keyOf(other), other);
        begins.push({ ...other, offset });
      }
      this.#client.assign(begins);
    } else {
      const placed = starts.filter((start) => this.#placed.has(keyOf(start)));
      if (placed.length > 0) this.#client.incrementalUnassign(placed.map(nameOnly));
      this.#client.incrementalAssign(begins);
    }
    for (const start of starts) this.#placed.set(keyOf(start), nameOnly(start));
    this.resume(starts);
  }

  /** Gives revoked partitions back: the group waits for it, so it is called for partitions that are not read as well. */
  remove(partitions: readonly TopicPartition[]): void {
    const placed = partitions.filter((partition) => this.#placed.delete(keyOf(partition)));
    if (this.#client.rebalanceProtocol() === 'COOPERATIVE') {
      this.#client.incrementalUnassign(placed.map(nameOnly));
    } else {
      this.#placed.clear();
      this.#client.unassign();
    }
  }

  /** The client drops what it has fetched ahead and keeps its position. A pause outlives an assignment: see `place`. */
  pause(partitions: readonly TopicPartition[]): void {
    const reading = partitions.filter((one) => this.#placed.has(keyOf(one)) && !this.#paused.has(keyOf(one)));
    if (reading.length === 0) return;
    this.#client.pause(reading.map(nameOnly));
    for (const partition of reading) this.#paused.add(keyOf(partition));
  }

  resume(partitions: readonly TopicPartition[]): void {
    const paused = partitions.filter((partition) => this.#paused.delete(keyOf(partition)));
    if (paused.length > 0) this.#client.resume(paused.map(nameOnly));
  }

  /**
   * Resolves when the broker has acknowledged, which is heard of only while `consume` is called. The client's own
   * commit with a callback calls back before the request is sent.
   */
  commit(offsets: readonly CommitOffset[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#commit = { resolve, reject };
      try {
        this.#client.commit(
          offsets.map(({ topic, partition, offset, metadata }) => ({ topic, partition, offset, metadata })),
        );
      } catch (error) {
        this.#commit = null;
        reject(error);
      }
    });
  }

  /** @throws {Outage} */
  async committed(partitions: readonly TopicPartition[]): Promise<Map<string, CommittedOffset>> {
    const answer = await new Promise<kafka.TopicPartitionOffsetAndMetadata[]>((resolve, reject) => {
      this.#client.committed(partitions.map(nameOnly), REQUEST_TIMEOUT_MS, (error, offsets) =>
        error ? reject(asOutage(error)) : resolve(offsets),
      );
    });
    const committed = new Map<string, CommittedOffset>();
    for (const one of answer) {
      if (typeof one.offset !== 'number' || one.offset < 0) continue;
      committed.set(keyOf(one), { offset: one.offset, note: readCommitMetadata(one.metadata) });
    }
    return committed;
  }

  /** Leaves the group. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await new Promise<void>((resolve) => this.#client.disconnect(() => resolve()));
  }

  #onRebalance(error: kafka.LibrdKafkaError, partitions: readonly TopicPartition[]): void {
    const isCooperative = this.#client.rebalanceProtocol() === 'COOPERATIVE';
    if (this.#isClosing) {
      this.#letGo();
      return;
    }
    if (error.code === ERRORS.ERR__ASSIGN_PARTITIONS) {
      // Accepted at once with nothing to read: the group does not wait until a sink has said where to begin.
      if (isCooperative) this.#client.incrementalAssign([]);
      else this.#client.assign([]);
      this.#events.assigned(partitions);
      return;
    }
    this.#events.revoked(partitions, this.#client.assignmentLost());
  }

  /** Nothing reads any more, and the close itself waits for this answer. */
  #letGo(): void {
    try {
      this.#client.unassign();
    } catch (error) {
      // "Erroneous state": the client has gone on with its end by itself, and waits for no answer any more. An error
      // thrown in here would be nobody's, and end the process before the others have ended.
      this.#logger.debug({ err: error }, 'the client takes no answer any more');
    }
  }

  #onCommitted(error: kafka.LibrdKafkaError | undefined): void {
    const commit = this.#commit;
    this.#commit = null;
    if (error) commit?.reject(error);
    else commit?.resolve();
  }
}

interface ClientLog {
  readonly severity: number;
  readonly fac: string;
  readonly message: string;
}

/** Only these two: an `offset` on it would be taken for a start. */
function nameOnly({ topic, partition }: TopicPartition): { topic: string; partition: number } {
  return { topic, partition };
}
