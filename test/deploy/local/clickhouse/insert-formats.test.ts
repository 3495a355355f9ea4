/** Columns that an insert leaves out get their defaults, in every format a writer may use. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ClickHouseFront, temporaryDirectory } from '../../../helpers/clickhouse-front.ts';

const directory = await temporaryDirectory();
let front: ClickHouseFront;

beforeAll(async () => {
  front = await ClickHouseFront.start(directory.path, ['--log-level', 'fatal']);
  await front.query(`CREATE TABLE t (
    id UInt32,
    name String DEFAULT concat('default ', toString(id)),
    twice UInt32 MATERIALIZED id * 2,
    half UInt32 ALIAS intDiv(id, 2)
  ) ENGINE = MergeTree ORDER BY id`);
  await front.query('CREATE TABLE names (name String) ENGINE = MergeTree ORDER BY name');
  await front.query('CREATE MATERIALIZED VIEW to_names TO names AS SELECT name FROM t');
});

afterAll(async () => {
  await front.end();
  await directory[Symbol.asyncDispose]();
});

async function insert(query: string, body: Uint8Array | string): Promise<void> {
  await front.query('TRUNCATE TABLE t');
  await front.query('TRUNCATE TABLE names');
  const response = await fetch(front.to({ query, async_insert: '0' }), {
    method: 'POST',
    body: Buffer.from(body),
  });
  if (!response.ok) throw new Error(await response.text());
}

async function expectDefault(): Promise<void> {
  expect(await front.query('SELECT id, name, twice, half FROM t')).toBe('6\tdefault 6\t12\t3\n');
  expect(await front.query('SELECT name FROM names')).toBe('default 6\n');
}

test.each([
  ['JSONEachRow', '{"id":6}'],
  ['JSONEachRow', '{"id":6,"name":null}'],
  ['JSONCompactEachRowWithNames', '["id"]\n[6]'],
  ['JSONCompactEachRowWithNamesAndTypes', '["id"]\n["UInt32"]\n[6]'],
  ['CSVWithNames', 'id\n6\n'],
  ['CSV', '6,\n'],
  ['TSVWithNames', 'id\n6\n'],
  ['TSVWithNamesAndTypes', 'id\nUInt32\n6\n'],
  ['RowBinaryWithNamesAndTypes', '\u0001\u0002id\u0006UInt32\u0006\0\0\0'],
  ['RowBinaryWithDefaults', '\0\u0006\0\0\0\u0001'],
])('%s without the column: %j', async (format, body) => {
  await insert(`INSERT INTO t FORMAT ${format}`, body);
  await expectDefault();
});

test.each([
  ['RowBinary', '\u0006\0\0\0'],
  ['TSV', '6\n'],
  ['JSONCompactEachRow', '[6]'],
  ['Values', '(6)'],
])('%s with a list of columns', async (format, body) => {
  await insert(`INSERT INTO t (id) FORMAT ${format}`, body);
  await expectDefault();
});

test.each(['Parquet', 'Native', 'Arrow', 'ORC'])('%s that has fewer columns', async (format) => {
  const made = await fetch(front.to({ query: `SELECT toUInt32(6) AS id FORMAT ${format}` }));
  await insert(`INSERT INTO t FORMAT ${format}`, new Uint8Array(await made.arrayBuffer()));
  await expectDefault();
});

test('Avro that has fewer columns, when told that they may miss', async () => {
  const made = await fetch(front.to({ query: 'SELECT toUInt32(6) AS id FORMAT Avro' }));
  const allow = 'SETTINGS input_format_avro_allow_missing_fields = 1';
  await insert(`INSERT INTO t ${allow} FORMAT Avro`, new Uint8Array(await made.arrayBuffer()));
  await expectDefault();
});

test('settings and comments in the statement, data behind it in the body', async () => {
  await front.query('TRUNCATE TABLE t');
  await front.query('TRUNCATE TABLE names');
  await front.query(
    `/* why */ INSERT INTO t -- the ledger
     SETTINGS input_format_skip_unknown_fields = 1, async_insert = 0
     FORMAT JSONEachRow
     {"id":6,"unknown":[1,2]}`,
  );
  await expectDefault();
});

test('an unknown field is refused when asked to be', async () => {
  const keys = { query: 'INSERT INTO t FORMAT JSONEachRow', input_format_skip_unknown_fields: '0' };
  const response = await fetch(front.to(keys), { method: 'POST', body: '{"id":1,"unknown":2}' });
  expect(await response.text()).toMatch(/Code: 117.*INCORRECT_DATA/s);
});

test('a broken row late in the body leaves nothing of it', async () => {
  const good = Array.from({ length: 5000 }, (_, id) => `${id}\tname\n`).join('');
  await expect(insert('INSERT INTO t FORMAT TSV', `${good}x\ty\n`)).rejects.toThrow(/Code: 27/);
  expect(await front.query('SELECT count() FROM t')).toBe('0\n');
});

test('a body cut off in the middle of a row leaves nothing of it', async () => {
  const row = Buffer.from('\u0006\0\0\0\u0003abc');
  const cut = Buffer.concat([row, row, row.subarray(0, 6)]);
  await expect(insert('INSERT INTO t (id, name) FORMAT RowBinary', cut)).rejects.toThrow(/Code: 33|Code: 32/);
  expect(await front.query('SELECT count() FROM t')).toBe('0\n');
});
