/** Writes one wrapper record: a few varints in front of the payload's own bytes, which are never decoded. */

import { writeLong } from '../common/avro/varint.ts';
import { FRAME_BYTES } from '../common/avro/wire-format.ts';
import type { KafkaRecord } from '../common/batch.ts';
import { NO_SCHEMA_ID } from './wrapper-schema.ts';

/** Bytes that the wrapper's fixed fields and the lengths of the others take at most, headers apart. */
const FIXED_BYTES = 64;
/** The same for one header. */
const HEADER_BYTES = 24;

/** Kafka's word for "no timestamp". */
const NO_TIMESTAMP = -1;

/** Milliseconds. What a double cannot hold exactly is no time that anybody means. */
export function timestampOf(record: KafkaRecord): number {
  const { timestamp } = record;
  if (timestamp === undefined || !Number.isFinite(timestamp)) return NO_TIMESTAMP;
  return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, timestamp));
}

/** Room that a record needs at most. */
export function mostBytesOf(record: KafkaRecord): number {
  let bytes = FIXED_BYTES + (record.value?.length ?? 0) + byteLength(record.key);
  if (record.headers !== undefined) {
    for (const header of record.headers) {
      for (const name in header) bytes += HEADER_BYTES + Buffer.byteLength(name) + byteLength(header[name]);
    }
  }
  return bytes;
}

/** The wrapper's fields up to `schema_id`. @returns the position behind them */
export function writeCoordinates(
  target: Buffer,
  from: number,
  record: KafkaRecord,
  schemaId: number,
): number {
  let at = writeLong(target, from, record.partition);
  at = writeLong(target, at, record.offset);
  at = writeLong(target, at, timestampOf(record));
  at = writeNullable(target, at, record.key);
  if (record.headers !== undefined && record.headers.length > 0)
    at = writeHeaders(target, at, record.headers);
  target[at++] = 0;
  return writeLong(target, at, schemaId);
}

/** The payload, without its frame. @returns the position behind it */
export function writePayload(target: Buffer, from: number, value: Buffer): number {
  // `set` of the whole value takes half the time of a `subarray` or `copy` without the frame. The frame then lies over
  // the last bytes in front of the payload (there are always more than five), which are put back.
  const start = from - FRAME_BYTES;
  const [a, b, c, d, e] = [
    target[start],
    target[start + 1],
    target[start + 2],
    target[start + 3],
    target[start + 4],
  ];
  target.set(value, start);
  target[start] = a as number;
  target[start + 1] = b as number;
  target[start + 2] = c as number;
  target[start + 3] = d as number;
  target[start + 4] = e as number;
  return start + value.length;
}

/** A record that could not be decoded, with its whole value. @returns the position behind it */
export function writeUndecodable(target: Buffer, from: number, record: KafkaRecord): number {
  return writeNullable(target, writeCoordinates(target, from, record, NO_SCHEMA_ID), record.value);
}

type Bytes = Buffer | string | null | undefined;

/** `["null", "bytes"]` */
function writeNullable(target: Buffer, from: number, bytes: Bytes): number {
  if (bytes === null || bytes === undefined) {
    target[from] = 0;
    return from + 1;
  }
  target[from] = 2;
  return writeBytes(target, from + 1, bytes);
}

function writeBytes(target: Buffer, from: number, bytes: Buffer | string): number {
  const length = byteLength(bytes);
  const at = writeLong(target, from, length);
  if (typeof bytes === 'string') target.write(bytes, at);
  // Keys are short: a call of `set` costs more than copying them does.
  else if (length <= 40)
    for (let index = 0; index < length; index++) target[at + index] = bytes[index] as number;
  else target.set(bytes, at);
  return at + length;
}

function writeHeaders(target: Buffer, from: number, headers: NonNullable<KafkaRecord['headers']>): number {
  let count = 0;
  for (const header of headers) for (const _name in header) count += 1;
  if (count === 0) return from;
  let at = writeLong(target, from, count);
  for (const header of headers) {
    for (const name in header) at = writeNullable(target, writeBytes(target, at, name), header[name]);
  }
  return at;
}

function byteLength(bytes: Bytes): number {
  if (bytes === null || bytes === undefined) return 0;
  return typeof bytes === 'string' ? Buffer.byteLength(bytes) : bytes.length;
}
