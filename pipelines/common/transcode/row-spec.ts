/** How records of one topic become rows of one table: the columns of the INSERT and what must hold of each. */
import type { DeadLetterCodeName } from '../dead-letters/codes.ts';
import type { ReaderSchema } from './reader-schema.ts';

/**
 * What a column holds, and so what its field is checked for:
 * - `id`: text, neither empty nor longer than MAX_ID_BYTES
 * - `text`, `textOrNull`: UTF-8
 * - `symbol`: an enum's symbol as the writer spelled it
 * - `time`: milliseconds within the limits of the configuration
 * - `planOrNull`: a time that somebody intends; what DateTime64 cannot hold is moved to its nearest end
 * - `booleanOrFalse`, `doubleOrNull`, `longOrNull`, `textMap`
 * - `constant`: the same text in every row of the spec
 * - `source`, `offset`, `recordedAt`: where the record stood in Kafka, and its Kafka timestamp
 */
export type ColumnKind =
  | 'id'
  | 'text'
  | 'textOrNull'
  | 'symbol'
  | 'time'
  | 'planOrNull'
  | 'booleanOrFalse'
  | 'doubleOrNull'
  | 'longOrNull'
  | 'textMap'
  | 'constant'
  | 'source'
  | 'offset'
  | 'recordedAt';

/** ClickHouse's types of the bytes that are written for each kind. */
const SQL_TYPES: Readonly<Record<ColumnKind, string>> = {
  id: 'String',
  text: 'String',
  textOrNull: 'Nullable(String)',
  symbol: 'String',
  time: "DateTime64(3, 'UTC')",
  planOrNull: "Nullable(DateTime64(3, 'UTC'))",
  booleanOrFalse: 'Bool',
  doubleOrNull: 'Nullable(Float64)',
  longOrNull: 'Nullable(Int64)',
  textMap: 'Map(String, String)',
  constant: 'String',
  source: 'String',
  offset: 'UInt64',
  recordedAt: "DateTime64(3, 'UTC')",
};

export interface Column {
  readonly name: string;
  readonly kind: ColumnKind;
}

/** Ids stand in sort keys and in indexes held in memory. */
export const MAX_ID_BYTES = 1024;

/** An accepted row, to be looked at before the next one replaces it. */
export interface RowView {
  /** Null for a null. @param column a column that holds text or a symbol */
  text(column: string): string | null;
  /** Milliseconds. */
  time(column: string): number;
}

export interface RowFault {
  readonly code: DeadLetterCodeName;
  readonly column: string;
  readonly detail: string;
}

export interface RowSpec {
  readonly reader: ReaderSchema;
  readonly columns: readonly Column[];
  /** Texts of the `constant` columns, by column name. */
  readonly constants?: Readonly<Record<string, string>>;
  /** The two columns that make the message key, `<first>/<second>`. */
  readonly key: readonly [string, string];
  /** What no column can check by itself. Null when all is well. */
  judge?(row: RowView): RowFault | null;
}

/** The columns as ClickHouse is told of them. */
export function sqlColumns(columns: readonly Column[]): { readonly name: string; readonly type: string }[] {
  return columns.map(({ name, kind }) => ({ name, type: SQL_TYPES[kind] }));
}
