/** Which partitions are ours, from the group's word to the first record: start offsets, restarts, stops, revocations. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { PartitionRef } from '../batch.ts';
import type { PartitionStopped } from '../errors.ts';
import { faultPoint } from '../fault-points.ts';
import type { TopicPartition } from '../kafka/admin.ts';
import { Lane } from './lane.ts';
import { describePartition, Partition } from './partition.ts';
import type { RunnerParts } from './parts.ts';
import type { Resolution, StartResolution } from './resolver.ts';

export class Assignment {
  readonly #lanes: Set<Lane>;
  readonly #partsOf: () => RunnerParts;
  readonly #partitions = new Map<string, Partition[]>();
  readonly #shared: Lane;
  #counter = 0;
  /** Revocations that the group waits for: nothing else may be taken away from the client meanwhile. */
  #releasing = 0;

  /** @param lanes where the flusher looks for what is due */
  constructor(
    { pipeline, limits }: Pick<RunnerParts, 'pipeline' | 'limits'>,
    { parts, lanes }: { parts: () => RunnerParts; lanes: Set<Lane> },
  ) {
    this.#partsOf = parts;
    this.#lanes = lanes;
    this.#shared = new Lane(limits);
    if (pipeline.flush === 'together') lanes.add(this.#shared);
  }

  get #parts(): RunnerParts {
    return this.#partsOf();
  }

  get all(): readonly Partition[] {
    return [...this.#partitions.values()].flatMap((list) => list.filter((one) => one !== undefined));
  }

  get isReleasing(): boolean {
    return this.#releasing > 0;
  }

  find(topic: string, partition: number): Partition | undefined {
    return this.#partitions.get(topic)?.[partition];
  }

  /** Where the reading of a partition goes on; null when it is not read. */
  positionOf({ topic, partition }: TopicPartition): number | null {
    const found = this.find(topic, partition);
    return found?.phase === 'reading' ? found.readNext : null;
  }

  /** The group has given us partitions: nothing of them is read before the sink has said where to begin. */
  assigned(partitions: readonly TopicPartition[]): void {
    this.#parts.logger.info({ partitions: partitions.map(describePartition) }, 'partitions assigned');
    const added = partitions.map((one) => this.#replace(one));
    this.#parts.resolve(added);
  }

  /** The group takes partitions back. A write in flight may end, within a bound, before others read on from it. */
  async revoked(partitions: readonly TopicPartition[], isLost: boolean): Promise<void> {
    const { logger, timing, flusher, committer, changes, consumer, pipeline } = this.#parts;
    logger.info({ partitions: partitions.map(describePartition), isLost }, 'partitions revoked');
    const released = partitions.flatMap((one) => this.find(one.topic, one.partition) ?? []);
    this.#releasing += 1;
    for (const partition of released) {
      partition.phase = isLost || partition.phase !== 'reading' ? 'lost' : 'releasing';
      this.#discard(partition);
    }
    flusher.interrupt();
    faultPoint('during-rebalance', pipeline.name);
    if (!isLost) {
      const ended = flusher.settled(released).then(() => committer.settled());
      await Promise.race([ended, sleep(timing.releaseMs, undefined, { ref: false })]);
    }
    for (const partition of released) {
      partition.phase = 'lost';
      if (this.find(partition.topic, partition.partition) === partition) this.#forget(partition);
    }
    flusher.interrupt();
    this.#release(released);
    changes.add(() => {
      this.#releasing -= 1;
      consumer.remove(partitions);
    });
  }

  /** Ends an assignment of ours and begins another: the sink is asked anew. */
  restart(partitions: readonly Partition[], reason: string): void {
    const current = partitions.filter(({ phase }) => phase === 'reading');
    if (current.length === 0) return;
    this.#parts.logger.warn({ partitions: current.map(describePartition) }, `starting again: ${reason}`);
    this.#end(current);
    this.#parts.resolve(current.map((one) => this.#replace(one)));
  }

  /** The partition waits for a person; the others go on. */
  stop(partition: Partition, alarm: PartitionStopped): void {
    if (partition.phase === 'lost' || partition.phase === 'releasing') return;
    const { logger, metrics, pipeline, changes, consumer } = this.#parts;
    const isNews = partition.stop?.code !== alarm.code;
    partition.phase = 'stopped';
    this.#setAlarm(partition, alarm);
    this.#discard(partition);
    changes.add(() => {
      if (partition.phase === 'stopped') consumer.pause([partition]);
    });
    metrics.stoppedPartitions.set({ pipeline: pipeline.name, ...labels(partition), code: alarm.code }, 1);
    logger[isNews ? 'error' : 'debug'](
      { topic: partition.topic, partition: partition.partition, code: alarm.code },
      `partition stopped: ${alarm.message}`,
    );
  }

  /** Asks again for stopped partitions whether a repair has been made. */
  reexamine(): void {
    const stopped = this.all.filter(({ phase }) => phase === 'stopped');
    for (const partition of stopped) partition.phase = 'resolving';
    if (stopped.length > 0) this.#parts.resolve(stopped);
  }

  /** What the resolver has found out. */
  resolved(resolutions: readonly Resolution[]): void {
    const starts = resolutions.flatMap((resolution) => {
      const { partition } = resolution;
      if (partition.phase !== 'resolving') return [];
      if (resolution.kind === 'stop') {
        this.stop(partition, resolution.alarm);
        return [];
      }
      return [resolution];
    });
    if (starts.length > 0) this.#parts.changes.add(() => this.#begin(starts));
  }

  /** The end: nothing is ours any more. */
  loseAll(): void {
    this.#end(this.all);
    for (const partition of this.all) this.#forget(partition);
  }

  #begin(resolutions: readonly StartResolution[]): void {
    const { changes, logger, committer, consumer, metrics, pipeline } = this.#parts;
    const starts = resolutions.filter(({ partition }) => partition.phase === 'resolving');
    if (starts.length === 0) return;
    if (this.#releasing > 0 && starts.some(({ partition }) => consumer.isPlaced(partition))) {
      // Taking a partition away from the client now would answer for the revocation that the group waits for.
      changes.add(() => this.#begin(starts));
      return;
    }
    for (const { partition, begin, committed, committedBehind } of starts) {
      partition.begin(begin);
      this.#setAlarm(partition, null);
      if (committed !== null) committer.knows(partition, committed);
      const at = { topic: partition.topic, partition: partition.partition };
      if (committedBehind !== null) {
        metrics.committedBehind.inc({ pipeline: pipeline.name, ...labels(partition) });
        logger.info(
          { ...at, behind: committedBehind },
          'the committed offset is behind the sink and is moved up',
        );
      }
      // Before the first record there is nothing to copy, but a beginning to note, once: should Kafka drop what comes
      // next before it is read, the next start would else take what is left for all there ever was.
      if (begin.stored !== null || committed === null) committer.progressed(partition);
      const { source, offset, intent } = begin;
      logger.info(
        { ...at, topicId: source.topicId, offset, ...(intent === null ? {} : { intent }) },
        begin.stored === null ? 'reading from the beginning: the sink has nothing of it' : 'reading',
      );
    }
    consumer.place(
      starts.map(({ partition: { topic, partition, readNext } }) => ({ topic, partition, offset: readNext })),
      (one) => this.positionOf(one),
    );
  }

  #end(partitions: readonly Partition[]): void {
    for (const partition of partitions) {
      partition.phase = 'lost';
      this.#discard(partition);
    }
    this.#parts.flusher.interrupt();
    this.#release(partitions);
    this.#parts.changes.add(() => {
      this.#parts.consumer.pause(
        partitions.filter(({ topic, partition }) => this.find(topic, partition)?.phase !== 'reading'),
      );
    });
  }

  #replace({ topic, partition }: TopicPartition): Partition {
    const before = this.find(topic, partition);
    if (before !== undefined && before.phase !== 'lost') this.#end([before]);
    if (before !== undefined) this.#forget(before);
    this.#counter += 1;
    const lane = this.#parts.pipeline.flush === 'together' ? this.#shared : new Lane(this.#parts.limits);
    this.#lanes.add(lane);
    const added = new Partition({ topic, partition, assignment: this.#counter, lane });
    const list = this.#partitions.get(topic) ?? [];
    this.#partitions.set(topic, list);
    list[partition] = added;
    this.#countAssigned(topic);
    return added;
  }

  #forget(partition: Partition): void {
    const list = this.#partitions.get(partition.topic);
    if (list?.[partition.partition] === partition) delete list[partition.partition];
    if (partition.lane !== this.#shared) this.#lanes.delete(partition.lane);
    this.#setAlarm(partition, null);
    this.#countAssigned(partition.topic);
    const { metrics, pipeline } = this.#parts;
    const here = { pipeline: pipeline.name, ...labels(partition) };
    for (const gauge of [metrics.lag, metrics.retentionWarning, metrics.retentionSecondsLeft])
      gauge.remove(here);
  }

  #discard(partition: Partition): void {
    this.#parts.gatherer.discard(partition);
  }

  #release(partitions: readonly Partition[]): void {
    const sources: PartitionRef[] = partitions.flatMap(({ source }) =>
      source.partition < 0 ? [] : [source],
    );
    if (sources.length > 0) this.#parts.pipeline.sink.release(sources);
  }

  #setAlarm(partition: Partition, alarm: PartitionStopped | null): void {
    const { metrics, pipeline } = this.#parts;
    if (partition.stop !== null && partition.stop.code !== alarm?.code) {
      metrics.stoppedPartitions.remove({
        pipeline: pipeline.name,
        ...labels(partition),
        code: partition.stop.code,
      });
    }
    partition.stop = alarm;
  }

  #countAssigned(topic: string): void {
    const { metrics, pipeline } = this.#parts;
    const count = (this.#partitions.get(topic) ?? []).filter((one) => one !== undefined).length;
    metrics.assignedPartitions.set({ pipeline: pipeline.name, topic }, count);
  }
}

function labels({ topic, partition }: TopicPartition): { topic: string; partition: string } {
  return { topic, partition: String(partition) };
}
