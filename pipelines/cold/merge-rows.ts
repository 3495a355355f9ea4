/** Several sorted inputs as one: day files and what a month already had. */
import TinyQueue from 'tinyqueue';
import { eachAtMost } from '../archive/each-at-most.ts';
import { type ColdRow, type ColdTable, compareRows } from './cold-table.ts';

/** Inputs whose first rows are waited for at the same time. */
const INPUTS_AT_ONCE = 8;
/** Rows of one output array. */
const AT_ONCE = 4_096;

export type SortedRows = AsyncIterable<readonly ColdRow[]>;

interface Cursor {
  readonly input: AsyncIterator<readonly ColdRow[]>;
  rows: readonly ColdRow[];
  at: number;
}

/**
 * A row that several inputs have (the same offset of the same source) comes once. Holds one array of each input. Whoever
 * ends early, or meets an error, has all inputs ended.
 */
export async function* mergeRows(
  table: ColdTable,
  inputs: readonly SortedRows[],
): AsyncGenerator<readonly ColdRow[]> {
  const cursors = inputs.map((one): Cursor => ({ input: one[Symbol.asyncIterator](), rows: [], at: 0 }));
  try {
    yield* merged(table, cursors);
  } finally {
    await Promise.all(cursors.map(({ input }) => input.return?.()));
  }
}

async function* merged(table: ColdTable, cursors: readonly Cursor[]): AsyncGenerator<readonly ColdRow[]> {
  const queue = new TinyQueue<Cursor>([], (a, b) => compareRows(table, rowOf(a), rowOf(b)));
  await eachAtMost(INPUTS_AT_ONCE, cursors, async (cursor) => {
    if (await fill(cursor)) queue.push(cursor);
  });
  let some: ColdRow[] = [];
  let last: ColdRow | null = null;
  for (let cursor = queue.pop(); cursor !== undefined; cursor = queue.pop()) {
    const row = rowOf(cursor);
    if (last === null || compareRows(table, last, row) !== 0) some.push(row);
    last = row;
    cursor.at += 1;
    if (cursor.at < cursor.rows.length || (await fill(cursor))) queue.push(cursor);
    if (some.length >= AT_ONCE) {
      yield some;
      some = [];
    }
  }
  if (some.length > 0) yield some;
}

function rowOf({ rows, at }: Cursor): ColdRow {
  return rows[at] as ColdRow;
}

async function fill(cursor: Cursor): Promise<boolean> {
  for (;;) {
    const { done, value } = await cursor.input.next();
    if (done === true) return false;
    if (value.length === 0) continue;
    cursor.rows = value;
    cursor.at = 0;
    return true;
  }
}
