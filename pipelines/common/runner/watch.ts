/** Looks at the partitions from outside every few seconds: lag, retention, offsets that are gone, readers that stall. */
import type { Clock } from '../clock.ts';
import { Outage, PartitionStopped } from '../errors.ts';
import { readOffsetFacts } from './offset-facts.ts';
import { NO_REPLAY, type Partition } from './partition.ts';
import type { RunnerParts } from './parts.ts';
import { whatToType } from './resolver.ts';
import { warnOfRetention } from './retention-watch.ts';
import type { IdsByTopic } from './topic-ids.ts';

export interface WatchOptions {
  readonly parts: RunnerParts;
  readonly clock: Clock;
  /** Milliseconds by topic; null where nothing is dropped. */
  readonly retentionMs: ReadonlyMap<string, number | null>;
  /** Monotonic milliseconds until which nothing was read because memory was full. */
  readonly heldBackUntil: () => number;
  readonly reached: () => void;
  readonly outage: (outage: Outage) => void;
  readonly failed: (error: unknown) => void;
}

interface Progress {
  readNext: number;
  sinceMs: number;
}

/** Milliseconds between two looks at how old the unread records are. */
const RETENTION_CHECK_MS = 60_000;

/** For how many checks a suspicion lasts. */
const SUSPICIOUS_CHECKS = 3;

export class Watch {
  readonly #options: WatchOptions;
  readonly #progress = new WeakMap<Partition, Progress>();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | null = null;
  #suspiciousUntil = Number.NEGATIVE_INFINITY;
  #isStopped = false;
  #reexaminedAt = performance.now();
  #retentionCheckedAt = Number.NEGATIVE_INFINITY;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#schedule();
  }

  /** Something was odd: look at once and for some time more often, with less patience for what makes no progress. */
  suspect(): void {
    this.#suspiciousUntil = performance.now() + SUSPICIOUS_CHECKS * this.#options.parts.timing.checkMs;
    clearTimeout(this.#timer);
    if (this.#running === null) this.#look();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  get #isSuspicious(): boolean {
    return performance.now() < this.#suspiciousUntil;
  }

  /** Milliseconds that a reader may stand still below the first offset that Kafka has. */
  get #patienceMs(): number {
    const { checkMs } = this.#options.parts.timing;
    return this.#isSuspicious ? checkMs / 5 : checkMs;
  }

  #schedule(): void {
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => this.#look(), this.#patienceMs);
  }

  #look(): void {
    if (this.#isStopped) return;
    this.#running = this.#check()
      .catch((error: unknown) => {
        if (error instanceof Outage) this.#options.outage(error);
        else this.#options.failed(error);
      })
      .then(() => {
        this.#running = null;
        this.#schedule();
      });
  }

  async #check(): Promise<void> {
    const { parts, reached } = this.#options;
    const { assignment, admin, topicIds, timing } = parts;
    if (performance.now() - this.#reexaminedAt >= timing.reexamineMs) {
      this.#reexaminedAt = performance.now();
      assignment.reexamine();
    }
    const partitions = assignment.all.filter(({ phase }) => phase === 'reading' || phase === 'stopped');
    const ids = await topicIds.fetch();
    // A member without partitions hears of Kafka by this question alone: nothing else would end its outage.
    if (partitions.length === 0) return reached();
    if (this.#restartRenewed(partitions, ids)) return;
    // Positions as of before the question: what has been read since cannot be taken for too much.
    const readBefore = new Map(partitions.map((partition) => [partition, partition.readNext]));
    const factsOf = await readOffsetFacts(admin, partitions);
    reached();
    for (const partition of partitions) {
      const { low, end } = factsOf(partition);
      this.#measure(partition, end);
      if (partition.phase !== 'reading') continue;
      const before = readBefore.get(partition) ?? partition.readNext;
      if (before > end) this.#stopOutOfRange(partition, { low, end });
      else this.#checkProgress(partition, { low, end });
    }
    if (performance.now() - this.#retentionCheckedAt >= RETENTION_CHECK_MS) {
      this.#retentionCheckedAt = performance.now();
      await warnOfRetention(this.#options, partitions, (partition) => factsOf(partition).end);
    }
  }

  #restartRenewed(partitions: readonly Partition[], ids: IdsByTopic): boolean {
    const renewed = partitions.filter(
      ({ phase, source }) => phase === 'reading' && ids.get(source.topic) !== source.topicId,
    );
    this.#options.parts.assignment.restart(
      renewed,
      'its topic was deleted or made anew; what was not yet written of the old one is gone',
    );
    return renewed.length > 0;
  }

  #measure(partition: Partition, end: number): void {
    const { metrics, pipeline } = this.#options.parts;
    metrics.lag.set(
      { pipeline: pipeline.name, topic: partition.topic, partition: String(partition.partition) },
      Math.max(0, end - partition.durableTo),
    );
  }

  #checkProgress(partition: Partition, { low, end }: { low: number; end: number }): void {
    const { parts, heldBackUntil } = this.#options;
    const now = performance.now();
    const progress = this.#progress.get(partition);
    if (progress === undefined || progress.readNext !== partition.readNext) {
      this.#progress.set(partition, { readNext: partition.readNext, sinceMs: now });
      return;
    }
    const { readNext, sinceMs } = progress;
    if (readNext >= end) {
      this.#progress.delete(partition);
      return;
    }
    const { checkMs, stallMs } = parts.timing;
    const stoodFor = now - sinceMs;
    const stoodFreelyFor = now - Math.max(sinceMs, heldBackUntil());
    if (readNext < low) {
      // What was fetched before it was dropped is still handed out: only a reader that stands still has lost it. And what
      // is held in memory is nowhere else any more: it is written first, but for a batch that cannot be completed now.
      const isSpent = partition.isIdle || partition.replayLast !== NO_REPLAY;
      if (isSpent && stoodFor >= this.#patienceMs / 2) this.#stopOutOfRange(partition, { low, end });
    } else if (stoodFreelyFor >= (this.#isSuspicious ? checkMs : stallMs)) {
      this.#progress.delete(partition);
      this.#readAgain(partition, end);
    }
  }

  /** The client may have lost an error or an end of partition among the records it handed out with it. */
  #readAgain(partition: Partition, end: number): void {
    const { changes, consumer, logger, assignment } = this.#options.parts;
    logger.warn(
      { topic: partition.topic, partition: partition.partition, offset: partition.readNext, end },
      'there is more to read, but nothing is handed out; reading again from the same offset',
    );
    changes.add(() => {
      if (partition.phase !== 'reading' || assignment.isReleasing) return;
      const { topic, partition: number, readNext } = partition;
      consumer.place([{ topic, partition: number, offset: readNext }], (other) =>
        assignment.positionOf(other),
      );
    });
  }

  #stopOutOfRange(partition: Partition, { low, end }: { low: number; end: number }): void {
    const { assignment, pipeline } = this.#options.parts;
    const { readNext, source } = partition;
    const isDropped = readNext < low;
    // From where the sink stands, as the next start will say: markers may lie between.
    const first = partition.stored ?? readNext;
    const reason = isDropped
      ? `offsets ${first} to ${low - 1} were dropped by Kafka before they were read`
      : `offsets up to ${readNext - 1} were read, but Kafka ends at ${end}: the log was cut off`;
    const missing = isDropped ? { first, last: low - 1 } : null;
    const code = 'offset_out_of_range';
    assignment.stop(
      partition,
      new PartitionStopped(code, `${reason}. ${whatToType(pipeline.name, source, { code, missing })}`),
    );
  }
}
