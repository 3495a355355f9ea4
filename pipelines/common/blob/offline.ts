/** Blobs in the archive tier: there, whole, and not to be read before somebody has them brought back. */
import { blobErrorCode } from './errors.ts';

/** https://learn.microsoft.com/azure/storage/blobs/archive-rehydrate-overview */
export const REHYDRATION_TAKES = 'up to 15 hours, with --priority high mostly less than one';

/** The blob is whole, as far as anybody knows: neither damage nor an outage, and waiting alone does not help. */
export class OfflineBlob extends Error {
  override readonly name = 'OfflineBlob';
  /** Without the configured prefix. */
  readonly path: string;

  constructor(path: string, options?: ErrorOptions) {
    super(
      `${path} is offline, in the archive tier: \`campaign-ledger archive rehydrate ${path}\` brings it back, which takes ${REHYDRATION_TAKES}`,
      options,
    );
    this.path = path;
  }
}

/** @param path without the configured prefix @returns null for any other error */
export function offlineBlob(error: unknown, path: string): OfflineBlob | null {
  return blobErrorCode(error) === 'BlobArchived' ? new OfflineBlob(path, { cause: error }) : null;
}
