/** The contract between the runner, which reads Kafka, and a sink, which makes batches durable. */
import type { Batch, OffsetRange, PartitionRef } from './batch.ts';

/** Where a sink stands for one partition. The sink's word is the truth; the offset committed in Kafka is a copy. */
export interface SinkPosition {
  /** The next offset the sink needs; null when it has never written this partition. */
  readonly next: number | null;
  /** A batch that was begun and may be half written: it must be gathered again with exactly these bounds. */
  readonly intent: OffsetRange | null;
  /** Raised whenever a person moves the sink: what was committed under a lower one speaks of another past. 0 when missing. */
  readonly epoch?: number;
}

/** True while the partition still belongs to this process under the assignment the batch was gathered in. */
export type Fence = (source: PartitionRef) => boolean;

export interface Sink {
  /** Asked at every assignment, before the first record is read. Throws Outage when the store cannot be asked. */
  positions(sources: readonly PartitionRef[]): Promise<ReadonlyMap<string, SinkPosition>>;

  /**
   * Makes the batches durable, then its own progress; resolves only after both. May be called again with the same
   * batches after an Outage, and must then leave the same result as one call would have.
   * `fence` is asked before each irrevocable step.
   * @throws {Outage} the store cannot be reached or asked to try later: the runner waits and calls again
   * @throws {Fenced} another process owns the partition: the runner drops the batch and asks `positions` anew
   * @throws {PartitionStopped} writing on would lose or double records: the runner stops the partition with an alarm
   */
  write(batches: readonly Batch[], fence: Fence): Promise<void>;

  /** The partitions are no longer ours: forget what is cached of them. */
  release(sources: readonly PartitionRef[]): void;

  close(): Promise<void>;
}
