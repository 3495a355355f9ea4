/** What the official Node client does, against the front. */
import { Readable } from 'node:stream';
import { type ClickHouseClient, ClickHouseError } from '@clickhouse/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ClickHouseFront, temporaryDirectory } from '../../../helpers/clickhouse-front.ts';

const directory = await temporaryDirectory();
let front: ClickHouseFront;
let client: ClickHouseClient;

beforeAll(async () => {
  front = await ClickHouseFront.start(directory.path);
  client = front.client({
    compression: { request: true, response: true },
    clickhouse_settings: { async_insert: 0, wait_end_of_query: 1 },
  });
  await client.command({
    query: `CREATE TABLE t (id UInt64, name String DEFAULT concat('n', toString(id)), at DateTime64(3, 'UTC'), tags Array(String))
      ENGINE = MergeTree ORDER BY id SETTINGS fsync_after_insert = 1, fsync_part_directory = 1`,
  });
});

afterAll(async () => {
  await client.close();
  await front.end();
  await directory[Symbol.asyncDispose]();
});

async function rows(query: string, query_params: Record<string, unknown> = {}): Promise<unknown[]> {
  const result = await client.query({ query, query_params, format: 'JSONEachRow' });
  return result.json();
}

test('answers the ping with and without a query', async () => {
  expect(await client.ping()).toEqual({ success: true });
  expect(await client.ping({ select: true })).toEqual({ success: true });
});

test('inserts objects, and a column left out gets its default', async () => {
  const { summary } = await client.insert({
    table: 't',
    columns: ['id', 'at', 'tags'],
    values: [{ id: '1', at: '2026-11-01 10:00:00.123', tags: ["it's", 'ü\t\n\\'] }],
    format: 'JSONEachRow',
  });
  expect(summary).toMatchObject({ written_rows: '1' });
  expect(await rows('SELECT * FROM t WHERE id = 1')).toEqual([
    { id: 1, name: 'n1', at: '2026-11-01 10:00:00.123', tags: ["it's", 'ü\t\n\\'] },
  ]);
});

test('inserts a stream of rows', async () => {
  const values = Readable.from(
    (function* () {
      for (let id = 1000; id < 6_000; id++) yield { id, name: `row ${id}`, at: '2026-11-01 10:00:00' };
    })(),
  );
  await client.insert({ table: 't', values, format: 'JSONEachRow' });
  expect(await rows('SELECT count() AS n, max(name) AS m FROM t WHERE id >= 1000 AND id < 6000')).toEqual([
    { n: 5_000, m: 'row 5999' },
  ]);
});

test('inserts binary rows', async () => {
  const row = (id: bigint, name: string) => {
    const head = Buffer.alloc(8);
    head.writeBigUInt64LE(id);
    const text = Buffer.from(name);
    return Buffer.concat([head, Buffer.from([text.length]), text]);
  };
  const values = Readable.from([row(30_000n, 'first'), row(30_001n, 'zweite ü')], { objectMode: false });
  await client.exec({ query: 'INSERT INTO t (id, name) FORMAT RowBinary', values });
  expect(await rows('SELECT name FROM t WHERE id >= 30000 AND id < 40000 ORDER BY id')).toEqual([
    { name: 'first' },
    { name: 'zweite ü' },
  ]);
});

test('a row that cannot be read leaves nothing of its insert', async () => {
  const insert = client.insert({
    table: 't',
    values: [{ id: 50_000 }, { id: 'no number' }],
    format: 'JSONEachRow',
  });
  await expect(insert).rejects.toMatchObject({ code: '27', type: 'CANNOT_PARSE_INPUT_ASSERTION_FAILED' });
  expect(await rows('SELECT id FROM t WHERE id = 50000')).toEqual([]);
});

test.each([
  ['String', "it's \\ a\ttab, a\nline and ü€😀"],
  ['Array(String)', ["a'b", 'c\\d', 'ü']],
  ['Map(String, UInt8)', { a: 1, "b'": 2 }],
  ['Nullable(Int32)', null],
  ['Float64', -1.5],
])('binds a parameter of type %s', async (type, value) => {
  expect(await rows(`SELECT {value:${type}} AS value`, { value })).toEqual([{ value }]);
});

test('settings of a query reach it', async () => {
  const result = await client.query({
    query: "SELECT getSetting('max_threads') AS threads",
    format: 'JSONEachRow',
    clickhouse_settings: { max_threads: 1 },
  });
  expect(await result.json()).toEqual([{ threads: 1 }]);
});

describe('errors carry the code and the name', () => {
  test.each([
    ['SELECT * FROM nowhere', '60', 'UNKNOWN_TABLE'],
    ['SELECT missing FROM t', '47', 'UNKNOWN_IDENTIFIER'],
    ["SELECT toUInt8('x')", '6', 'CANNOT_PARSE_TEXT'],
    ['SELECT * FROM t SETTINGS max_memory_usage = 1', '241', 'MEMORY_LIMIT_EXCEEDED'],
  ])('%s', async (query, code, type) => {
    const error = await client.query({ query }).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(ClickHouseError);
    expect(error).toMatchObject({ code, type });
  });
});

test('a query that does not parse is a syntax error', async () => {
  await expect(client.command({ query: 'DROP TABLE' })).rejects.toMatchObject({
    code: '62',
    type: 'SYNTAX_ERROR',
  });
});

test('an error in the middle of a streamed answer is not taken for its end', async () => {
  const plain = front.client();
  const result = await plain.query({
    query: 'SELECT number, throwIf(number = 3000000) FROM numbers(4000000)',
    format: 'JSONEachRow',
  });
  const read = async () => {
    let count = 0;
    for await (const chunk of result.stream()) count += chunk.length;
    return count;
  };
  await expect(read()).rejects.toThrow();
  await plain.close();
});

test('a session keeps its settings and temporary tables', async () => {
  const session = front.client({ session_id: 'mine' });
  await session.command({ query: 'SET max_threads = 1' });
  await session.command({ query: 'CREATE TEMPORARY TABLE mine (x UInt8)' });
  await session.command({ query: 'INSERT INTO mine VALUES (7)' });
  const result = await session.query({
    query: "SELECT x, getSetting('max_threads') AS threads FROM mine",
    format: 'JSONEachRow',
  });
  expect(await result.json()).toEqual([{ x: 7, threads: 1 }]);
  await session.close();
});
