/** A batch becomes segments: one for each writer schema in it, and one for what none of them can decode. */
import { schemaIdAt } from '../common/avro/wire-format.ts';
import type { Batch, KafkaRecord } from '../common/batch.ts';
import { cursorOver } from '../common/record-cursor.ts';
import { timestampOf } from './record-writer.ts';
import { SegmentBuilder, type SegmentFile, type SegmentSchema } from './segment-builder.ts';
import { type BatchPart, SEGMENT_FORMAT, type SegmentMetadata } from './segment-metadata.ts';
import type { SchemaId } from './segment-path.ts';
import { UNDECODABLE_VALUE, wrapperSchema } from './wrapper-schema.ts';

export interface Segment {
  readonly file: SegmentFile;
  readonly metadata: SegmentMetadata;
}

const UNDECODABLE: SegmentSchema = { text: wrapperSchema(UNDECODABLE_VALUE), scanner: null };

export interface SchemaDecisions {
  /** Null for ids whose records are undecodable; undefined when `decide` must come first. Never changes its mind. */
  get(id: number): SegmentSchema | null | undefined;
  /** Decides on all ids that occur in the records. */
  decide(records: Iterable<KafkaRecord>): Promise<void>;
}

/**
 * The same batch and schemas give the same segments, byte for byte (of one zlib), in order of schema id with the
 * undecodable one last. A batch without records gives one empty segment, so that its range is not missing.
 * @throws what `decide` throws
 */
export async function encodeBatch(batch: Batch, schemas: SchemaDecisions): Promise<Segment[]> {
  const beginning = cursorOver(batch.records);
  const folderTime = beginning.next() ? timestampOf(beginning) : 0;
  const builders = new Map<SchemaId, SegmentBuilder>();
  const builderOf = (schemaId: SchemaId, schema: SegmentSchema): SegmentBuilder => {
    let builder = builders.get(schemaId);
    if (builder === undefined) {
      const { source, first, last } = batch;
      builder = new SegmentBuilder({ ...source, first, last, schemaId, folderTime }, schema);
      builders.set(schemaId, builder);
    }
    return builder;
  };

  let previousId: number | null = null;
  let previous: SegmentBuilder | undefined;
  for (const record = cursorOver(batch.records); record.next(); ) {
    const id = schemaIdAt(record.bytes, record.valueStart, record.valueLength);
    if (id !== previousId) {
      let schema = id === null ? null : schemas.get(id);
      if (schema === undefined) {
        await schemas.decide(batch.records);
        schema = schemas.get(id as number);
      }
      previous = schema == null ? undefined : builderOf(id, schema);
      previousId = id;
    }
    let builder = previous;
    if (builder === undefined || !builder.add(record)) {
      builder = builderOf(null, UNDECODABLE);
      builder.add(record);
    }
    if (builder.isFull) await builder.flush();
  }
  if (builders.size === 0) builderOf(null, UNDECODABLE);

  const files = await Promise.all([...builders.values()].map((builder) => builder.finish()));
  return withMetadata(batch, files);
}

function withMetadata(batch: Batch, files: readonly SegmentFile[]): Segment[] {
  // A schema of which every record proved undecodable has an empty builder.
  const written = files.filter(
    ({ count, name }) => count > 0 || (name.schemaId === null && files.length === 1),
  );
  const order = (schemaId: SchemaId) => schemaId ?? Number.POSITIVE_INFINITY;
  written.sort((a, b) => order(a.name.schemaId) - order(b.name.schemaId));
  const parts = written.map(({ name, count }): BatchPart => ({ schemaId: name.schemaId, count }));
  return written.map((file) => ({
    file,
    metadata: {
      format: SEGMENT_FORMAT,
      count: file.count,
      first: batch.first,
      last: batch.last,
      schemaId: file.name.schemaId,
      eventTimes: file.eventTimes,
      kafkaTimes: file.kafkaTimes,
      sha256: file.sha256,
      contentSha256: file.contentSha256,
      contentBytes: file.contentBytes,
      batchCount: batch.records.length,
      parts,
      partCount: parts.length,
    },
  }));
}
