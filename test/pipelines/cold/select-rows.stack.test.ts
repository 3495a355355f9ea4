/** What goes from ClickHouse into the cold tier: each row once, in the order of the files, none that is there already. */
import { buffer } from 'node:stream/consumers';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import {
  CAMPAIGNS,
  type ColdTable,
  EVENTS,
  ownerOf,
  PROFILE_CHANGES,
} from '../../../pipelines/cold/cold-table.ts';
import { assertGrown, isNew, isWithin } from '../../../pipelines/cold/exported.ts';
import { coldRowOf, ownerOfRow } from '../../../pipelines/cold/row-binary.ts';
import { selectColdRows } from '../../../pipelines/cold/select-rows.ts';
import { createClickHouse } from '../../../pipelines/common/clickhouse/client.ts';
import { sortedRows } from '../../helpers/cold-rows.ts';
import { dayText, insertRows, isEventIn, plausible, SOURCES } from '../../helpers/cold-table-rows.ts';
import { startCuttingProxy } from '../../helpers/cutting-proxy.ts';
import { LedgerDatabase } from '../../helpers/ledger-database.ts';

const EVERYTHING = { sql: 'true', parameters: {} };

let ledger: LedgerDatabase;
beforeAll(async () => {
  ledger = await LedgerDatabase.create(inject('configFile'));
  // Merges would take away copies that the test has put there.
  for (const table of ['events', 'profile_changes', 'campaigns'])
    await ledger.client.command({ query: `SYSTEM STOP MERGES ${table}` });
});
afterAll(async () => ledger[Symbol.asyncDispose]());

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
      await insertRows(ledger, table, rows.toReversed());
      await insertRows(ledger, table, rows.slice(50, 150));
      expect(await selected(table, EVERYTHING)).toEqual(rows);
    });

    it('are the same rows in the bytes that ClickHouse makes of them', async () => {
      const columns = table.columns.map(({ name }) => name).join(', ');
      for (const row of rows.slice(0, 20)) {
        const [source, offset] = row.slice(-3);
        const { stream } = await ledger.client.exec({
          query: `SELECT ${columns} FROM ${table.name}
                  WHERE source = {source:String} AND offset = {offset:UInt64} LIMIT 1 FORMAT RowBinary`,
          query_params: { source, offset: String(offset) },
        });
        const bytes = await buffer(stream);
        expect(coldRowOf(table, bytes)).toEqual(row);
        expect(ownerOfRow(bytes)).toEqual(ownerOf(table, row));
        expect(() => coldRowOf(table, bytes.subarray(0, -1))).toThrow(RangeError);
      }
    });
  },
);

it('come while ClickHouse is still reading: of a large day nothing would come before the time limit', async () => {
  const proxy = await startCuttingProxy(ledger.config.clickhouse.url);
  const asked: (string | null)[] = [];
  proxy.fate = (_, { url = '' }) => {
    asked.push(new URL(url, proxy.url).searchParams.get('wait_end_of_query'));
    return 'pass';
  };
  const clickhouse = { ...ledger.config.clickhouse, url: proxy.url };
  const client = createClickHouse({ ...ledger.config, clickhouse });
  await Array.fromAsync(selectColdRows(client, EVENTS, EVERYTHING));
  await client.close();
  await proxy.close();
  expect(asked).toEqual(['0']);
});

describe('what is exported', () => {
  const rows = sampled(EVENTS, 300);
  const extent = fc.record({
    through: fc.option(fc.integer({ min: -1, max: 11 }).map(dayText)),
    next: fc.dictionary(fc.constantFrom(...SOURCES), fc.integer({ min: 0, max: 800 }), {
      noNullPrototype: true,
    }),
  });

  it('and what is to go next is told apart row by row', () =>
    fc.assert(
      fc.asyncProperty(extent, extent, async (before, after) => {
        expect(await selected(EVENTS, isWithin(after, 'x'))).toEqual(
          rows.filter((row) => isEventIn(after, row)),
        );
        expect(await selected(EVENTS, isNew(before, after))).toEqual(
          rows.filter((row) => isEventIn(after, row) && !isEventIn(before, row)),
        );
      }),
      { numRuns: 40 },
    ));

  it('never shrinks', () =>
    fc.assert(
      fc.property(extent, extent, (before, after) => {
        const isLess = rows.some((row) => isEventIn(before, row) && !isEventIn(after, row));
        if (isLess) expect(() => assertGrown(before, after)).toThrow(/already, not to/);
        else if (before.through !== null && after.through !== null && before.through <= after.through) {
          const grown = SOURCES.every((one) => (before.next[one] ?? 0) <= (after.next[one] ?? 0));
          if (grown) expect(() => assertGrown(before, after)).not.toThrow();
        }
      }),
    ));
});
