/** Rows in ClickHouse's tables that are to go into the cold tier. */
import { type ColdRow, type ColdTable, compareRows, EVENTS } from '../../pipelines/cold/cold-table.ts';
import type { Extent } from '../../pipelines/cold/exported.ts';
import type { LedgerDatabase } from './ledger-database.ts';

export const DAY_MS = 86_400_000;
export const FIRST_DAY = Date.UTC(2026, 7, 1);
const TOPIC_ID = '0123456789abcdef0123456789abcdef';
export const SOURCES = [0, 1, 10].map((partition) => `${TOPIC_ID}/${partition}`);

const indexOf = ({ columns }: ColdTable, name: string) => columns.findIndex((column) => column.name === name);

/** Rows as a pipeline could have written them: within some days from the first of August on, from three partitions. */
export function plausible(
  table: ColdTable,
  rows: readonly ColdRow[],
  { days = 10, apart = 1 }: { readonly days?: number; readonly apart?: number } = {},
): ColdRow[] {
  const [source, offset, instant = 0] = [indexOf(table, 'source'), indexOf(table, 'offset'), table.order[0]];
  return rows
    .map((row, index) =>
      row.map((value, column) => {
        if (column === source) return SOURCES[index % 3] ?? '';
        if (column === offset) return BigInt(Math.floor(index / 3) * 7);
        if (table.columns[column]?.kind !== 'instant' || value === null) return value;
        const day = column === instant ? (index % days) * apart : 3;
        return FIRST_DAY + day * DAY_MS + (Math.abs(value as number) % DAY_MS);
      }),
    )
    .sort((a, b) => compareRows(table, a, b));
}

export async function insertRows(
  ledger: LedgerDatabase,
  table: ColdTable,
  rows: readonly ColdRow[],
): Promise<void> {
  const values = rows.map((row) =>
    Object.fromEntries(
      table.columns.map(({ name, kind }, index) => {
        const value = row[index] ?? null;
        if (kind === 'instant' && value !== null)
          return [name, new Date(value as number).toISOString().slice(0, -1)];
        // As text: JSON has neither infinities nor a zero below zero.
        if (kind === 'double' && value !== null)
          return [name, Object.is(value, -0) ? '-0' : String(value).replace('Infinity', 'inf')];
        return [name, typeof value === 'bigint' ? String(value) : value];
      }),
    ),
  );
  await ledger.insert(table.name, values);
}

const at = (name: string) => indexOf(EVENTS, name);
const [SOURCE, OFFSET, OCCURRED] = [at('source'), at('offset'), at('occurred_at')];

/** Whether an event is within the extent, by its own columns. */
export function isEventIn({ through, next }: Extent, row: ColdRow): boolean {
  return (
    through !== null &&
    new Date(row[OCCURRED] as number).toISOString().slice(0, 10) <= through &&
    (row[OFFSET] as bigint) < BigInt(next[row[SOURCE] as string] ?? 0)
  );
}

/** `2026-08-01` for 0. */
export const dayText = (index: number) => new Date(FIRST_DAY + index * DAY_MS).toISOString().slice(0, 10);
