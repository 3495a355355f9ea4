/** Batches that follow one another in one partition, taken together as far as memory allows: one question for all of them. */
import type { ListedBatch } from '../archive/verify.ts';
import { type OffsetRange, type PartitionRef, partitionKey } from '../common/batch.ts';

/** What is held of a stretch is about its records' bytes once, and 400 bytes for each of them. */
const MOST_RECORDS = 100_000;
const MOST_BYTES = 32 * 1024 * 1024;

export interface Stretch extends OffsetRange {
  readonly source: PartitionRef;
  readonly batches: readonly ListedBatch[];
}

export class Stretches {
  readonly #check: (stretch: Stretch) => Promise<void>;
  #batches: ListedBatch[] = [];
  #records = 0;
  #bytes = 0;

  constructor(check: (stretch: Stretch) => Promise<void>) {
    this.#check = check;
  }

  async add(batch: ListedBatch): Promise<void> {
    const size = (of: (part: ListedBatch['parts'][number]) => number) =>
      batch.parts.reduce((sum, part) => sum + of(part), 0);
    const records = size(({ metadata }) => metadata?.count ?? 0);
    const bytes = size(({ metadata }) => metadata?.contentBytes ?? 0);
    const last = this.#batches.at(-1);
    const isNext =
      last !== undefined &&
      partitionKey(last.source) === partitionKey(batch.source) &&
      last.last + 1 === batch.first;
    const isFull = this.#records + records > MOST_RECORDS || this.#bytes + bytes > MOST_BYTES;
    if (!isNext || isFull) await this.flush();
    this.#batches.push(batch);
    this.#records += records;
    this.#bytes += bytes;
  }

  async flush(): Promise<void> {
    const batches = this.#batches;
    const [first, last] = [batches[0], batches.at(-1)];
    [this.#batches, this.#records, this.#bytes] = [[], 0, 0];
    if (first === undefined || last === undefined) return;
    await this.#check({ source: first.source, first: first.first, last: last.last, batches });
  }
}
