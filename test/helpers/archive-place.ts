/** A part of the shared stack's container for one test, with sinks that write to it and the records that Kafka would have. */
import { randomUUID } from 'node:crypto';
import type { ContainerClient } from '@azure/storage-blob';
import { ArchiveSink } from '../../pipelines/archive/archive-sink.ts';
import { SegmentSchemas } from '../../pipelines/archive/batch-schemas.ts';
import { type Head, HeadStore } from '../../pipelines/archive/head.ts';
import { SegmentStore } from '../../pipelines/archive/segment-store.ts';
import type { Batch, KafkaRecord, PartitionRef } from '../../pipelines/common/batch.ts';
import { createLogger } from '../../pipelines/common/logger.ts';
import { createMetrics } from '../../pipelines/common/metrics.ts';
import type { WriterSchemas } from '../../pipelines/common/registry/writer-schemas.ts';

export interface Place {
  readonly container: ContainerClient;
  readonly prefix: string;
  readonly source: PartitionRef;
}

export interface StoredBlob {
  /** Without the prefix. */
  readonly path: string;
  readonly etag: string | undefined;
  readonly metadata: Record<string, string>;
}

/** Two places with one source get the very same segments. */
export function newPlace(container: ContainerClient, source?: PartitionRef): Place {
  const unique = randomUUID().replaceAll('-', '');
  return {
    container,
    prefix: `archive-test-${unique}/`,
    source: source ?? { topic: 'campaign.feedback', topicId: unique, partition: 4 },
  };
}

/** @param through another way to the same container */
export function newSink(
  { container, prefix }: Place,
  schemas: WriterSchemas,
  through = container,
): ArchiveSink {
  return new ArchiveSink({
    heads: new HeadStore(through, prefix),
    segments: new SegmentStore(through, prefix),
    schemas: new SegmentSchemas(schemas),
    metrics: createMetrics(),
    logger: createLogger({ level: 'silent', format: 'json' }),
    close: async () => {},
  });
}

export async function headOf({ container, prefix, source }: Place): Promise<Head | null> {
  return (await new HeadStore(container, prefix).read(source)).head;
}

export async function blobsOf({ container, prefix }: Place): Promise<StoredBlob[]> {
  const blobs: StoredBlob[] = [];
  for await (const { name, properties, metadata = {} } of container.listBlobsFlat({
    prefix,
    includeMetadata: true,
  })) {
    blobs.push({ path: name.slice(prefix.length), etag: properties.etag, metadata });
  }
  return blobs;
}

export async function segmentsOf(place: Place): Promise<StoredBlob[]> {
  return (await blobsOf(place)).filter(({ path }) => path.endsWith('.avro'));
}

/** A record of this place. `timestamp` in milliseconds. */
export function recordIn(
  { source: { topic, partition } }: Place,
  { offset, timestamp, value }: Pick<KafkaRecord, 'offset' | 'value'> & { readonly timestamp: number },
): KafkaRecord {
  return { topic, partition, offset, timestamp, key: null, value, size: value?.length ?? 0 };
}

export function batchIn(
  { source }: Place,
  records: readonly KafkaRecord[],
  first: number,
  last: number,
): Batch {
  return { source, first, last, records, bytes: records.reduce((sum, { size }) => sum + size, 0) };
}

/** @returns the schema's id */
export async function registerSchema(url: string, subject: string, schema: unknown): Promise<number> {
  const answer = await fetch(`${url}/subjects/${subject}/versions`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({ schema: JSON.stringify(schema) }),
  });
  const { id } = (await answer.json()) as { id: number };
  return id;
}
