/** A cold table in the words of Parquet. */
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { SchemaElement } from 'hyparquet';
import type { ColdColumn, ColdTable, ColumnKind } from './cold-table.ts';

type Leaf = Omit<SchemaElement, 'name' | 'repetition_type'>;

const TEXT: Leaf = { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } };

const LEAVES: Readonly<Record<Exclude<ColumnKind, 'texts'>, Leaf>> = {
  text: TEXT,
  instant: {
    type: 'INT64',
    converted_type: 'TIMESTAMP_MILLIS',
    logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MILLIS' },
  },
  boolean: { type: 'BOOLEAN' },
  double: { type: 'DOUBLE' },
  // Without the logical type: hyparquet-writer 0.17 writes its bit width in a form that DuckDB refuses.
  integer: { type: 'INT64', converted_type: 'INT_64' },
  unsigned: { type: 'INT64', converted_type: 'UINT_64' },
};

export function schemaOf({ columns }: ColdTable): SchemaElement[] {
  return [{ name: 'schema', num_children: columns.length }, ...columns.flatMap(elementsOf)];
}

function elementsOf({ name, kind, isNullable }: ColdColumn): SchemaElement[] {
  const repetition_type = isNullable ? 'OPTIONAL' : 'REQUIRED';
  if (kind !== 'texts') return [{ ...LEAVES[kind], name, repetition_type }];
  return [
    { name, repetition_type, num_children: 1, converted_type: 'MAP', logical_type: { type: 'MAP' } },
    { name: 'key_value', repetition_type: 'REPEATED', num_children: 2 },
    { ...TEXT, name: 'key', repetition_type: 'REQUIRED' },
    { ...TEXT, name: 'value', repetition_type: 'REQUIRED' },
  ];
}

const { ZSTD_c_compressionLevel, ZSTD_c_checksumFlag } = constants;
/** With a checksum in each frame: a byte that has changed is noticed also by who reads but a part of a file. */
const ZSTD = { params: { [ZSTD_c_compressionLevel]: 3, [ZSTD_c_checksumFlag]: 1 } };

export const CODEC = 'ZSTD';
export const compressors = { ZSTD: (bytes: Uint8Array) => zstdCompressSync(bytes, ZSTD) };

export function decompressors(mostBytes: number) {
  return { ZSTD: (bytes: Uint8Array) => zstdDecompressSync(bytes, { maxOutputLength: mostBytes }) };
}
