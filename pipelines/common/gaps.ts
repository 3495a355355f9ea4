/** Records that will never come: how a person tells a sink so, for good and on the record. */
import type { OffsetRange, PartitionRef } from './batch.ts';
import type { Sink } from './sink.ts';

/** Offsets that Kafka lost before they were read, or that somebody chose to skip. */
export interface Gap extends OffsetRange {
  /** Who says so. */
  readonly by: string;
  readonly reason: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** A sink that can be told. */
export interface AcceptsGaps {
  /**
   * Notes the gap where whoever checks the data later finds it, then moves the sink past it. Called while no process
   * writes the partition; again with the same gap it changes nothing.
   * @throws {Outage} the store cannot be asked
   * @throws {Fenced} another process writes the partition
   */
  acceptGap(source: PartitionRef, gap: Gap): Promise<void>;
}

export function acceptsGaps(sink: Sink): sink is Sink & AcceptsGaps {
  return 'acceptGap' in sink && typeof sink.acceptGap === 'function';
}
