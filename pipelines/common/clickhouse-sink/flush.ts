/** One write of the ClickHouse sink: the batches in hand, encoded as they are needed, and the fence before each step. */
import { partitionKey } from '../batch.ts';
import { Fenced } from '../errors.ts';
import type { Fence } from '../sink.ts';
import type { EncodedBatch } from './encoded-batch.ts';

export class Flush {
  readonly batches: readonly EncodedBatch[];
  readonly #fence: Fence;

  constructor(batches: readonly EncodedBatch[], fence: Fence) {
    this.batches = batches;
    this.#fence = fence;
  }

  /** @throws {Fenced} when a partition has gone to another process: the runner comes again with those that are left */
  assertOurs(): void {
    const lost = this.batches.find(({ batch }) => !this.#fence(batch.source));
    if (lost !== undefined)
      throw new Fenced(`${lost.batch.source.topic} ${partitionKey(lost.batch.source)} is no longer ours`);
  }
}

/**
 * Does one thing with all batches of a flush and resolves when it is durable. Bad records become letters of their
 * batch; nothing but outages is thrown because of them. Called again with the same batches it leaves the same result.
 */
export type FlushStep = (flush: Flush) => Promise<void>;
