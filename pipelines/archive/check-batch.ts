/** Checks the segments of one batch against one another, and each against what it says of itself. */
import { createHash } from 'node:crypto';
import { OfflineBlob } from '../common/blob/offline.ts';
import { blobFault } from './blob-fault.ts';
import type { ArchivePlace, ListedBlob } from './listing.ts';
import { type ArchivedRecord, DamagedFile, SegmentReader } from './segment-reader.ts';

export type BatchFaultCode =
  | 'metadata_missing'
  | 'metadata_mismatch'
  | 'part_missing'
  | 'count_mismatch'
  | 'segment_damaged'
  | 'segment_offline';

export interface BatchFault {
  readonly code: BatchFaultCode;
  readonly path: string | null;
  readonly message: string;
}

const RESTORE = 'restore the blob from its versions, or from a copy of the account';

/** @param parts all blobs under the range of one batch, at least one */
export async function checkBatch(
  { isDeep, ...place }: ArchivePlace & { readonly isDeep: boolean },
  parts: readonly ListedBlob[],
): Promise<BatchFault[]> {
  const faults = [...parts.flatMap(checkMetadata), ...checkTogether(parts)];
  if (!isDeep) return faults;
  for (const part of parts) faults.push(...(await checkContent(place, part)));
  return faults;
}

/**
 * Reads one segment to its end.
 * @param onRecords is handed the records block by block; what it was handed is worth nothing where a fault is returned
 * @throws {Outage} the store cannot be asked
 */
export async function checkContent(
  { container, prefix }: ArchivePlace,
  part: ListedBlob,
  onRecords: (records: readonly ArchivedRecord[]) => Promise<void> | void = () => {},
): Promise<BatchFault[]> {
  const stream = async () =>
    (await container.getBlobClient(prefix + part.path).download()).readableStreamBody;
  let body: Awaited<ReturnType<typeof stream>>;
  try {
    body = await stream();
  } catch (error) {
    const fault = blobFault(error, part.path);
    if (!(fault instanceof OfflineBlob)) throw fault;
    return [{ code: 'segment_offline', path: part.path, message: `was not read: ${fault.message}` }];
  }
  return checkStream(part, (body ?? []) as AsyncIterable<Buffer>, onRecords);
}

function checkMetadata({ path, name, metadata }: ListedBlob): BatchFault[] {
  if (metadata === null) {
    return [
      { code: 'metadata_missing', path, message: `the blob does not carry a segment's metadata: ${RESTORE}` },
    ];
  }
  const fits =
    metadata.first === name?.first && metadata.last === name.last && metadata.schemaId === name.schemaId;
  if (fits) return [];
  const { first, last, schemaId } = metadata;
  return [
    {
      code: 'metadata_mismatch',
      path,
      message: `the metadata speak of offsets ${first}..${last} under schema ${schemaId ?? 'none'}: the blob was copied under another name, remove it`,
    },
  ];
}

/** Every segment says how many there are in its batch, and of how many records. */
function checkTogether(parts: readonly ListedBlob[]): BatchFault[] {
  const [metadata] = parts.flatMap((part) => part.metadata ?? []);
  if (metadata === undefined) return [];
  const there = new Set(parts.map(({ name }) => name?.schemaId ?? null));
  const missing = (metadata.parts ?? []).filter(({ schemaId }) => !there.has(schemaId));
  if (parts.length !== metadata.partCount) {
    const which = missing
      .map(({ schemaId, count }) => `${schemaId ?? 'undecodable'} (${count} records)`)
      .join(', ');
    const message = `the batch has ${metadata.partCount} segments, ${parts.length} are there; missing by schema: ${which || 'unknown'}; ${RESTORE}`;
    return [{ code: 'part_missing', path: null, message }];
  }
  const records = parts.reduce((sum, part) => sum + (part.metadata?.count ?? 0), 0);
  if (records === metadata.batchCount) return [];
  const message = `the segments of the batch hold ${records} records, it was written with ${metadata.batchCount}`;
  return [{ code: 'count_mismatch', path: null, message }];
}

async function checkStream(
  part: ListedBlob,
  body: AsyncIterable<Buffer>,
  onRecords: (records: readonly ArchivedRecord[]) => Promise<void> | void,
): Promise<BatchFault[]> {
  const { path, name, metadata } = part;
  const whole = createHash('sha256');
  const damaged = (message: string): BatchFault[] => [
    { code: 'segment_damaged', path, message: `${message}; ${RESTORE}` },
  ];
  try {
    const reader = await SegmentReader.open(hashed(body, whole));
    let count = 0;
    for await (const records of reader.blocks()) {
      count += records.length;
      await onRecords(records);
    }
    if (metadata !== null && metadata.sha256 !== whole.digest('hex')) return damaged('the sha256 differs');
    if (metadata !== null && metadata.count !== count) {
      return damaged(`it holds ${count} records, its metadata say ${metadata.count}`);
    }
    const { header } = reader;
    const isNamed = (['topic', 'topicId', 'partition', 'first', 'last', 'schemaId'] as const).every(
      (key) => header[key] === name?.[key],
    );
    return isNamed ? [] : damaged('its header speaks of other records than its name does');
  } catch (error) {
    if (error instanceof DamagedFile) return damaged(error.message);
    throw blobFault(error);
  }
}

async function* hashed(
  body: AsyncIterable<Buffer>,
  hash: { update(chunk: Buffer): unknown },
): AsyncGenerator<Buffer> {
  for await (const chunk of body) {
    hash.update(chunk);
    yield chunk;
  }
}
