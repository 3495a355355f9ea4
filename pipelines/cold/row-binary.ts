/** A row as the pipelines write it to ClickHouse (RowBinary), as a row of the cold tier: the columns are the same, in the same order. */
import type { ColdRow, ColdTable, ColdValue, ColumnKind, Owner } from './cold-table.ts';

/** @param row the bytes of one row */
export function coldRowOf({ columns }: ColdTable, row: Buffer): ColdRow {
  const cursor = new Cursor(row);
  const values = columns.map(
    ({ kind, isNullable }): ColdValue => (isNullable && cursor.byte() === 1 ? null : READERS[kind](cursor)),
  );
  if (!cursor.isAtEnd) throw new RangeError('the row has more columns than its table');
  return values;
}

/** Whose row it is: the two texts that it begins with. */
export function ownerOfRow(row: Buffer): Owner {
  const cursor = new Cursor(row);
  return [cursor.text(), cursor.text()];
}

const READERS: Readonly<Record<ColumnKind, (cursor: Cursor) => ColdValue>> = {
  text: (cursor) => cursor.text(),
  instant: (cursor) => Number(cursor.take(8).readBigInt64LE()),
  boolean: (cursor) => cursor.byte() === 1,
  double: (cursor) => cursor.take(8).readDoubleLE(),
  integer: (cursor) => cursor.take(8).readBigInt64LE(),
  unsigned: (cursor) => cursor.take(8).readBigUInt64LE(),
  texts: (cursor) => {
    const pairs: [string, string][] = [];
    for (let left = cursor.length(); left > 0; left -= 1) pairs.push([cursor.text(), cursor.text()]);
    return Object.fromEntries(pairs);
  },
};

class Cursor {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  take(size: number): Buffer {
    this.#at += size;
    if (this.#at > this.#bytes.length) throw new RangeError('the row ends within a column');
    return this.#bytes.subarray(this.#at - size, this.#at);
  }

  byte(): number {
    return this.take(1).readUInt8();
  }

  /** LEB128. */
  length(): number {
    let value = 0;
    for (let unit = 1; ; unit *= 128) {
      const byte = this.byte();
      value += (byte & 127) * unit;
      if (byte < 128) return value;
    }
  }

  text(): string {
    return this.take(this.length()).toString('utf8');
  }
}
