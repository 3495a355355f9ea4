/** Puts segments into the container, each once and for good: nothing there is ever overwritten. */
import { hash } from 'node:crypto';
import type { BlockBlobClient, ContainerClient } from '@azure/storage-blob';
import { blobErrorCode } from '../common/blob/container.ts';
import { Outage, PartitionStopped } from '../common/errors.ts';
import { blobFault } from './blob-fault.ts';
import type { Segment } from './encode-batch.ts';
import { fromBlobMetadata, toBlobMetadata } from './segment-metadata.ts';

/** `created`; or `present`: an earlier attempt, of this process or another, had created the very same. */
export type Creation = 'created' | 'present';

/** Answers to a conditional creation where a blob of that name is, or may be: the last when it may not be changed either. */
const OCCUPIED: ReadonlySet<string> = new Set([
  'BlobAlreadyExists',
  'ConditionNotMet',
  'BlobImmutableDueToPolicy',
]);

export class SegmentStore {
  readonly #container: ContainerClient;
  readonly #prefix: string;

  constructor(container: ContainerClient, prefix: string) {
    this.#container = container;
    this.#prefix = prefix;
  }

  /**
   * @throws {Outage} the store cannot be reached, or it is not known whether it did as it was told: ask again
   * @throws {PartitionStopped} another segment stands under this name
   */
  async create({ file, metadata }: Segment): Promise<Creation> {
    const blob = this.#container.getBlockBlobClient(this.#prefix + file.path);
    try {
      await blob.upload(file.bytes, file.bytes.length, {
        conditions: { ifNoneMatch: '*' },
        metadata: toBlobMetadata(metadata),
        blobHTTPHeaders: { blobContentType: 'application/avro' },
      });
      return 'created';
    } catch (error) {
      if (!OCCUPIED.has(blobErrorCode(error) ?? '')) throw blobFault(error);
    }
    await this.#compare(blob, { file, metadata });
    return 'present';
  }

  /** Equal is done. The bytes may differ where only the compression does: then the content decides. */
  async #compare(blob: BlockBlobClient, { file, metadata }: Segment): Promise<void> {
    const found = await blob.getProperties().catch((error: unknown) => {
      throw isGone(error)
        ? new Outage('blob', `${file.path} was there and is not any more`)
        : blobFault(error);
    });
    const theirs = fromBlobMetadata(found.metadata);
    if (theirs === null && found.contentLength === file.bytes.length) {
      // Not written by us, or copied here without its metadata: its bytes can still be the right ones.
      const bytes = await blob.downloadToBuffer().catch((error: unknown) => {
        throw blobFault(error);
      });
      if (hash('sha256', bytes) === file.sha256) return;
    } else if (theirs?.sha256 === file.sha256) {
      return;
    } else if (theirs?.contentSha256 === file.contentSha256 && theirs.count === metadata.count) {
      return;
    }
    throw new PartitionStopped(
      'segment_conflict',
      `${this.#prefix}${file.path} exists with other content (sha256 ${theirs?.sha256 ?? 'unknown'}, would be ${file.sha256}): ` +
        `compare it with \`campaign-ledger archive verify --deep\` before anything else; it is never overwritten`,
    );
  }
}

function isGone(error: unknown): boolean {
  return (error as { statusCode?: unknown } | null)?.statusCode === 404;
}
