/** What goes from ClickHouse into the cold tier: each row once, in the order of the files, none that is there already. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import {
  CAMPAIGNS,
  type ColdRow,
  type ColdTable,
  compareRows,
  EVENTS,
  PROFILE_CHANGES,
} from '../../../pipelines/cold/cold-table.ts';
import { assertGrown, type Extent, isNew, isWithin } from '../../../pipelines/cold/exported.ts';
import { selectColdRows } from '../../../pipelines/cold/select-rows.ts';
import { sortedRows } from '../../helpers/cold-rows.ts';
import { LedgerDatabase } from '../../helpers/ledger-database.ts';

const EVERYTHING = { sql: 'true', parameters: {} };
const DAY_MS = 86_400_000;
const FIRST_DAY = Date.UTC(2026, 7, 1);
const TOPIC_ID = '0123456789abcdef0123456789abcdef';
const SOURCES = [0, 1, 10].map((partition) => `${TOPIC_ID}/${partition}`);

let ledger: LedgerDatabase;
beforeAll(async () => {
  ledger = await LedgerDatabase.create(inject('configFile'));
  // Merges would take away copies that the test has put there.
  for (const table of ['events', 'profile_changes', 'campaigns'])
    await ledger.client.command({ query: `SYSTEM STOP MERGES ${table}` });
});
afterAll(async () => ledger[Symbol.asyncDispose]());

const indexOf = ({ columns }: ColdTable, name: string) => columns.findIndex((column) => column.name === name);

/** Rows as a pipeline could have written them: within ten days, from three partitions. */
function plausible(table: ColdTable, rows: readonly ColdRow[]): ColdRow[] {
  const [source, offset, instant = 0] = [indexOf(table, 'source'), indexOf(table, 'offset'), table.order[0]];
  return rows
    .map((row, index) =>
      row.map((value, column) => {
        if (column === source) return SOURCES[index % 3] ?? '';
        if (column === offset) return BigInt(Math.floor(index / 3) * 7);
        if (table.columns[column]?.kind !== 'instant' || value === null) return value;
        const day = column === instant ? index % 10 : 3;
        return FIRST_DAY + day * DAY_MS + (Math.abs(value as number) % DAY_MS);
      }),
    )
    .sort((a, b) => compareRows(table, a, b));
}

async function insert(table: ColdTable, rows: readonly ColdRow[]): Promise<void> {
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

const sampled = (table: ColdTable, length: number) =>
  plausible(
    table,
    fc.sample(sortedRows(table, { minLength: length, maxLength: length }), { numRuns: 1, seed: 11 })[0] ?? [],
  );

const selected = async (table: ColdTable, where: Parameters<typeof selectColdRows>[2]) =>
  (await Array.fromAsync(selectColdRows(ledger.client, table, where))).flat();

describe.each([EVENTS, PROFILE_CHANGES, CAMPAIGNS].map((table) => [table.name, table] as const))(
  '%s',
  (_name, table) => {
    const rows = sampled(table, 300);

    it('come out as they went in, in order, each once', async () => {
      await insert(table, rows.toReversed());
      await insert(table, rows.slice(50, 150));
      expect(await selected(table, EVERYTHING)).toEqual(rows);
    });
  },
);

describe('what is exported', () => {
  const rows = sampled(EVENTS, 300);
  const [source, offset] = [indexOf(EVENTS, 'source'), indexOf(EVENTS, 'offset')];
  const occurred = EVENTS.order[0] ?? 0;
  const isIn = ({ through, next }: Extent, row: ColdRow) =>
    through !== null &&
    new Date(row[occurred] as number).toISOString().slice(0, 10) <= through &&
    (row[offset] as bigint) < BigInt(next[row[source] as string] ?? 0);
  const day = (index: number) => new Date(FIRST_DAY + index * DAY_MS).toISOString().slice(0, 10);
  const extent = fc.record({
    through: fc.option(fc.integer({ min: -1, max: 11 }).map(day)),
    next: fc.dictionary(fc.constantFrom(...SOURCES), fc.integer({ min: 0, max: 800 }), {
      noNullPrototype: true,
    }),
  });

  it('and what is to go next is told apart row by row', () =>
    fc.assert(
      fc.asyncProperty(extent, extent, async (before, after) => {
        expect(await selected(EVENTS, isWithin(after, 'x'))).toEqual(rows.filter((row) => isIn(after, row)));
        expect(await selected(EVENTS, isNew(before, after))).toEqual(
          rows.filter((row) => isIn(after, row) && !isIn(before, row)),
        );
      }),
      { numRuns: 40 },
    ));

  it('never shrinks', () =>
    fc.assert(
      fc.property(extent, extent, (before, after) => {
        const isLess = rows.some((row) => isIn(before, row) && !isIn(after, row));
        if (isLess) expect(() => assertGrown(before, after)).toThrow(/already, not to/);
        else if (before.through !== null && after.through !== null && before.through <= after.through) {
          const grown = SOURCES.every((one) => (before.next[one] ?? 0) <= (after.next[one] ?? 0));
          if (grown) expect(() => assertGrown(before, after)).not.toThrow();
        }
      }),
    ));
});
