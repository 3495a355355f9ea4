/** The JSON text of a record, in one piece or, where its entries are made as they are read, in one for each of them. */
import { canonicalJson, type JsonValue } from '../profiles/fold/json-value.ts';
import type { StreamedRecord } from './report.ts';

export interface JsonStyle {
  /** Keys in the order of their UTF-16 code units, else as they stand. */
  readonly isSorted: boolean;
  readonly colon: string;
  /** What stands in front of a member or element that lies so deep, and of the end of an object or a list. */
  readonly lineAt: (depth: number) => string;
  /** @param depth how deep the value lies in the text around it */
  readonly textOf: (value: unknown, depth: number) => string;
}

/** As `canonicalJson` has it. */
export const CANONICAL: JsonStyle = {
  isSorted: true,
  colon: ':',
  lineAt: () => '',
  textOf: (value) => canonicalJson(value as JsonValue),
};

/** As `JSON.stringify(value)` has it. */
export const COMPACT: JsonStyle = {
  isSorted: false,
  colon: ':',
  lineAt: () => '',
  textOf: (value) => JSON.stringify(value),
};

/** As `JSON.stringify(value, null, 2)` has it. */
export const INDENTED: JsonStyle = {
  isSorted: false,
  colon: ': ',
  lineAt: (depth) => `\n${'  '.repeat(depth)}`,
  // Text within strings has no line ends of its own: JSON escapes them.
  textOf: (value, depth) => JSON.stringify(value, null, 2).replaceAll('\n', INDENTED.lineAt(depth)),
};

/** @param record one with lists, or with others of which each element is told as it is read */
export function* recordPieces(
  record: StreamedRecord | Readonly<Record<string, unknown>>,
  style: JsonStyle,
  depth = 0,
): Generator<string> {
  const { isSorted, colon, lineAt, textOf } = style;
  const members = Object.entries(record);
  if (!members.some(([, value]) => isStreamed(value))) {
    yield textOf(record, depth);
    return;
  }
  if (isSorted) members.sort(([a], [b]) => (a < b ? -1 : 1));
  let separator = '{';
  for (const [key, value] of members) {
    yield `${separator}${lineAt(depth + 1)}${JSON.stringify(key)}${colon}`;
    if (isStreamed(value)) yield* listPieces(value, style, depth + 1);
    else yield textOf(value, depth + 1);
    separator = ',';
  }
  yield `${lineAt(depth)}}`;
}

function isStreamed(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Symbol.iterator in value;
}

/** @param piecesOf of one element; in one piece unless told otherwise */
export function* listPieces<Item>(
  items: Iterable<Item>,
  { lineAt, textOf }: JsonStyle,
  depth: number,
  piecesOf = (item: Item, at: number): Iterable<string> => [textOf(item, at)],
): Generator<string> {
  let separator = '[';
  for (const item of items) {
    yield `${separator}${lineAt(depth + 1)}`;
    yield* piecesOf(item, depth + 1);
    separator = ',';
  }
  yield separator === '[' ? '[]' : `${lineAt(depth)}]`;
}
