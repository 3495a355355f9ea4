/** What is in the archive, as the blob store lists it. */
import type { BlobItem, ContainerClient } from '@azure/storage-blob';
import { blobFault } from './blob-fault.ts';
import { fromBlobMetadata, type SegmentMetadata } from './segment-metadata.ts';
import { batchPrefixes, parseSegmentPath, type SegmentName, segmentFolders } from './segment-path.ts';

/** Where to look. */
export interface ArchivePlace {
  readonly container: ContainerClient;
  /** `blob.prefix` of the configuration. */
  readonly prefix: string;
}

export interface ListedBlob {
  /** Without the configured prefix. */
  readonly path: string;
  /** Null when no segment is named so. */
  readonly name: SegmentName | null;
  /** Null when the blob does not carry a segment's metadata. */
  readonly metadata: SegmentMetadata | null;
  readonly bytes: number;
  /** In the archive tier: it must be brought back before it can be read. */
  readonly isOffline: boolean;
}

/**
 * The segments of a topic by folder (day and hour of their Kafka timestamp), partition and offset, so that those of
 * one batch come one after another. Holds one page of the listing at a time.
 * @throws {Outage} the store cannot be asked
 */
export async function* listTopic(place: ArchivePlace, topic: string): AsyncGenerator<ListedBlob> {
  const [raw, undecodable] = segmentFolders(topic).map((folder) => listFolder(place, folder));
  if (raw === undefined || undecodable === undefined) return;
  let [a, b] = [await raw.next(), await undecodable.next()];
  while (!a.done || !b.done) {
    if (b.done || (!a.done && orderKey(a.value) <= orderKey(b.value))) {
      yield a.value as ListedBlob;
      a = await raw.next();
    } else {
      yield b.value;
      b = await undecodable.next();
    }
  }
}

/** `dt=…/hour=…/<partition>-<first>-<last>`: what the two folders have in common. */
export function orderKey({ path }: ListedBlob): string {
  const [, , day = '', hour = '', file = ''] = path.split('/');
  return `${day}/${hour}/${file.split('-', 3).join('-')}`;
}

/** The segments of one batch, those that could not be decoded last. @throws {Outage} the store cannot be asked */
export async function* listBatch(place: ArchivePlace, batch: SegmentName): AsyncGenerator<ListedBlob> {
  for (const begin of batchPrefixes(batch))
    for await (const blob of listFolder(place, begin)) if (blob.name?.topicId === batch.topicId) yield blob;
}

/** Topic ids and partitions that have a head, of one topic. */
export async function listHeads(
  { container, prefix }: ArchivePlace,
  topic: string,
): Promise<{ topicId: string; partition: number }[]> {
  const heads: { topicId: string; partition: number }[] = [];
  const folder = `${prefix}heads/${topic}/`;
  for await (const { name } of listed(container.listBlobsFlat({ prefix: folder }))) {
    const match = /^([0-9a-f]{32})\/(\d+)\.json$/.exec(name.slice(folder.length));
    if (match !== null) heads.push({ topicId: match[1] ?? '', partition: Number(match[2]) });
  }
  return heads;
}

/**
 * What lies in a folder, named without the prefix and with its `/`.
 * @throws {Outage} the store cannot be asked
 */
export async function* listFolder(
  { container, prefix }: ArchivePlace,
  folder: string,
): AsyncGenerator<ListedBlob> {
  const blobs = container.listBlobsFlat({ prefix: prefix + folder, includeMetadata: true });
  for await (const { name, properties, metadata } of listed(blobs)) {
    // Accounts with a hierarchical namespace list their folders too.
    if (metadata?.hdi_isfolder === 'true') continue;
    const path = name.slice(prefix.length);
    yield {
      path,
      name: parseSegmentPath(path),
      metadata: fromBlobMetadata(metadata),
      bytes: properties.contentLength ?? 0,
      isOffline: properties.accessTier === 'Archive',
    };
  }
}

/** @throws {Outage} the store cannot be asked */
export async function* listed<Item = BlobItem>(blobs: AsyncIterable<Item>): AsyncGenerator<Item> {
  try {
    yield* blobs;
  } catch (error) {
    throw blobFault(error);
  }
}
