/** Writes batches into the archive: intent, segments, head, in this order, each only while the partition is ours. */
import { type Batch, type PartitionRef, partitionKey } from '../common/batch.ts';
import { Fenced, PartitionStopped } from '../common/errors.ts';
import { faultPoint } from '../common/fault-points.ts';
import type { Logger } from '../common/logger.ts';
import type { Metrics } from '../common/metrics.ts';
import type { Fence, Sink, SinkPosition } from '../common/sink.ts';
import { BatchSchemas, type SegmentSchemas } from './batch-schemas.ts';
import { eachAtMost } from './each-at-most.ts';
import { encodeBatch, type Segment } from './encode-batch.ts';
import type { HeadStore, HeldHead, Intent } from './head.ts';
import { SEGMENT_FORMAT } from './segment-metadata.ts';
import type { SegmentStore } from './segment-store.ts';

export const PIPELINE = 'archive';

/** Partitions written at once in one call, and segments of one batch. */
const MAX_PARTITIONS = 4;
const MAX_UPLOADS = 4;
/** Heads read at once at an assignment. */
const MAX_READS = 16;
/** An event that is further ahead of its own Kafka timestamp is not believed. */
const MAX_AHEAD_MS = 86_400_000;

export interface ArchiveSinkOptions {
  readonly heads: HeadStore;
  readonly segments: SegmentStore;
  readonly schemas: SegmentSchemas;
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** Gives up connections. */
  close(): Promise<void>;
}

export class ArchiveSink implements Sink {
  readonly #options: ArchiveSinkOptions;
  /** Heads as last read or written by us, by partition. Missing: read it first. */
  readonly #held = new Map<string, HeldHead>();
  /** Event time in milliseconds, by topic: for the metric only. */
  readonly #newest = new Map<string, number>();

  constructor(options: ArchiveSinkOptions) {
    this.#options = options;
  }

  async positions(sources: readonly PartitionRef[]): Promise<ReadonlyMap<string, SinkPosition>> {
    const positions = new Map<string, SinkPosition>();
    await eachAtMost(MAX_READS, sources, async (source) => {
      const { head } = await this.#read(source);
      if (head?.intent) requireKnownFormat(source, head.intent);
      const intent = head?.intent ? { first: head.intent.first, last: head.intent.last } : null;
      positions.set(partitionKey(source), { next: head?.next ?? null, intent });
      if (head !== null) this.#showPosition(source, head.next);
    });
    return positions;
  }

  async write(batches: readonly Batch[], fence: Fence): Promise<void> {
    await eachAtMost(MAX_PARTITIONS, batches, async (batch) => {
      try {
        await this.#writeBatch(batch, fence);
      } catch (error) {
        // Whatever went wrong: what is held may not be what stands there now.
        this.#held.delete(partitionKey(batch.source));
        throw error;
      }
    });
  }

  release(sources: readonly PartitionRef[]): void {
    for (const source of sources) this.#held.delete(partitionKey(source));
  }

  async close(): Promise<void> {
    this.#held.clear();
    await this.#options.close();
  }

  async #writeBatch(batch: Batch, fence: Fence): Promise<void> {
    const { source, first, last } = batch;
    const { heads } = this.#options;
    let held = this.#held.get(partitionKey(source)) ?? (await this.#read(source));
    // An earlier call came to the end and lost only the answer: nobody else ends a batch at this very offset and
    // begins none, and even then all of it is in the archive.
    if (held.head?.next === last + 1 && held.head.intent === null) return;
    const begun = begunIntent(batch, held);
    const begin = held.head?.begin ?? first;

    const schemas = new BatchSchemas(this.#options.schemas, begun?.schemas ?? null);
    const segments = await encodeBatch(batch, schemas);

    if (begun === null) {
      requireFence(source, fence);
      faultPoint('before-intent', PIPELINE);
      const intent: Intent = { first, last, format: SEGMENT_FORMAT, schemas: schemas.used() };
      held = await heads.replace(source, held, { begin, next: first, intent });
      this.#held.set(partitionKey(source), held);
    }
    faultPoint('after-intent', PIPELINE);

    await this.#create(segments, source, fence);

    requireFence(source, fence);
    faultPoint('before-head', PIPELINE);
    held = await heads.replace(source, held, { begin, next: last + 1, intent: null });
    this.#held.set(partitionKey(source), held);
    faultPoint('after-head', PIPELINE);
    this.#showPosition(source, last + 1);
    this.#showNewest(source.topic, segments);
  }

  /** The order does not matter: readers go by the head, and a replay creates what is missing. */
  async #create(segments: readonly Segment[], source: PartitionRef, fence: Fence): Promise<void> {
    const create = async (segment: Segment): Promise<void> => {
      requireFence(source, fence);
      const creating = this.#options.segments.create(segment);
      // Whoever is killed here leaves a request behind that the store may or may not have taken.
      setImmediate(() => faultPoint('mid-write', PIPELINE));
      if ((await creating) === 'created') return;
      this.#options.logger.info({ path: segment.file.path }, 'segment was there already, equal to ours');
    };
    const [head, ...rest] = segments;
    if (head === undefined) return;
    await create(head);
    if (rest.length > 0) faultPoint('between-segments', PIPELINE);
    await eachAtMost(MAX_UPLOADS, rest, create);
  }

  async #read(source: PartitionRef): Promise<HeldHead> {
    const held = await this.#options.heads.read(source);
    this.#held.set(partitionKey(source), held);
    return held;
  }

  #showNewest(topic: string, segments: readonly Segment[]): void {
    for (const { file } of segments) {
      const { eventTimes, kafkaTimes } = file;
      // The archive judges no event, but one that says it comes from far ahead must not hide a silent producer.
      if (eventTimes === null || kafkaTimes === null || eventTimes.max > kafkaTimes.max + MAX_AHEAD_MS)
        continue;
      if (eventTimes.max <= (this.#newest.get(topic) ?? Number.NEGATIVE_INFINITY)) continue;
      this.#newest.set(topic, eventTimes.max);
      this.#options.metrics.newestEventTime.set({ pipeline: PIPELINE, topic }, eventTimes.max / 1000);
    }
  }

  #showPosition({ topic, partition }: PartitionRef, next: number): void {
    this.#options.metrics.archivedTo.set({ topic, partition: String(partition) }, next);
  }
}

/**
 * The intent under which this very batch was begun, or null when it may be begun now.
 * @throws {Fenced} the head is not where the batch begins, or somebody began another batch there
 */
function begunIntent({ source, first, last }: Batch, { head }: HeldHead): Intent | null {
  if (head === null) return null;
  const { next, intent } = head;
  const fits = next === first && (intent === null || (intent.first === first && intent.last === last));
  if (fits) {
    if (intent !== null) requireKnownFormat(source, intent);
    return intent;
  }
  const begun = intent === null ? '' : ` with a batch ${intent.first}..${intent.last} begun`;
  throw new Fenced(
    `the archive of ${source.topic}/${source.partition} is at ${next}${begun}, not where batch ${first}..${last} begins`,
  );
}

function requireFence(source: PartitionRef, fence: Fence): void {
  if (!fence(source)) throw new Fenced(`${source.topic}/${source.partition} is no longer ours`);
}

function requireKnownFormat({ topic, partition }: PartitionRef, { first, last, format }: Intent): void {
  if (format === SEGMENT_FORMAT) return;
  throw new PartitionStopped(
    'unknown_segment_format',
    `batch ${first}..${last} of ${topic}/${partition} was begun in segment format ${format}, and this release writes ${SEGMENT_FORMAT}: finish it with the release that began it`,
  );
}
