/** The table of errors against the engine: a name that ClickHouse does not know would never match. */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { loadConfig } from '../../../../config/load.ts';
import {
  asOutage,
  type ClickHouseClient,
  createClickHouse,
  isRowFault,
} from '../../../../pipelines/common/clickhouse/client.ts';
import { OUTAGE_TYPES } from '../../../../pipelines/common/clickhouse/errors.ts';
import { Outage } from '../../../../pipelines/common/errors.ts';

let client: ClickHouseClient;
beforeAll(async () => {
  client = createClickHouse(await loadConfig({ file: inject('configFile'), env: {} }), { database: null });
});
afterAll(() => client.close());

test('every type in the table is one of the engine', async () => {
  const answer = await client.query({
    query: "SELECT errorCodeToName(number) AS name FROM numbers(2000) WHERE name != ''",
    format: 'JSONEachRow',
  });
  const names = new Set((await answer.json<{ name: string }>()).map(({ name }) => name));
  expect([...OUTAGE_TYPES].filter((type) => !names.has(type))).toEqual([]);
});

test.each([
  ["SELECT throwIf(1, 'x')", false, false],
  ['SELECT 1 FROM no_such_database.t', true, false],
  ["SELECT toUInt8('x')", false, true],
  ['SELECT sleepEachRow(1) FROM numbers(3) SETTINGS max_execution_time = 1', true, false],
  [
    'SELECT sum(number) FROM numbers(100000000) GROUP BY number SETTINGS max_memory_usage = 1000000',
    true,
    false,
  ],
])('%s: outage %s, rows at fault %s', async (query, isOutage, isRows) => {
  const error = await client.command({ query }).catch(asOutage);
  expect(error).toBeInstanceOf(Error);
  expect(error instanceof Outage).toBe(isOutage);
  expect(isRowFault(error)).toBe(isRows);
});

test('a row that cannot be read is the row’s fault', async () => {
  const error = await client
    .command({ query: 'SELECT * FROM format(JSONEachRow, \'a UInt8\', \'{"a": "not a number"}\')' })
    .catch(asOutage);
  expect(isRowFault(error)).toBe(true);
});
