/** Rows for the cold tier's files: any that ClickHouse could hold. */
import fc from 'fast-check';
import {
  type ColdColumn,
  type ColdRow,
  type ColdTable,
  type ColdValue,
  compareRows,
} from '../../pipelines/cold/cold-table.ts';
import type { StoredFile } from '../../pipelines/cold/read-parquet.ts';
import { type FileFacts, ParquetFile } from '../../pipelines/cold/write-parquet.ts';

/** Whole characters only, as UTF-8 has them; a few beyond the first 65,536 and close to them, where orders differ. */
const text = fc.string({
  unit: fc.oneof(
    fc.constantFrom('a', 'b', '"', '\uffff', '😀', '\0'),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
  ),
  maxLength: 6,
});

/** Few, so that owners have several rows. */
const name = fc.constantFrom('', 'a', 'ab', 'b', 'é', '\uffee', '😀', "o'neil");

function anyValue({ name: column, kind, isNullable }: ColdColumn): fc.Arbitrary<ColdValue> {
  const present: fc.Arbitrary<ColdValue> = {
    text: column === 'source' ? fc.constantFrom('s/0', 's/1') : column.endsWith('_id') ? name : text,
    instant: fc.integer({ min: -2_208_988_800_000, max: 10_413_791_999_999 }),
    boolean: fc.boolean(),
    double: fc.double({ noNaN: true }),
    integer: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    unsigned: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    texts: fc.dictionary(text, text, { maxKeys: 3, noNullPrototype: true }),
  }[kind];
  return isNullable ? fc.option(present) : present;
}

/** Sorted, and no two from one place. */
export function sortedRows(
  table: ColdTable,
  { minLength = 0, maxLength = 60 }: { minLength?: number; maxLength?: number } = {},
): fc.Arbitrary<ColdRow[]> {
  const row = fc.tuple(...table.columns.map(anyValue));
  const [source, offset] = ['source', 'offset'].map((wanted) =>
    table.columns.findIndex((one) => one.name === wanted),
  ) as [number, number];
  return fc
    .uniqueArray(row, {
      minLength,
      maxLength,
      size: 'max',
      selector: (one) => `${String(one[source])}/${String(one[offset])}`,
    })
    .map((rows) => rows.sort((a, b) => compareRows(table, a, b)));
}

export interface WrittenFile {
  readonly bytes: Buffer;
  readonly facts: FileFacts;
}

/** Null for no rows. */
export function parquetOf(
  table: ColdTable,
  rows: readonly ColdRow[],
  groupRows?: number,
): WrittenFile | null {
  const file = new ParquetFile(table, groupRows === undefined ? {} : { groupRows });
  const parts = rows.map((row) => file.add(row)).filter((part) => part !== null);
  const end = file.end();
  return end === null ? null : { bytes: Buffer.concat([...parts, end.bytes]), facts: end.facts };
}

/** As a store gives it out, with what was asked of it. */
export function inMemory({
  bytes,
  facts,
}: WrittenFile): StoredFile & Pick<FileFacts, 'groups'> & { readonly reads: [number, number][] } {
  const reads: [number, number][] = [];
  const read = async (start: number, end: number) => {
    reads.push([start, end]);
    return bytes.subarray(start, end);
  };
  return { path: 'tracking/some.parquet', ...facts, read, reads };
}
