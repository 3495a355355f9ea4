/** The pieces of ClickHouse's RowBinary format: little endian, lengths as LEB128, no names. (ClickHouse docs, "RowBinary") */
import { isUtf8 } from 'node:buffer';

/** Shorter texts are copied in a loop: a call into the runtime costs more than the bytes. */
const SHORT_TEXT_BYTES = 64;

const TWO_32 = 0x1_0000_0000;

/** @returns the position behind it */
export function writeLength(target: Buffer, position: number, length: number): number {
  let at = position;
  let rest = length;
  for (; rest > 127; rest >>>= 7) target[at++] = (rest & 127) | 128;
  target[at++] = rest;
  return at;
}

/** Int64, UInt64 or DateTime64(3) of a safe integer. @returns the position behind it */
export function writeInt64(target: DataView, position: number, value: number): number {
  target.setUint32(position, value >>> 0, true);
  target.setInt32(position + 4, Math.floor(value / TWO_32), true);
  return position + 8;
}

/** Copies texts out of one buffer into another. One object serves many: a hot loop cannot afford one for each text. */
export class TextCopier {
  source: Buffer = Buffer.alloc(0);
  target: Buffer = Buffer.alloc(0);

  /** Copies the bytes `[start, end)` to `position`. @returns false when they are not UTF-8 */
  copy(start: number, end: number, position: number): boolean {
    const { source, target } = this;
    if (end - start > SHORT_TEXT_BYTES) {
      const text = source.subarray(start, end);
      target.set(text, position);
      return isUtf8(text);
    }
    let seen = 0;
    for (let from = start, to = position; from < end; from += 1, to += 1) {
      const byte = source[from] as number;
      target[to] = byte;
      seen |= byte;
    }
    return seen < 128 || isUtf8(source.subarray(start, end));
  }
}

/** The whole of `bytes` to `position`. @returns the position behind it */
export function writeBytes(target: Buffer, position: number, bytes: Buffer): number {
  for (let index = 0; index < bytes.length; index += 1) target[position + index] = bytes[index] as number;
  return position + bytes.length;
}

/** A String as it stands in a row, length first. */
export function encodeText(text: string): Buffer {
  const bytes = Buffer.from(text);
  const encoded = Buffer.alloc(bytes.length + 5);
  const at = writeLength(encoded, 0, bytes.length);
  return encoded.subarray(0, at + bytes.copy(encoded, at));
}
