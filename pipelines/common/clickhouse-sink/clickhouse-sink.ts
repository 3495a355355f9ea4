/** The sink of the pipelines that write to ClickHouse: a chain of steps over the batches of all partitions at once. */
import type { Batch } from '../batch.ts';
import type { AcceptsGaps } from '../gaps.ts';
import type { Metrics } from '../metrics.ts';
import type { Sink } from '../sink.ts';
import { ChunkPool } from '../transcode/chunk-pool.ts';
import { EncodedBatch, type OnRow } from './encoded-batch.ts';
import { Flush, type FlushStep } from './flush.ts';
import type { Progress } from './progress.ts';
import type { RecordEncoder } from './record-encoder.ts';

export interface ClickHouseSinkOptions {
  readonly pipeline: string;
  /** One for each topic that the pipeline reads. */
  readonly encoders: ReadonlyMap<string, RecordEncoder>;
  /** In order, each after the one before is durable; progress last. */
  readonly chain: readonly FlushStep[];
  readonly progress: Progress;
  readonly metrics: Metrics;
  /** What else somebody wants to know of each row. */
  readonly onRow?: (batch: Batch) => OnRow;
  /** Closes clients. */
  readonly close: () => Promise<void>;
}

export function createClickHouseSink(options: ClickHouseSinkOptions): Sink & AcceptsGaps {
  const { pipeline, encoders, chain, progress, metrics, onRow, close } = options;
  /** What an attempt has encoded serves the next one: the runner comes again with the same batches. */
  const encoded = new WeakMap<Batch, EncodedBatch>();
  const pool = new ChunkPool();
  const newest = new Map<string, number>();

  function encodedOf(batch: Batch): EncodedBatch {
    const known = encoded.get(batch);
    if (known !== undefined) return known;
    const encoder = encoders.get(batch.source.topic);
    if (encoder === undefined) throw new TypeError(`${pipeline} does not read ${batch.source.topic}`);
    const fresh = new EncodedBatch(batch, { encoder, pool, onRow: onRow?.(batch) ?? null });
    encoded.set(batch, fresh);
    return fresh;
  }

  function showNewest({ batch: { source }, newestEventTime }: EncodedBatch): void {
    if (newestEventTime <= (newest.get(source.topic) ?? Number.NEGATIVE_INFINITY)) return;
    newest.set(source.topic, newestEventTime);
    metrics.newestEventTime.set({ pipeline, topic: source.topic }, newestEventTime / 1000);
  }

  return {
    positions: (sources) => progress.positions(sources),

    async write(batches, fence) {
      for (const [topic, encoder] of encoders)
        await encoder.prepare(batches.filter(({ source }) => source.topic === topic));
      const flush = new Flush(batches.map(encodedOf), fence);
      for (const step of chain) await step(flush);
      flush.batches.forEach(showNewest);
    },

    release: (sources) => progress.forget(sources),

    acceptGap: (source, gap) => progress.acceptGap(source, gap),

    close,
  };
}
