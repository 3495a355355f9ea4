/** Reads the segments of a batch: nothing of one is handed on before all its bytes are known to be what was written. */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { blobFault } from '../archive/blob-fault.ts';
import type { ArchivePlace } from '../archive/listing.ts';
import {
  type ArchivedRecord,
  DamagedFile,
  type SegmentHeader,
  SegmentReader,
} from '../archive/segment-reader.ts';
import { blobErrorCode } from '../common/blob/container.ts';
import type { PlannedSegment } from './plan.ts';

/** A segment that cannot be read, however often it is tried. */
export class UnreadableSegment extends Error {
  override readonly name = 'UnreadableSegment';
  readonly path: string;

  constructor(path: string, reason: string, options?: ErrorOptions) {
    super(`${path}: ${reason}`, options);
    this.path = path;
  }
}

/** Whole as far as anybody knows, and to be brought back before it can be read: hours, and never left out. */
export class OfflineSegments extends Error {
  override readonly name = 'OfflineSegments';
}

const MEND = 'restore the blob from its versions, or from a copy of the account';

export interface OpenSegment {
  readonly path: string;
  readonly header: SegmentHeader;
  readonly reader: SegmentReader;
}

/**
 * Downloads a segment whole; it is compressed, and no larger than a batch of the archive.
 * @throws {Outage} the store cannot be asked
 * @throws {UnreadableSegment} it is gone or altered
 * @throws {OfflineSegments} it has been moved to a tier from which nothing is read
 */
export async function openSegment(place: ArchivePlace, segment: PlannedSegment): Promise<OpenSegment> {
  const { path, sha256 } = segment;
  // A transfer that was cut short looks like a damaged blob: only what comes twice is believed.
  const bytes = (await download(place, segment)) ?? (await download(place, segment));
  if (bytes === null)
    throw new UnreadableSegment(path, `it is not what was written (its sha256 is not ${sha256}); ${MEND}`);
  const reader = await translated(path, () => SegmentReader.open(Readable.from([bytes])));
  return { path, header: reader.header, reader };
}

/** @returns null when the bytes are others than were written */
async function download(
  { container, prefix }: ArchivePlace,
  segment: PlannedSegment,
): Promise<Buffer | null> {
  const hash = createHash('sha256');
  const parts: Buffer[] = [];
  let size = 0;
  try {
    const { readableStreamBody } = await container.getBlobClient(prefix + segment.path).download();
    for await (const chunk of (readableStreamBody ?? []) as AsyncIterable<Buffer>) {
      hash.update(chunk);
      parts.push(chunk);
      size += chunk.length;
      if (size > segment.bytes) return null;
    }
  } catch (error) {
    throw refusal(segment.path, error);
  }
  return hash.digest('hex') === segment.sha256 ? Buffer.concat(parts, size) : null;
}

function refusal(path: string, error: unknown): unknown {
  const code = blobErrorCode(error);
  if (code === 'BlobNotFound') return new UnreadableSegment(path, `it is gone; ${MEND}`, { cause: error });
  if (code === 'BlobArchived' || code === 'BlobBeingRehydrated')
    return new OfflineSegments(
      `${path}: it is in the archive tier now, from which nothing can be read: the same command with --rehydrate has it brought back, and then goes on where this one has come to`,
      { cause: error },
    );
  return blobFault(error);
}

/** @throws {UnreadableSegment} */
async function translated<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DamagedFile)
      throw new UnreadableSegment(path, `${error.message}; ${MEND}`, { cause: error });
    throw error;
  }
}

/** Some records of one segment. */
export interface SomeRecords {
  readonly header: SegmentHeader;
  readonly records: readonly ArchivedRecord[];
}

interface Cursor {
  readonly segment: OpenSegment;
  readonly blocks: AsyncGenerator<readonly ArchivedRecord[]>;
  block: readonly ArchivedRecord[];
  at: number;
}

/**
 * All records of the segments in the order of their offsets: those of one batch lie in as many segments as it had schemas.
 * @throws {UnreadableSegment} one holds other records than it says
 */
export async function* inOffsetOrder(segments: readonly OpenSegment[]): AsyncGenerator<SomeRecords> {
  const cursors: Cursor[] = segments.map((segment) => ({
    segment,
    blocks: segment.reader.blocks(),
    block: [],
    at: 0,
  }));
  for (const cursor of [...cursors]) if (!(await advance(cursor))) cursors.splice(cursors.indexOf(cursor), 1);
  for (;;) {
    cursors.sort((a, b) => offsetAt(a) - offsetAt(b));
    const [cursor, second] = cursors;
    if (cursor === undefined) return;
    const limit = second === undefined ? Number.POSITIVE_INFINITY : offsetAt(second);
    const from = cursor.at;
    while (cursor.at < cursor.block.length && offsetAt(cursor) < limit) cursor.at += 1;
    yield { header: cursor.segment.header, records: cursor.block.slice(from, cursor.at) };
    if (cursor.at === cursor.block.length && !(await advance(cursor))) cursors.shift();
  }
}

function offsetAt({ block, at }: Cursor): number {
  return block[at]?.offset ?? Number.POSITIVE_INFINITY;
}

/** To the next block that is not empty. @returns false at the end */
async function advance(cursor: Cursor): Promise<boolean> {
  return translated(cursor.segment.path, async () => {
    do {
      const { done, value } = await cursor.blocks.next();
      if (done === true) return false;
      cursor.block = value;
      cursor.at = 0;
    } while (cursor.block.length === 0);
    return true;
  });
}
