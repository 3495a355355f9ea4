/** Warns before Kafka drops records that the pipeline has not made durable. */
import type { TopicPartition } from '../kafka/admin.ts';
import type { Partition } from './partition.ts';
import type { WatchOptions } from './watch.ts';

/** Parts of the retention that may be left; the first is where the warning begins. */
const STEPS = [1 / 2, 1 / 4, 1 / 8, 0] as const;

/** Asks Kafka which offset stood at a time, so that also a partition that is not read at all is known about. */
export async function warnOfRetention(
  { parts, clock, retentionMs }: Pick<WatchOptions, 'parts' | 'clock' | 'retentionMs'>,
  partitions: readonly Partition[],
  endOf: (partition: TopicPartition) => number,
): Promise<void> {
  const { metrics, pipeline, admin } = parts;
  for (const [topic, retention] of retentionMs) {
    if (retention === null) continue;
    const waiting = partitions.filter((one) => one.topic === topic && one.durableTo < endOf(one));
    const left = new Map<Partition, number>();
    let older = waiting;
    for (const [index, step] of STEPS.entries()) {
      if (older.length === 0) break;
      const offsets = await admin.offsetsAt(older, clock.now() - retention * (1 - step));
      const firstSince = new Map(offsets.map(({ partition, offset }) => [partition, offset]));
      older = older.filter(({ partition, durableTo }) => {
        const first = firstSince.get(partition) ?? null;
        return first === null || first > durableTo;
      });
      // Older than this step leaves less than it, and at least the next.
      for (const partition of older) left.set(partition, (STEPS[index + 1] ?? 0) * retention);
    }
    for (const partition of partitions) {
      if (partition.topic !== topic) continue;
      const labels = { pipeline: pipeline.name, topic, partition: String(partition.partition) };
      const leftMs = left.get(partition);
      metrics.retentionWarning.set(labels, leftMs === undefined ? 0 : 1);
      if (leftMs === undefined) metrics.retentionSecondsLeft.remove(labels);
      else metrics.retentionSecondsLeft.set(labels, leftMs / 1_000);
    }
  }
}
