/** The record of a letter that was cut, from the archive, which has the whole of it. */
import { createHash } from 'node:crypto';
import { blobFault } from '../archive/blob-fault.ts';
import { type ArchivePlace, listTopic } from '../archive/listing.ts';
import { type ArchivedRecord, DamagedFile, originalValue, SegmentReader } from '../archive/segment-reader.ts';
import type { RecordHeaders } from '../common/batch.ts';
import { type Cut, type Letter, type OriginalRecord, originalHeaders, originText } from './letter.ts';
import { type Refusal, refused } from './refusal.ts';

/** @returns the record, or why it cannot be had @throws {Outage} the archive cannot be asked */
export async function wholeRecord(
  place: ArchivePlace,
  letter: Letter,
  cut: Cut,
): Promise<OriginalRecord | Refusal> {
  const { origin } = letter;
  const record = await findRecord(place, letter);
  if (record === null)
    return refused(
      'not_archived',
      `the archive does not have ${originText(origin)} yet: let campaign-ledger run archive catch up, and try again`,
    );
  if (record instanceof DamagedFile)
    return refused('archive_differs', `the archive's segment of it cannot be read: ${record.message}`);
  const value = originalValue(record) ?? Buffer.alloc(0);
  const sha256 = createHash('sha256').update(value).digest('hex');
  if (value.length !== cut.bytes || sha256 !== cut.sha256)
    return refused(
      'archive_differs',
      `the archive has ${value.length} bytes with sha256 ${sha256} at ${originText(origin)}, the letter is of ${cut.bytes} bytes with sha256 ${cut.sha256}`,
    );
  const headers: RecordHeaders = record.headers.map((header) => ({
    [header.key]: header.value === null ? Buffer.alloc(0) : Buffer.from(header.value),
  }));
  const key = record.key === null ? null : Buffer.from(record.key);
  return { key, value, headers: originalHeaders({ headers }) };
}

async function findRecord(
  place: ArchivePlace,
  { origin }: Letter,
): Promise<ArchivedRecord | DamagedFile | null> {
  const { topic, topicId, partition, offset } = origin;
  for await (const { path, name } of listTopic(place, topic)) {
    if (name === null || name.topicId !== topicId || name.partition !== partition) continue;
    if (offset < name.first || offset > name.last) continue;
    // The batch may have other segments, of other schemas, under the same range.
    const record = await recordIn(place, path, offset);
    if (record !== null) return record;
  }
  return null;
}

async function recordIn(
  { container, prefix }: ArchivePlace,
  path: string,
  offset: number,
): Promise<ArchivedRecord | DamagedFile | null> {
  const blob = container.getBlobClient(prefix + path);
  const answer = await blob.download().catch((error: unknown) => {
    throw blobFault(error, path);
  });
  try {
    const reader = await SegmentReader.open((answer.readableStreamBody ?? []) as AsyncIterable<Buffer>);
    for await (const record of reader.records()) if (record.offset === offset) return record;
    return null;
  } catch (error) {
    if (error instanceof DamagedFile) return new DamagedFile(`${prefix}${path}: ${error.message}`);
    throw blobFault(error);
  }
}
