/** Sorts what the client hands out into the open batches of its partitions, and counts the bytes that are held. */
import type { KafkaRecord } from '../batch.ts';
import type { PartitionOffset } from '../kafka/admin.ts';
import { heldBytes, sizeOf } from './lane.ts';
import { RECORD_OVERHEAD_BYTES } from './packed-records.ts';
import { NO_REPLAY, type Partition } from './partition.ts';

export interface GathererEvents {
  /** The current assignment of a partition, if there is one. */
  find(topic: string, partition: number): Partition | undefined;
  /** The client went backwards: the topic may have been made anew. The record is dropped, its offset was read. */
  wentBackwards(partition: Partition, offset: number): void;
  /** The end of the partition was reached and nothing of it is held: only the committed offset has to follow. */
  becameIdle(partition: Partition): void;
}

export class Gatherer {
  /** Of records read and not yet durable; batches that an intent dictates are apart: they must be gathered whole. */
  bufferedBytes = 0;
  replayBytes = 0;
  /** Of all records ever gathered, without overhead. */
  gatheredBytes = 0;
  readonly #events: GathererEvents;

  constructor(events: GathererEvents) {
    this.#events = events;
  }

  /** The hot loop: records of one partition come in runs, so the partition is looked up once a run. */
  gather(records: readonly KafkaRecord[], nowMs: number): void {
    let topic = '';
    let number = -1;
    let partition: Partition | undefined;
    let buffered = 0;
    let gathered = 0;
    for (const record of records) {
      if (record.partition !== number || record.topic !== topic) {
        topic = record.topic;
        number = record.partition;
        partition = this.#reading(topic, number);
      }
      if (partition === undefined) continue;
      const { offset } = record;
      if (offset < partition.readNext) {
        this.#events.wentBackwards(partition, offset);
        continue;
      }
      if (offset > partition.replayLast) this.#finishReplay(partition);
      partition.readNext = offset + 1;
      partition.open.add(record);
      const bytes = sizeOf(record);
      gathered += bytes;
      partition.openBytes += bytes;
      if (partition.replayLast === NO_REPLAY) {
        const { lane } = partition;
        if (lane.records === 0) lane.openedAt = nowMs;
        lane.records += 1;
        lane.bytes += bytes;
        buffered += bytes + RECORD_OVERHEAD_BYTES;
        if (lane.isFull) lane.close();
      } else {
        this.replayBytes += bytes + RECORD_OVERHEAD_BYTES;
        if (offset === partition.replayLast) this.#finishReplay(partition);
      }
    }
    this.bufferedBytes += buffered;
    this.gatheredBytes += gathered;
  }

  /** The end of a partition as the client saw it: past the markers that no record shows. */
  reachedEnd({ topic, partition: number, offset }: PartitionOffset): void {
    const partition = this.#reading(topic, number);
    if (partition === undefined || offset <= partition.readNext) return;
    if (offset > partition.replayLast) this.#finishReplay(partition);
    partition.readNext = offset;
    if (partition.isIdle) this.#events.becameIdle(partition);
  }

  discard(partition: Partition): void {
    const { heldBytes: held, replayBytes } = partition.lane.discard(partition);
    this.bufferedBytes -= held;
    this.replayBytes -= replayBytes;
  }

  /** A group has left memory. */
  release(bytes: number): void {
    this.bufferedBytes -= bytes;
  }

  #reading(topic: string, number: number): Partition | undefined {
    const partition = this.#events.find(topic, number);
    return partition?.phase === 'reading' ? partition : undefined;
  }

  /** From here on the batch is like any other. */
  #finishReplay(partition: Partition): void {
    const held = heldBytes(partition.open.length, partition.openBytes);
    this.replayBytes -= held;
    this.bufferedBytes += held;
    partition.lane.closeReplay(partition);
  }
}
