/** Which segments of a topic are read, in which order, and what of them is missing: known before anything is restored. */
import type { ArchivePlace, ListedBlob } from '../archive/listing.ts';
import { OffsetRanges } from '../archive/offset-ranges.ts';
import { type Discrepancy, type ListedBatch, verifyArchive } from '../archive/verify.ts';
import { type OffsetRange, type PartitionRef, partitionKey } from '../common/batch.ts';
import { type Choice, isChosenSegment, offsetsOf } from './choice.ts';

/** What is kept of a segment: of a topic all are held at once. */
export interface PlannedSegment {
  /** Without the configured prefix. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly schemaId: number | null;
  readonly count: number;
  readonly isOffline: boolean;
}

export interface PlannedBatch extends OffsetRange {
  readonly segments: readonly PlannedSegment[];
}

export interface PlannedSource {
  readonly source: PartitionRef;
  /** By offset. */
  readonly batches: readonly PlannedBatch[];
  /** Before this offset nothing that was archived is missing; null where the archive has no head. */
  readonly archivedTo: number | null;
}

export interface TopicPlan {
  readonly topic: string;
  /** By topic id and partition. */
  readonly sources: readonly PlannedSource[];
  /** Records in the segments that are read. */
  readonly records: number;
  readonly segments: number;
  /** Segments of the topic, chosen or not. */
  readonly listed: number;
  /** What `archive verify` would say of the offsets that are chosen. */
  readonly discrepancies: readonly Discrepancy[];
  /** A segment for each writer schema of the topic, chosen or not: their headers hold the schemas. */
  readonly schemas: ReadonlyMap<number, PlannedSegment>;
}

interface Gathered {
  readonly batches: PlannedBatch[];
  readonly whole: OffsetRanges;
}

/**
 * All that would be read, by path.
 * @param decodes whether rows are made of the records: what could not be decoded then may need schemas of other segments
 */
export function segmentsRead(
  { sources, schemas }: TopicPlan,
  { decodes }: { readonly decodes: boolean },
): ReadonlyMap<string, PlannedSegment> {
  const segments = sources.flatMap(({ batches }) => batches.flatMap((batch) => batch.segments));
  const needsSchemas = decodes && segments.some(({ schemaId }) => schemaId === null);
  const all = needsSchemas ? [...segments, ...schemas.values()] : segments;
  return new Map(all.map((segment) => [segment.path, segment]));
}

/** The first offset of the source of which the listing says that something is gone; null: nothing is. */
export function firstGone({ discrepancies }: TopicPlan, source: PartitionRef): number | null {
  const gone = discrepancies.flatMap(({ code, topicId, partition, first }) =>
    // These say that there is too much.
    code === 'segment_overlap' ||
    code === 'segment_beyond_head' ||
    topicId !== source.topicId ||
    partition !== source.partition ||
    first === null
      ? []
      : [first],
  );
  return gone.length === 0 ? null : Math.min(...gone);
}

/** @throws {Outage} the store cannot be asked */
export async function planTopic(place: ArchivePlace, topic: string, choice: Choice): Promise<TopicPlan> {
  const gathered = new Map<string, Gathered>();
  const schemas = new Map<number, PlannedSegment>();
  let [records, segments, listed] = [0, 0, 0];
  const onBatch = async ({ source, first, last, parts, faults }: ListedBatch): Promise<void> => {
    for (const segment of parts.flatMap(planned)) {
      if (segment.schemaId === null) continue;
      // Any one will do: rather one that can be read.
      const known = schemas.get(segment.schemaId);
      if (known === undefined || known.isOffline || !segment.isOffline)
        schemas.set(segment.schemaId, segment);
    }
    const key = partitionKey(source);
    const of = gathered.get(key) ?? { batches: [], whole: new OffsetRanges() };
    gathered.set(key, of);
    if (faults.length === 0) of.whole.add({ first, last });
    const chosen = parts.filter((part) => isChosenSegment(choice, part)).flatMap(planned);
    if (chosen.length === 0) return;
    of.batches.push({ first, last, segments: chosen });
    segments += chosen.length;
    for (const { count } of chosen) records += count;
  };
  const { partitions, acceptedGaps, discrepancies } = await verifyArchive({
    ...place,
    topics: [topic],
    isDeep: false,
    rangeOf: (source) => offsetsOf(choice, source),
    onProgress: () => {
      listed += 1;
    },
    onBatch,
    onHeadless: onBatch,
  });
  const sources = partitions.map(({ topicId, partition, begin, next }): PlannedSource => {
    const source = { topic, topicId, partition };
    const { batches, whole } = gathered.get(partitionKey(source)) ?? {
      batches: [],
      whole: new OffsetRanges(),
    };
    for (const gap of acceptedGaps)
      if (gap.topicId === topicId && gap.partition === partition) whole.add(gap);
    const archivedTo =
      begin === null || next === null
        ? null
        : (whole.gapsIn({ first: begin, last: next - 1 })[0]?.first ?? next);
    return { source, batches: batches.sort((a, b) => a.first - b.first), archivedTo };
  });
  return { topic, sources, records, segments, listed, discrepancies, schemas };
}

/** None for a blob that does not carry a segment's metadata: that is a discrepancy already. */
function planned({ path, bytes, metadata, isOffline }: ListedBlob): PlannedSegment[] {
  if (metadata === null) return [];
  const { sha256, schemaId, count } = metadata;
  return [{ path, bytes, sha256, schemaId, count, isOffline }];
}
