/** Avro's integers: zigzag (0, -1, 1, -2 … become 0, 1, 2, 3 …), seven bits a byte, lowest first, high bit set but on the last. */

/** An int of 32 bits takes at most this many bytes, a long of 64 bits that many. */
export const MAX_INT_BYTES = 5;
export const MAX_LONG_BYTES = 10;

/** Where reading stopped. One object serves many calls: an object for each number would cost more than the number. */
export interface Cursor {
  position: number;
}

/** Bytes that `writeLong` takes. @param value a whole number of at most 64 bits */
export function longSize(value: number): number {
  let size = 1;
  for (let rest = Math.floor(magnitude(value) / 64); rest > 0; rest = Math.floor(rest / 128)) size += 1;
  return size;
}

/** @param value a whole number of at most 64 bits @returns the position behind it */
export function writeLong(target: Uint8Array, position: number, value: number): number {
  let at = position;
  if (value >= -0x4000_0000 && value < 0x4000_0000) {
    return writeBits(target, at, ((value << 1) ^ (value >> 31)) >>> 0);
  }
  // Shifts work on 32 bits only: the sign bit and the lowest 27 go first, then the rest in pieces of 28.
  let rest = magnitude(value);
  let bits = (rest % 0x800_0000) * 2 + (value < 0 ? 1 : 0);
  rest = Math.floor(rest / 0x800_0000);
  while (rest > 0) {
    target[at++] = (bits & 127) | 128;
    target[at++] = ((bits >>> 7) & 127) | 128;
    target[at++] = ((bits >>> 14) & 127) | 128;
    target[at++] = (bits >>> 21) | 128;
    bits = rest % 0x1000_0000;
    rest = Math.floor(rest / 0x1000_0000);
  }
  return writeBits(target, at, bits);
}

/** @param bits at most 32, unsigned */
function writeBits(target: Uint8Array, position: number, bits: number): number {
  let at = position;
  let rest = bits;
  for (; rest > 127; rest >>>= 7) target[at++] = (rest & 127) | 128;
  target[at++] = rest;
  return at;
}

/** Zigzag without its sign bit: n for n ≥ 0, -n - 1 below. */
function magnitude(value: number): number {
  return value < 0 ? -(value + 1) : value;
}

/**
 * Reads a long as a double: exact up to 2^53, beyond that the nearest double, with the right sign always.
 * @returns NaN when the bytes end first, or are not the encoding of a 64-bit number; the cursor then stands at the fault
 */
export function readLong(source: Uint8Array, cursor: Cursor, end: number): number {
  let at = cursor.position;
  const limit = Math.min(end, at + MAX_LONG_BYTES);
  if (at >= limit) return Number.NaN;
  let byte = source[at++] as number;
  const isNegative = (byte & 1) === 1;
  let whole = (byte & 127) >> 1;
  for (let unit = 64; byte > 127; unit *= 128) {
    if (at >= limit) return stop(cursor, at);
    byte = source[at++] as number;
    whole += (byte & 127) * unit;
  }
  // The tenth byte has room for one bit.
  if (at - cursor.position === MAX_LONG_BYTES && byte > 1) return stop(cursor, at - 1);
  cursor.position = at;
  return isNegative ? -whole - 1 : whole;
}

/** As `readLong` for an int: exact, and NaN when the number does not fit into 32 bits. */
export function readInt(source: Uint8Array, cursor: Cursor, end: number): number {
  let at = cursor.position;
  const limit = Math.min(end, at + MAX_INT_BYTES);
  let bits = 0;
  for (let shift = 0; at < limit; shift += 7) {
    const byte = source[at++] as number;
    bits |= (byte & 127) << shift;
    if (byte > 127) continue;
    if (shift === 28 && byte > 15) return stop(cursor, at - 1);
    cursor.position = at;
    return (bits >>> 1) ^ -(bits & 1);
  }
  return stop(cursor, at);
}

function stop(cursor: Cursor, at: number): number {
  cursor.position = at;
  return Number.NaN;
}
