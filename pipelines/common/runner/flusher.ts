/** Decides when what is gathered goes to the sink, and sees each write through: outages, fences, stops, commits. */

import { partitionKey } from '../batch.ts';
import { Fenced, type Outage, PartitionStopped } from '../errors.ts';
import { faultPoint } from '../fault-points.ts';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';
import { type RetrySettings, retryOutage } from '../retry.ts';
import type { Fence } from '../sink.ts';
import type { Gatherer } from './gatherer.ts';
import type { Group, GroupEntry, Lane } from './lane.ts';
import { describePartition, type Partition } from './partition.ts';
import type { BatchLimits, Pipeline } from './pipeline.ts';
import type { TopicIds } from './topic-ids.ts';

/** Writes under way at once when partitions are written by themselves. */
const MAX_WRITES = 4;

export interface FlusherEvents {
  /** A batch is durable; `stored` of the partition has moved. */
  stored(partition: Partition): void;
  /** The sink must be asked anew where the partition stands. */
  restart(partitions: readonly Partition[], reason: string): void;
  stop(partition: Partition, alarm: PartitionStopped): void;
  outage(outage: Outage): void;
  recovered(): void;
  /** There is room in memory again. */
  hasRoom(): void;
  /** Nobody foresaw this error: the process must not go on. */
  failed(error: unknown): void;
}

export interface FlusherOptions {
  readonly pipeline: Pipeline;
  readonly limits: BatchLimits;
  readonly retry: RetrySettings;
  readonly gatherer: Gatherer;
  readonly topicIds: TopicIds;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly events: FlusherEvents;
}

interface Flight {
  readonly entries: readonly GroupEntry[];
  /** Cuts short the waiting between two attempts; a new one for each wait that follows. */
  interruption: AbortController;
  done: Promise<void>;
}

export class Flusher {
  readonly #options: FlusherOptions;
  readonly #lanes: Set<Lane>;
  readonly #flights = new Set<Flight>();
  /** Of the groups being written. */
  #flyingBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #isDraining = false;
  #isEnded = false;

  constructor(options: FlusherOptions, lanes: Set<Lane>) {
    this.#options = options;
    this.#lanes = lanes;
  }

  /** Starts every write that is due. Cheap when none is: called after each reading. */
  flush(): void {
    if (this.#isEnded) return;
    const most = this.#options.pipeline.flush === 'together' ? 1 : MAX_WRITES;
    const now = performance.now();
    while (this.#flights.size < most) {
      const lane = this.#dueLane(now);
      if (lane === null) break;
      if (lane.closed.length === 0) lane.close();
      const group = lane.closed.shift();
      if (group === undefined) break;
      this.#fly(lane, group);
    }
    this.#schedule(now);
  }

  /** Writes everything that is gathered, whatever its age and size. Resolves when nothing is left. */
  async drain(): Promise<void> {
    this.#isDraining = true;
    this.flush();
    while (this.#flights.size > 0) {
      await Promise.race([...this.#flights].map(({ done }) => done));
      this.flush();
    }
  }

  /** Resolves when no write that carries one of these partitions is under way. */
  async settled(partitions: readonly Pick<Partition, 'topic' | 'partition'>[]): Promise<void> {
    const concerns = ({ entries }: Flight) =>
      entries.some(({ partition }) =>
        partitions.some((one) => one.topic === partition.topic && one.partition === partition.partition),
      );
    await Promise.all([...this.#flights].filter(concerns).map(({ done }) => done));
  }

  /** Partitions were lost: writes that wait out an outage on their behalf look again at what is still theirs. */
  interrupt(): void {
    for (const { entries, interruption } of this.#flights) {
      if (entries.some(({ partition }) => !partition.isOurs)) interruption.abort();
    }
  }

  /** Starts no further write and ends the waiting of those under way. */
  end(): void {
    this.#isEnded = true;
    clearTimeout(this.#timer);
    for (const { interruption } of this.#flights) interruption.abort();
  }

  #dueLane(now: number): Lane | null {
    const { limits, gatherer } = this.#options;
    const waiting = gatherer.bufferedBytes - this.#flyingBytes;
    // Half of the memory is for what is being written, half for what is gathered meanwhile.
    const isPressed = waiting > limits.maxBufferedBytes / 2;
    let due: Lane | null = null;
    let largest: Lane | null = null;
    for (const lane of this.#lanes) {
      if (lane.isWriting) continue;
      const isDue =
        lane.closed.length > 0 ||
        (lane.records > 0 && (this.#isDraining || now - lane.openedAt >= limits.flushIntervalMs));
      if (isDue && (due === null || lane.openedAt < due.openedAt)) due = lane;
      if (lane.records > 0 && (largest === null || lane.bytes > largest.bytes)) largest = lane;
    }
    return due ?? (isPressed ? largest : null);
  }

  #schedule(now: number): void {
    clearTimeout(this.#timer);
    let openedAt = Number.POSITIVE_INFINITY;
    for (const lane of this.#lanes) {
      if (!lane.isWriting && lane.records > 0 && lane.openedAt < openedAt) openedAt = lane.openedAt;
    }
    const wait = openedAt + this.#options.limits.flushIntervalMs - now;
    // An overdue lane waits for a write to end, which flushes again.
    if (wait > 0 && Number.isFinite(wait)) this.#timer = setTimeout(() => this.flush(), wait + 1);
  }

  #fly(lane: Lane, group: Group): void {
    lane.isWriting = true;
    this.#flyingBytes += group.heldBytes;
    const flight: Flight = {
      entries: group.entries,
      interruption: new AbortController(),
      done: Promise.resolve(),
    };
    flight.done = this.#write(flight, group.entries)
      .catch((error: unknown) => this.#options.events.failed(error))
      .then(() => {
        this.#flights.delete(flight);
        lane.isWriting = false;
        this.#flyingBytes -= group.heldBytes;
        this.#options.gatherer.release(group.heldBytes);
        this.#options.events.hasRoom();
        this.flush();
      });
    this.#flights.add(flight);
  }

  /** Resolves when every entry is durable, dropped, or stopped. */
  async #write(flight: Flight, entries: readonly GroupEntry[]): Promise<void> {
    const { pipeline, retry, logger, events } = this.#options;
    while (ours(entries).length > 0 && !this.#isEnded) {
      const { signal } = flight.interruption;
      try {
        await retryOutage(() => this.#attempt(ours(entries)), {
          retry,
          logger,
          signal,
          what: `write of ${pipeline.name}`,
          onOutage: (outage) => events.outage(outage),
        });
        return;
      } catch (error) {
        if (error instanceof Fenced) return this.#fenced(flight, entries, error);
        if (error instanceof PartitionStopped) return this.#stopped(flight, entries, error);
        if (!signal.aborted) throw error;
        flight.interruption = new AbortController();
      }
    }
  }

  async #attempt(entries: readonly GroupEntry[]): Promise<void> {
    if (entries.length === 0) return;
    const { pipeline, topicIds, metrics, events } = this.#options;
    const ids = await topicIds.fetch();
    const [same, other] = partitionBy(
      entries,
      ({ batch: { source } }) => ids.get(source.topic) === source.topicId,
    );
    if (other.length > 0) {
      events.restart(
        other.map(({ partition }) => partition),
        'its topic was deleted: what was read and not yet written cannot be told from the new topic and is dropped',
      );
    }
    if (same.length === 0) return;
    faultPoint('before-write', pipeline.name);
    const stopTimer = metrics.flushSeconds.startTimer({ pipeline: pipeline.name });
    await pipeline.sink.write(
      same.map(({ batch }) => batch),
      fenceOf(same),
    );
    stopTimer();
    faultPoint('after-write', pipeline.name);
    events.recovered();
    for (const { partition, batch } of same) {
      const labels = {
        pipeline: pipeline.name,
        topic: partition.topic,
        partition: String(partition.partition),
      };
      metrics.records.inc(labels, batch.records.length);
      metrics.batches.inc(labels);
      metrics.bytes.inc(labels, batch.bytes);
      batch.records.release();
      if (!partition.isOurs) continue;
      partition.stored = batch.last + 1;
      events.stored(partition);
    }
  }

  /** Ours that were revoked in the meantime are gone already; the others are fenced by another process. */
  async #fenced(flight: Flight, entries: readonly GroupEntry[], error: Fenced): Promise<void> {
    const left = ours(entries);
    if (left.length === 0) return;
    if (left.length < entries.length) return this.#write(flight, left);
    this.#options.logger.warn(
      { err: error, partitions: left.map(({ partition }) => describePartition(partition)) },
      'another process has written these partitions; asking the sink where they stand',
    );
    this.#options.events.restart(
      left.map(({ partition }) => partition),
      'another process has written it',
    );
  }

  /** The error names no partition: of several batches each is written by itself, and shows whether it is the one. */
  async #stopped(flight: Flight, entries: readonly GroupEntry[], alarm: PartitionStopped): Promise<void> {
    const left = ours(entries);
    const [only] = left;
    if (only !== undefined && left.length === 1) this.#options.events.stop(only.partition, alarm);
    else for (const entry of left) await this.#write(flight, [entry]);
  }
}

function ours(entries: readonly GroupEntry[]): readonly GroupEntry[] {
  return entries.filter(({ partition }) => partition.isOurs);
}

/** An assignment that has ended stays ended, so the partition's own state at any later moment answers for the batch. */
function fenceOf(entries: readonly GroupEntry[]): Fence {
  const byKey = new Map(entries.map(({ partition, batch }) => [partitionKey(batch.source), partition]));
  return (source) => byKey.get(partitionKey(source))?.isOurs ?? false;
}

function partitionBy<T>(items: readonly T[], isFirst: (item: T) => boolean): [T[], T[]] {
  const first: T[] = [];
  const second: T[] = [];
  for (const item of items) (isFirst(item) ? first : second).push(item);
  return [first, second];
}
