/** Harm done to an archive by other hands, and how to undo it. */
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob';
import { BatchSchemas, SegmentSchemas } from '../../pipelines/archive/batch-schemas.ts';
import { encodeBatch } from '../../pipelines/archive/encode-batch.ts';
import { toBlobMetadata } from '../../pipelines/archive/segment-metadata.ts';
import { headPath } from '../../pipelines/archive/segment-path.ts';
import type { KafkaRecord, OffsetRange, PartitionRef } from '../../pipelines/common/batch.ts';
import { systemClock } from '../../pipelines/common/clock.ts';
import { WriterSchemas } from '../../pipelines/common/registry/writer-schemas.ts';
import { type ArchivedSegment, readArchive } from './archive-witness.ts';
import type { SeenRecord } from './kafka-witness.ts';
import type { WholeLedger } from './whole-ledger.ts';

interface Original {
  readonly path: string;
  readonly bytes: Buffer;
  readonly metadata: Record<string, string>;
}

export class ArchiveDamage {
  readonly #ledger: WholeLedger;
  readonly #container: ContainerClient;
  readonly #originals: Original[] = [];
  readonly #added: string[] = [];
  #segments: readonly ArchivedSegment[] | null = null;

  constructor(ledger: WholeLedger) {
    const { connectionString, container } = ledger.config.blob;
    this.#ledger = ledger;
    const service = BlobServiceClient.fromConnectionString(connectionString ?? '');
    this.#container = service.getContainerClient(container);
  }

  /** The segments of the first batch of a partition, as they were before any harm. */
  async firstBatch(topic: string, partition: number): Promise<ArchivedSegment[]> {
    // Read once: it is every segment that there is.
    this.#segments ??= await readArchive(this.#ledger.config);
    const all = this.#segments.filter((one) => one.topic === topic && one.partition === partition);
    return all.filter(({ first }) => first === all[0]?.first);
  }

  async remove({ path }: ArchivedSegment): Promise<void> {
    await this.#keep(path);
    await this.#blob(path).delete();
  }

  async rewrite({ path }: ArchivedSegment, change: (bytes: Buffer) => Buffer): Promise<void> {
    const { bytes, metadata } = await this.#keep(path);
    await this.#put(path, change(bytes), metadata);
  }

  /** @returns the path of the copy, which speaks of other offsets */
  async copy({ path, ...from }: ArchivedSegment, to: OffsetRange): Promise<string> {
    const named = ({ first, last }: OffsetRange) =>
      [first, last].map((offset) => `-${String(offset).padStart(20, '0')}`).join('');
    const copied = path.replace(named(from), named(to));
    const { bytes, metadata } = await this.#keep(path);
    this.#added.push(copied);
    await this.#put(copied, bytes, metadata);
    return copied;
  }

  /** Replaces a batch by one of other records that is whole in itself, with the checksums of what it holds. */
  async forge(batch: readonly ArchivedSegment[], records: readonly SeenRecord[]): Promise<void> {
    const [one] = batch;
    if (one === undefined) throw new Error('no batch');
    for (const segment of batch) await this.remove(segment);
    const clients = { settings: this.#ledger.config.schemaRegistry, clock: systemClock };
    const schemas = new WriterSchemas(clients);
    const forged = await encodeBatch(
      { source: one, first: one.first, last: one.last, bytes: 0, records: records.map(asKafkaRecord) },
      new BatchSchemas(new SegmentSchemas(schemas), null),
    );
    await schemas.close();
    for (const { file, metadata } of forged) {
      this.#added.push(file.path);
      await this.#put(file.path, file.bytes, toBlobMetadata(metadata));
    }
  }

  /** The head claims so many offsets more than there are. */
  async advanceHead(source: PartitionRef, offsets: number): Promise<void> {
    const path = headPath(source);
    const { bytes, metadata } = await this.#keep(path);
    const head = JSON.parse(bytes.toString()) as { next: number };
    await this.#put(path, Buffer.from(JSON.stringify({ ...head, next: head.next + offsets })), metadata);
  }

  async undo(): Promise<void> {
    for (const path of this.#added.splice(0)) await this.#blob(path).deleteIfExists();
    for (const { path, bytes, metadata } of this.#originals.splice(0).reverse())
      await this.#put(path, bytes, metadata);
  }

  async #keep(path: string): Promise<Original> {
    const { metadata = {} } = await this.#blob(path).getProperties();
    const original = { path, bytes: await this.#blob(path).downloadToBuffer(), metadata };
    this.#originals.push(original);
    return original;
  }

  async #put(path: string, bytes: Buffer, metadata: Record<string, string>): Promise<void> {
    await this.#blob(path).upload(bytes, bytes.length, { metadata });
  }

  #blob(path: string) {
    return this.#container.getBlockBlobClient(this.#ledger.config.blob.prefix + path);
  }
}

function asKafkaRecord({ headers, value, ...record }: SeenRecord): KafkaRecord {
  const own = headers.map(([name, content]) => ({ [name]: Buffer.from(content, 'latin1') }));
  return { ...record, value, size: value?.length ?? 0, headers: own };
}
