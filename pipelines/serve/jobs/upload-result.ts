/** Streams a report to Blob, holding one piece of it at a time. */
import { Readable } from 'node:stream';
import { blobFault } from '../../archive/blob-fault.ts';
import type { ArchivePlace } from '../../archive/listing.ts';
import { inPieces } from '../../common/pieces.ts';
import type { FormatName } from '../../report/report-output.ts';
import { contentTypeOf } from '../formats.ts';

const BLOCK_BYTES = 4 * 1024 * 1024;
const BLOCKS_AT_ONCE = 2;

export interface ResultUpload {
  /** Without the configured prefix. Nothing may lie there yet. */
  readonly path: string;
  readonly format: FormatName;
  readonly text: Iterable<string>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * @returns how many bytes it has
 * @throws {Outage}, what `text` throws, or the signal's reason
 */
export async function uploadResult(
  { container, prefix }: ArchivePlace,
  { path, format, text, signal }: ResultUpload,
): Promise<number> {
  let bytes = 0;
  const pieces = function* () {
    for (const piece of inPieces(text)) {
      signal?.throwIfAborted();
      const some = Buffer.from(piece);
      bytes += some.length;
      yield some;
    }
  };
  await container
    .getBlockBlobClient(prefix + path)
    .uploadStream(Readable.from(pieces()), BLOCK_BYTES, BLOCKS_AT_ONCE, {
      conditions: { ifNoneMatch: '*' },
      blobHTTPHeaders: { blobContentType: contentTypeOf(format) },
    })
    .catch((error: unknown) => {
      throw blobFault(error);
    });
  return bytes;
}
