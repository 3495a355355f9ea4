/** Copies the sink's progress to the group's committed offsets: for lag monitors, never for correctness. */
import { faultPoint } from '../fault-points.ts';
import type { Logger } from '../logger.ts';
import type { Consumer } from './consumer.ts';
import { describePartition, type Partition } from './partition.ts';
import { commitMetadata } from './start-offset.ts';

/** Milliseconds before a refused commit is tried again. */
const RETRY_MS = 1_000;

export interface CommitterOptions {
  /** Its name. */
  readonly pipeline: string;
  readonly consumer: Pick<Consumer, 'commit'>;
  readonly logger: Logger;
}

export class Committer {
  readonly #pipeline: string;
  readonly #consumer: Pick<Consumer, 'commit'>;
  readonly #logger: Logger;
  /** What was last committed; absent when it is not known. */
  readonly #committed = new WeakMap<Partition, number>();
  readonly #due = new Set<Partition>();
  #running: Promise<void> | null = null;
  #retryTimer: NodeJS.Timeout | undefined;

  constructor({ pipeline, consumer, logger }: CommitterOptions) {
    this.#pipeline = pipeline;
    this.#consumer = consumer;
    this.#logger = logger;
  }

  /** The partition's progress has changed. Commits of one moment go out together, one request at a time. */
  progressed(partition: Partition): void {
    this.#due.add(partition);
    this.#start();
  }

  /** What the group had committed when the partition was assigned. */
  knows(partition: Partition, offset: number): void {
    this.#committed.set(partition, offset);
  }

  /** Resolves when nothing is due any more; not while commits are refused. */
  async settled(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  stop(): void {
    clearTimeout(this.#retryTimer);
    this.#due.clear();
  }

  #start(): void {
    if (this.#running !== null || this.#retryTimer !== undefined) return;
    this.#running = this.#commitDue().finally(() => {
      this.#running = null;
      if (this.#due.size > 0) this.#start();
    });
  }

  async #commitDue(): Promise<void> {
    const commits = [...this.#due].flatMap((partition) => {
      const { isOurs, storedTo: stored, durableTo: offset } = partition;
      // With nothing held, `durableTo` is past trailing markers, so that lag monitors come to nought.
      if (!isOurs || this.#committed.get(partition) === offset) return [];
      const metadata = commitMetadata({
        stored,
        isBeginning: partition.stored === null,
        epoch: partition.epoch,
      });
      return [{ owner: partition, topic: partition.topic, partition: partition.partition, offset, metadata }];
    });
    this.#due.clear();
    if (commits.length === 0) return;
    try {
      await this.#consumer.commit(commits);
      for (const { owner, offset } of commits) this.#committed.set(owner, offset);
      faultPoint('after-commit', this.#pipeline);
    } catch (error) {
      // A rebalance, a lost membership, a broker that is away: the sink's progress stands, the copy follows.
      this.#logger.warn(
        { err: error, partitions: commits.map(({ owner }) => describePartition(owner)) },
        'offsets could not be committed; the data is durable, the commit is tried again',
      );
      for (const { owner } of commits) this.#due.add(owner);
      this.#retryTimer = setTimeout(() => {
        this.#retryTimer = undefined;
        if (this.#due.size > 0) this.#start();
      }, RETRY_MS);
      this.#retryTimer.unref();
    }
  }
}
