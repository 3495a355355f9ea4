/** Writes one wrapper record: a few varints in front of the payload's own bytes, which are never decoded. */

import { writeLong } from '../common/avro/varint.ts';
import { FRAME_BYTES } from '../common/avro/wire-format.ts';
import type { RecordHeaders } from '../common/batch.ts';
import type { RecordCursor } from '../common/record-cursor.ts';

/** Bytes that the wrapper's fixed fields and the lengths of the others take at most, headers apart. */
const FIXED_BYTES = 64;
/** The same for one header. */
const HEADER_BYTES = 24;

/** Keys are short: up to here copying them in a loop costs less than a call into the runtime. */
const SHORT_BYTES = 24;

/** Kafka's word for "no timestamp". */
const NO_TIMESTAMP = -1;

/** Milliseconds. What a double cannot hold exactly is no time that anybody means. */
export function timestampOf({ timestamp }: RecordCursor): number {
  if (!Number.isFinite(timestamp)) return NO_TIMESTAMP;
  return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, timestamp));
}

/** Room that a record needs at most. */
export function mostBytesOf(record: RecordCursor): number {
  const { headers } = record;
  let bytes = FIXED_BYTES + Math.max(0, record.valueLength) + Math.max(0, record.keyLength);
  if (headers !== undefined) {
    for (const header of headers) {
      for (const name in header) bytes += HEADER_BYTES + Buffer.byteLength(name) + byteLength(header[name]);
    }
  }
  return bytes;
}

/** What all records of a segment have in common. */
export interface Coordinates {
  readonly partition: number;
  readonly schemaId: number;
}

/** The wrapper's fields up to `schema_id`. @returns the position behind them */
export function writeCoordinates(
  target: Buffer,
  from: number,
  record: RecordCursor,
  { partition, schemaId }: Coordinates,
): number {
  let at = writeLong(target, from, partition);
  at = writeLong(target, at, record.offset);
  at = writeLong(target, at, timestampOf(record));
  at = writeRange(target, at, record.keyBytes, { start: record.keyStart, length: record.keyLength });
  const { headers } = record;
  if (headers !== undefined && headers.length > 0) at = writeHeaders(target, at, headers);
  target[at++] = 0;
  return writeLong(target, at, schemaId);
}

/** The payload, without its frame. @returns the position behind it */
export function writePayload(target: Buffer, from: number, record: RecordCursor): number {
  const { bytes, valueStart, valueLength } = record;
  return from + bytes.copy(target, from, valueStart + FRAME_BYTES, valueStart + valueLength);
}

/** The whole value of a record that could not be decoded. @returns the position behind it */
export function writeWholeValue(target: Buffer, from: number, record: RecordCursor): number {
  return writeRange(target, from, record.bytes, { start: record.valueStart, length: record.valueLength });
}

/** `["null", "bytes"]`. @param length -1 for null */
function writeRange(
  target: Buffer,
  from: number,
  bytes: Buffer,
  { start, length }: { start: number; length: number },
): number {
  if (length < 0) {
    target[from] = 0;
    return from + 1;
  }
  target[from] = 2;
  const at = writeLong(target, from + 1, length);
  if (length > SHORT_BYTES) bytes.copy(target, at, start, start + length);
  else for (let index = 0; index < length; index += 1) target[at + index] = bytes[start + index] as number;
  return at + length;
}

function writeHeaders(target: Buffer, from: number, headers: RecordHeaders): number {
  let count = 0;
  for (const header of headers) for (const _name in header) count += 1;
  if (count === 0) return from;
  let at = writeLong(target, from, count);
  for (const header of headers) {
    for (const name in header) {
      const text = Buffer.from(name);
      at = writeLong(target, at, text.length);
      at += text.copy(target, at);
      const value = header[name];
      const bytes = typeof value === 'string' ? Buffer.from(value) : value;
      at = writeRange(target, at, bytes ?? text, { start: 0, length: bytes?.length ?? -1 });
    }
  }
  return at;
}

function byteLength(bytes: Buffer | string | null | undefined): number {
  if (bytes === null || bytes === undefined) return 0;
  return typeof bytes === 'string' ? Buffer.byteLength(bytes) : bytes.length;
}
