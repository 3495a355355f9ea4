/** One assignment of one partition to this process. A revoke ends it for good; the next assign makes another. */
import type { OffsetRange, PartitionRef } from '../batch.ts';
import type { PartitionStopped } from '../errors.ts';
import type { TopicPartition } from '../kafka/admin.ts';
import type { Lane } from './lane.ts';
import { PackedRecords } from './packed-records.ts';

/**
 * `resolving` asks where to begin; `reading`; `stopped` waits for a person; `releasing` is being revoked and only lets
 * a write in flight end; `lost` is no longer ours: nothing is written or committed for it.
 */
export type PartitionPhase = 'resolving' | 'reading' | 'stopped' | 'releasing' | 'lost';

/** No batch has to be gathered again: records of any offset may be cut anywhere. */
export const NO_REPLAY = Number.POSITIVE_INFINITY;

export class Partition implements TopicPartition {
  readonly topic: string;
  readonly partition: number;
  /** Raised by every assign and revoke of the process: batches of an older one are never written. */
  readonly assignment: number;
  readonly lane: Lane;
  phase: PartitionPhase = 'resolving';
  /** Set when resolved. */
  source: PartitionRef = { topic: '', topicId: '', partition: -1 };

  /** The next offset that the client is to hand out; past markers once the end was seen. */
  readNext = 0;
  /** The first offset that no closed batch covers. */
  batchFirst = 0;
  /** Where this assignment began to read. */
  start = 0;
  /** The next offset that the sink needs; null when it has never written this partition. */
  stored: number | null = null;
  /** The sink's when this assignment began: see `SinkPosition`. */
  epoch = 0;
  /** The end of a batch that must be gathered again with exactly its bounds; NO_REPLAY when there is none. */
  replayLast = NO_REPLAY;
  open: PackedRecords;
  /** Keys, values and headers of `open`. */
  openBytes = 0;

  stop: PartitionStopped | null = null;
  /** The client handed out an offset for a second time: said once. */
  hasGoneBackwards = false;

  constructor({ topic, partition, assignment, lane }: PartitionStart) {
    this.topic = topic;
    this.partition = partition;
    this.assignment = assignment;
    this.lane = lane;
    this.open = new PackedRecords(this);
  }

  /** What the fence answers. */
  get isOurs(): boolean {
    return this.phase === 'reading' || this.phase === 'releasing';
  }

  /** The offset before which the sink has everything, also when it has nothing because there was no record. */
  get storedTo(): number {
    return this.stored ?? this.start;
  }

  /** Everything read is durable: what lies between `storedTo` and `readNext` holds no record. */
  get isIdle(): boolean {
    return this.open.length === 0 && this.storedTo === this.batchFirst;
  }

  /** Everything before this offset is durable, or holds no record. */
  get durableTo(): number {
    return this.isIdle ? this.readNext : this.storedTo;
  }

  begin({ source, offset, readFrom = offset, intent, stored, epoch = 0 }: Beginning): void {
    this.source = source;
    this.readNext = readFrom;
    this.batchFirst = offset;
    this.start = offset;
    this.hasGoneBackwards = false;
    this.replayLast = intent?.last ?? NO_REPLAY;
    this.stored = stored;
    this.epoch = epoch;
    this.lane.partitions.add(this);
    this.phase = 'reading';
  }
}

export interface PartitionStart extends TopicPartition {
  readonly assignment: number;
  readonly lane: Lane;
}

export interface Beginning {
  readonly source: PartitionRef;
  /** The first offset of the first batch. */
  readonly offset: number;
  /** Where to read, when not there: between the two is no record. */
  readonly readFrom?: number;
  readonly intent: OffsetRange | null;
  readonly stored: number | null;
  readonly epoch?: number;
}

/** For logs. */
export function describePartition({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}
