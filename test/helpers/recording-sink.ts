/** A sink that keeps what it was given, with the archive's protocol: an intent before each batch, a head that decides. */
import {
  type Batch,
  type OffsetRange,
  type PartitionRef,
  partitionKey,
} from '../../pipelines/common/batch.ts';
import { Fenced } from '../../pipelines/common/errors.ts';
import type { Fence, Sink, SinkPosition } from '../../pipelines/common/sink.ts';

export interface StoredBatch extends OffsetRange {
  readonly offsets: readonly number[];
  readonly values: readonly string[];
  /** Which sink wrote it. */
  readonly by: string;
}

interface Head {
  next: number | null;
  intent: OffsetRange | null;
  version: number;
  readonly batches: StoredBatch[];
}

/** What outlives the processes: several sinks share one. */
export class RecordingStore {
  readonly heads = new Map<string, Head>();

  head(source: PartitionRef): Head {
    const key = partitionKey(source);
    const head = this.heads.get(key) ?? { next: null, intent: null, version: 0, batches: [] };
    this.heads.set(key, head);
    return head;
  }

  get recordCount(): number {
    return [...this.heads.values()].reduce(
      (sum, { batches }) => sum + batches.reduce((count, { offsets }) => count + offsets.length, 0),
      0,
    );
  }

  /** By partition number, of the one topic that has records: every offset in the order it was stored. */
  offsets(partition: number): readonly number[] {
    return this.batches(partition).flatMap(({ offsets }) => offsets);
  }

  values(partition: number): readonly string[] {
    return this.batches(partition).flatMap(({ values }) => values);
  }

  batches(partition: number): readonly StoredBatch[] {
    return [...this.heads]
      .filter(([key]) => key.endsWith(`/${partition}`))
      .flatMap(([, { batches }]) => batches);
  }
}

export interface RecordingSinkOptions {
  readonly name?: string;
  /** Called before each write, and again between the intent and the batch; throws what the test wants to happen. */
  readonly before?: (
    step: 'positions' | 'write' | 'batch',
    batches: readonly Batch[],
  ) => Promise<void> | void;
}

export class RecordingSink implements Sink {
  readonly #store: RecordingStore;
  readonly #options: RecordingSinkOptions;
  readonly #versions = new Map<string, number>();
  readonly released: PartitionRef[] = [];
  isClosed = false;

  constructor(store: RecordingStore, options: RecordingSinkOptions = {}) {
    this.#store = store;
    this.#options = options;
  }

  async positions(sources: readonly PartitionRef[]): Promise<ReadonlyMap<string, SinkPosition>> {
    await this.#options.before?.('positions', []);
    return new Map(
      sources.map((source) => {
        const { next, intent, version } = this.#store.head(source);
        this.#versions.set(partitionKey(source), version);
        return [partitionKey(source), { next, intent }];
      }),
    );
  }

  async write(batches: readonly Batch[], fence: Fence): Promise<void> {
    await this.#options.before?.('write', batches);
    for (const batch of batches)
      this.#replace(batch, fence, { intent: { first: batch.first, last: batch.last } });
    await this.#options.before?.('batch', batches);
    for (const batch of batches) {
      const { batches: stored, next } = this.#store.head(batch.source);
      // Half of an earlier try may have come so far.
      if (next !== null && next > batch.last) continue;
      this.#replace(batch, fence, { intent: null, next: batch.last + 1 });
      stored.push({
        first: batch.first,
        last: batch.last,
        offsets: Array.from(batch.records, ({ offset }) => offset),
        values: Array.from(batch.records, ({ value }) => String(value)),
        by: this.#options.name ?? '',
      });
    }
  }

  release(sources: readonly PartitionRef[]): void {
    this.released.push(...sources);
    for (const source of sources) this.#versions.delete(partitionKey(source));
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }

  /** As with If-Match: only who saw the last version may replace it, and only in order. */
  #replace(batch: Batch, fence: Fence, change: Partial<Pick<Head, 'next' | 'intent'>>): void {
    if (!fence(batch.source)) throw new Fenced('not ours any more');
    const head = this.#store.head(batch.source);
    const key = partitionKey(batch.source);
    if (this.#versions.get(key) !== head.version) throw new Fenced('replaced by another');
    if (head.next !== null && head.next !== batch.first) {
      if (head.next === batch.last + 1) return;
      throw new Error(`batch ${batch.first} to ${batch.last} does not follow ${head.next}`);
    }
    const { intent } = head;
    if (intent !== null && (intent.first !== batch.first || intent.last !== batch.last)) {
      throw new Error(
        `batch ${batch.first} to ${batch.last} is not the one begun: ${JSON.stringify(intent)}`,
      );
    }
    Object.assign(head, change);
    head.version += 1;
    this.#versions.set(key, head.version);
  }
}
