/** Reads RowBinary back, by ClickHouse's description of the format and by nothing of ours. */

type Reader = (cursor: Cursor) => unknown;

class Cursor {
  readonly bytes: Buffer;
  at = 0;
  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  take(size: number): Buffer {
    if (size > this.bytes.length - this.at) throw new RangeError('the row ends');
    this.at += size;
    return this.bytes.subarray(this.at - size, this.at);
  }

  length(): number {
    let value = 0;
    for (let unit = 1; ; unit *= 128) {
      const [byte = 0] = this.take(1);
      value += (byte & 127) * unit;
      if (byte < 128) return value;
    }
  }
}

const text: Reader = (cursor) => cursor.take(cursor.length()).toString('utf8');
const int64: Reader = (cursor) => cursor.take(8).readBigInt64LE();
const nullable =
  (inner: Reader): Reader =>
  (cursor) =>
    cursor.take(1)[0] === 1 ? null : inner(cursor);

export const READERS = {
  text,
  int64,
  time: (cursor: Cursor) => Number(int64(cursor)),
  double: (cursor: Cursor) => cursor.take(8).readDoubleLE(),
  boolean: (cursor: Cursor) => cursor.take(1)[0] === 1,
  map: (cursor: Cursor) => {
    const pairs: [unknown, unknown][] = [];
    for (let left = cursor.length(); left > 0; left -= 1) pairs.push([text(cursor), text(cursor)]);
    return pairs;
  },
  nullable,
} as const;

/** Every row of the buffers, by column name. @throws when they do not end with a row */
export function readRows(
  chunks: readonly Buffer[],
  columns: Readonly<Record<string, Reader>>,
): Record<string, unknown>[] {
  const cursor = new Cursor(Buffer.concat(chunks));
  const rows: Record<string, unknown>[] = [];
  while (cursor.at < cursor.bytes.length) {
    rows.push(Object.fromEntries(Object.entries(columns).map(([name, read]) => [name, read(cursor)])));
  }
  return rows;
}
