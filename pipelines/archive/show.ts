/** What one segment is: its name, its metadata, its own header, and the batch that it is a part of. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { UsageError } from '../common/errors.ts';
import { blobFault } from './blob-fault.ts';
import { type ArchivePlace, type ListedBlob, listBatch } from './listing.ts';
import { fromBlobMetadata, type SegmentMetadata } from './segment-metadata.ts';
import { parseSegmentPath } from './segment-path.ts';
import { type SegmentHeader, SegmentReader } from './segment-reader.ts';

export interface ShownSegment {
  readonly path: string;
  readonly bytes: number;
  /** Null for a file, and for a blob that does not carry a segment's metadata. */
  readonly metadata: SegmentMetadata | null;
  /** Hot, Cool, Cold, Archive; null for a file, and where the store has none. */
  readonly accessTier: string | null;
  readonly header: SegmentHeader;
  /** The segments of its batch that are there, this one too; empty for a file. */
  readonly batch: readonly {
    readonly path: string;
    readonly schemaId: number | null;
    readonly count: number | null;
  }[];
}

/**
 * @param path of the blob, with the configured prefix or without
 * @throws {UsageError} there is none
 * @throws {DamagedFile} what is there is no segment
 */
export async function showBlob(place: ArchivePlace, path: string): Promise<ShownSegment> {
  const { container, prefix } = place;
  const own = path.startsWith(prefix) ? path.slice(prefix.length) : path;
  const answer = await container
    .getBlobClient(prefix + own)
    .download()
    .catch((error: unknown) => {
      if ((error as { statusCode?: unknown } | null)?.statusCode === 404)
        throw new UsageError(`there is no file ${path}, and no blob ${prefix}${own} in the container`);
      throw blobFault(error);
    });
  const header = await headerOf((answer.readableStreamBody ?? []) as AsyncIterable<Buffer>);
  const { accessTier = null } = await container
    .getBlobClient(prefix + own)
    .getProperties()
    .catch((error: unknown) => {
      throw blobFault(error);
    });
  const name = parseSegmentPath(own);
  const batch: ListedBlob[] = [];
  if (name !== null) for await (const blob of listBatch(place, name)) batch.push(blob);
  return {
    path: prefix + own,
    bytes: answer.contentLength ?? 0,
    metadata: fromBlobMetadata(answer.metadata),
    accessTier,
    header,
    batch: batch.map((blob) => ({
      path: prefix + blob.path,
      schemaId: blob.name?.schemaId ?? null,
      count: blob.metadata?.count ?? null,
    })),
  };
}

/** @throws {DamagedFile} it is no segment */
export async function showFile(file: string): Promise<ShownSegment> {
  const { size } = await stat(file);
  const header = await headerOf(createReadStream(file));
  return { path: basename(file), bytes: size, metadata: null, accessTier: null, header, batch: [] };
}

async function headerOf(source: AsyncIterable<Uint8Array>): Promise<SegmentHeader> {
  const reader = await SegmentReader.open(source);
  await reader.close();
  return reader.header;
}

/** One fact a line, then the writer schema. */
export function shownText({ path, bytes, metadata, accessTier, header, batch }: ShownSegment): string {
  const { topic, topicId, partition, first, last, schemaId, count, contentSha256, schema } = header;
  const facts: [string, string | null][] = [
    ['segment', path],
    ['bytes', String(bytes)],
    ['access tier', accessTier],
    ['topic', topic],
    ['topic id', topicId],
    ['partition', String(partition)],
    ['offsets', `${first} to ${last}`],
    ['records', String(count)],
    ['writer schema', schemaId === null ? 'none: what could not be decoded' : String(schemaId)],
    ['Kafka times', spanText(metadata?.kafkaTimes)],
    ['event times', spanText(metadata?.eventTimes)],
    ['sha256', metadata?.sha256 ?? null],
    ['content sha256', contentSha256],
    ['metadata', metadata === null && batch.length > 0 ? 'missing' : null],
    ['batch', metadata === null ? null : `${metadata.batchCount} records in ${metadata.partCount} segments`],
    ...batch.map((part): [string, string] => [
      '',
      `${part.path === path ? 'this one' : part.path} (${part.schemaId === null ? 'undecodable' : `schema ${part.schemaId}`}, ${part.count ?? 'unknown'} records)`,
    ]),
    ...missingParts({ metadata, batch }).map((text): [string, string] => ['', text]),
  ];
  const lines = facts.flatMap(([name, text]) => (text === null ? [] : [`${name.padEnd(15)} ${text}`]));
  return `${lines.join('\n')}\n\n${JSON.stringify(valueSchema(schema), null, 2)}\n`;
}

function missingParts({ metadata, batch }: Pick<ShownSegment, 'metadata' | 'batch'>): string[] {
  const there = new Set(batch.map(({ schemaId }) => schemaId));
  return (metadata?.parts ?? [])
    .filter(({ schemaId }) => !there.has(schemaId))
    .map(
      ({ schemaId, count }) =>
        `missing: ${schemaId === null ? 'undecodable' : `schema ${schemaId}`}, ${count} records`,
    );
}

function spanText(span: { readonly min: number; readonly max: number } | null | undefined): string | null {
  return span == null ? null : `${timeText(span.min)} to ${timeText(span.max)}`;
}

/** Producers state whatever they like. */
function timeText(time: number): string {
  return Math.abs(time) <= 8.64e15 ? new Date(time).toISOString() : String(time);
}

/** The reader has made sure that it is the wrapper's. */
function valueSchema(schema: string): unknown {
  return (JSON.parse(schema) as { fields: { type: unknown }[] }).fields.at(-1)?.type;
}

export function shownJson({ header, ...shown }: ShownSegment): string {
  const { schema, ...rest } = header;
  return JSON.stringify({ ...shown, header: { ...rest, schema: valueSchema(schema) } });
}
