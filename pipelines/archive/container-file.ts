/**
 * Avro object container files, written so that the same records under the same name give the same bytes.
 *
 * ```
 * ┌─────────┬──────────────────────────┬──────┬───────┬───────┬─────────────┬──────┬─────
 * │ Obj 0x01│ metadata: map of bytes   │ sync │ count │ bytes │ deflated    │ sync │ ...
 * │         │ avro.schema, avro.codec… │ 16 B │ long  │ long  │ records     │ 16 B │ next block
 * └─────────┴──────────────────────────┴──────┴───────┴───────┴─────────────┴──────┴─────
 * ```
 */
import { hash } from 'node:crypto';
import { longSize, writeLong } from '../common/avro/varint.ts';

export const MAGIC = Buffer.from('Obj\u0001', 'latin1');
export const SYNC_BYTES = 16;

/**
 * A block is closed by the record that reaches this many uncompressed bytes. Part of the format: it decides where
 * blocks end. Large enough for deflate to find what repeats, small enough for a reader to hold.
 */
export const BLOCK_BYTES = 256 * 1024;

/** Not random, as Avro would have it, but the same at every replay. @param path the segment's, without prefix */
export function syncMarker(path: string): Buffer {
  return hash('sha256', path, 'buffer').subarray(0, SYNC_BYTES);
}

/** A block's bytes around its compressed data, in order. */
export function framedBlock(count: number, data: readonly Buffer[], sync: Buffer): Buffer[] {
  const size = data.reduce((sum, piece) => sum + piece.length, 0);
  return [encodedLongs(count, size), ...data, sync];
}

/** @param metadata in the order in which it is written */
export function fileHeader(metadata: readonly (readonly [string, string])[], sync: Buffer): Buffer {
  const entries = metadata.flatMap(([key, value]) => [lengthPrefixed(key), lengthPrefixed(value)]);
  return Buffer.concat([MAGIC, encodedLongs(metadata.length), ...entries, encodedLongs(0), sync]);
}

function lengthPrefixed(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([encodedLongs(bytes.length), bytes]);
}

function encodedLongs(...values: number[]): Buffer {
  const bytes = Buffer.allocUnsafe(values.reduce((size, value) => size + longSize(value), 0));
  values.reduce((position, value) => writeLong(bytes, position, value), 0);
  return bytes;
}
