/** Records on their way to one write: those of one partition, or of all when a pipeline writes them together. */
import type { Batch, KafkaRecord } from '../batch.ts';
import { PackedRecords, RECORD_OVERHEAD_BYTES } from './packed-records.ts';
import type { Partition } from './partition.ts';

export interface PackedBatch extends Batch {
  readonly records: PackedRecords;
}

export interface GroupEntry {
  readonly partition: Partition;
  readonly batch: PackedBatch;
}

/** Batches that are written in one call. */
export interface Group {
  readonly entries: readonly GroupEntry[];
  /** What it holds in memory. */
  readonly heldBytes: number;
}

export interface LaneLimits {
  readonly maxBatchRecords: number;
  readonly maxBatchBytes: number;
}

export class Lane {
  readonly partitions = new Set<Partition>();
  /** Cut and waiting for their write, oldest first. */
  closed: Group[] = [];
  /** True while a group of this lane is being written: the next one waits. */
  isWriting = false;
  /** Of the open batches, without those that are gathered again for an intent. */
  records = 0;
  bytes = 0;
  /** Monotonic milliseconds at which the oldest open record was gathered. */
  openedAt = 0;
  readonly #limits: LaneLimits;

  constructor(limits: LaneLimits) {
    this.#limits = limits;
  }

  get isFull(): boolean {
    return this.records >= this.#limits.maxBatchRecords || this.bytes >= this.#limits.maxBatchBytes;
  }

  /** Cuts what is open into batches, each up to where its partition was read. */
  close(): void {
    const entries: GroupEntry[] = [];
    for (const partition of this.partitions) {
      if (partition.open.length === 0 || isReplaying(partition)) continue;
      entries.push({ partition, batch: cut(partition, partition.readNext - 1) });
    }
    this.records = 0;
    this.bytes = 0;
    this.#enqueue(entries);
  }

  /** Cuts the batch that is gathered again for an intent, at its very end. */
  closeReplay(partition: Partition): void {
    const batch = cut(partition, partition.replayLast);
    partition.replayLast = Number.POSITIVE_INFINITY;
    this.#enqueue([{ partition, batch }]);
  }

  /** Forgets what a partition has here. @returns the bytes that it held in memory, replayed ones apart */
  discard(partition: Partition): { heldBytes: number; replayBytes: number } {
    const open = heldBytes(partition.open.length, partition.openBytes);
    const replaying = isReplaying(partition);
    if (!replaying) {
      this.records -= partition.open.length;
      this.bytes -= partition.openBytes;
    }
    partition.open = new PackedRecords(partition);
    partition.openBytes = 0;
    // What was dropped is as if it had not been read: nothing may take it for a stretch without records.
    partition.readNext = partition.batchFirst;
    let closed = 0;
    this.closed = this.closed.flatMap((group) => {
      const entries = group.entries.filter((entry) => entry.partition !== partition);
      if (entries.length === group.entries.length) return [group];
      const kept = held(entries);
      closed += group.heldBytes - kept;
      return entries.length === 0 ? [] : [{ entries, heldBytes: kept }];
    });
    this.partitions.delete(partition);
    return replaying
      ? { heldBytes: closed, replayBytes: open }
      : { heldBytes: open + closed, replayBytes: 0 };
  }

  #enqueue(entries: readonly GroupEntry[]): void {
    if (entries.length > 0) this.closed.push({ entries, heldBytes: held(entries) });
  }
}

export function heldBytes(records: number, bytes: number): number {
  return bytes + records * RECORD_OVERHEAD_BYTES;
}

/** Key, value and headers. */
export function sizeOf(record: KafkaRecord): number {
  let bytes = record.size;
  const { key, headers } = record;
  if (key !== null && key !== undefined) bytes += key.length;
  if (headers !== undefined) {
    for (const header of headers) {
      for (const name in header) bytes += name.length + (header[name]?.length ?? 0);
    }
  }
  return bytes;
}

function held(entries: readonly GroupEntry[]): number {
  return entries.reduce((sum, { batch }) => sum + heldBytes(batch.records.length, batch.bytes), 0);
}

function isReplaying(partition: Partition): boolean {
  return partition.replayLast !== Number.POSITIVE_INFINITY;
}

function cut(partition: Partition, last: number): PackedBatch {
  const batch: PackedBatch = {
    source: partition.source,
    first: partition.batchFirst,
    last,
    records: partition.open,
    bytes: partition.openBytes,
  };
  partition.batchFirst = last + 1;
  partition.open = new PackedRecords(partition);
  partition.openBytes = 0;
  return batch;
}
