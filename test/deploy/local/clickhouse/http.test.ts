/** The HTTP interface as curl and BI tools use it. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  brotliDecompressSync,
  deflateSync,
  gunzipSync,
  gzipSync,
  inflateSync,
  zstdCompressSync,
  zstdDecompressSync,
} from 'node:zlib';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ClickHouseFront, temporaryDirectory } from '../../../helpers/clickhouse-front.ts';

const directory = await temporaryDirectory();
let front: ClickHouseFront;

beforeAll(async () => {
  await writeFile(join(directory.path, 'reader'), 'to read\n');
  front = await ClickHouseFront.start(join(directory.path, 'data'), [
    ...['--log-level', 'fatal'],
    ...[
      '--reader',
      'bi',
      '--reader-password-file',
      join(directory.path, 'reader'),
      '--reader-databases',
      'open',
    ],
  ]);
  await front.query('CREATE TABLE t (id UInt32, name String) ENGINE = MergeTree ORDER BY id');
  await front.query('CREATE DATABASE open');
  await front.query(
    'CREATE VIEW open.names DEFINER = default SQL SECURITY DEFINER AS SELECT name FROM default.t',
  );
});

afterAll(async () => {
  await front.end();
  await directory[Symbol.asyncDispose]();
});

async function get(keys: Record<string, string>, headers: Record<string, string> = {}) {
  const response = await request(front.to(keys), { headers });
  return {
    status: response.statusCode,
    headers: response.headers,
    body: Buffer.from(await response.body.arrayBuffer()),
  };
}

test.each(['/ping', '/replicas_status', '/'])('GET %s says Ok', async (path) => {
  const response = await fetch(front.url + path);
  expect(response.status).toBe(200);
  expect(await response.text()).toBe('Ok.\n');
});

test('a query in the URL, with format, database and parameters', async () => {
  const query = 'SELECT {text:String} AS text, {list:Array(UInt8)} AS list, currentDatabase() AS db';
  const keys = {
    query,
    default_format: 'JSONEachRow',
    database: 'system',
    param_text: "a\\tb'ü",
    param_list: '[1,2]',
  };
  expect(JSON.parse((await get(keys)).body.toString())).toEqual({
    text: "a\tb'ü",
    list: [1, 2],
    db: 'system',
  });
});

test('format and database from headers', async () => {
  const headers = { 'x-clickhouse-format': 'JSONCompactEachRow', 'x-clickhouse-database': 'system' };
  expect((await get({ query: 'SELECT currentDatabase()' }, headers)).body.toString()).toBe('["system"]\n');
});

test('the answer tells query id, format, summary and time zone', async () => {
  const { headers } = await get({ query: 'SELECT 1', query_id: 'my-query', wait_end_of_query: '1' });
  expect(headers).toMatchObject({
    'x-clickhouse-query-id': 'my-query',
    'x-clickhouse-format': 'TSV',
    'x-clickhouse-timezone': 'UTC',
    'x-clickhouse-server-display-name': 'campaign-ledger local',
  });
  expect(JSON.parse(String(headers['x-clickhouse-summary']))).toMatchObject({
    read_rows: '1',
    result_rows: '1',
  });
});

test.each([
  ['CSVWithNames', '"id","name"\n1,"a"\n'],
  ['JSONCompactEachRow', '[1, "a"]\n'],
  ['TSVWithNamesAndTypes', 'id\tname\nUInt8\tString\n1\ta\n'],
  ['RowBinary', '\u0001\u0001a'],
  ['Values', "(1,'a')"],
])('answers in %s', async (format, text) => {
  const { body } = await get({ query: "SELECT 1 AS id, 'a' AS name", default_format: format });
  expect(body.toString()).toBe(text);
});

test.each(['Parquet', 'Native', 'Arrow', 'Avro', 'ORC'])(
  'what it writes as %s it reads again',
  async (format) => {
    const { body } = await get({
      query: 'SELECT number AS id, toString(number) AS name FROM numbers(1000)',
      default_format: format,
    });
    await front.query('TRUNCATE TABLE t');
    const insert = await fetch(front.to({ query: `INSERT INTO t FORMAT ${format}` }), {
      method: 'POST',
      body,
    });
    expect(await insert.text()).toBe('');
    expect(await front.query('SELECT count(), sum(id), max(name) FROM t')).toBe('1000\t499500\t999\n');
  },
);

describe('compression', () => {
  const text = Array.from({ length: 1000 }, (_, id) => `${id}\tname ${id}\n`).join('');

  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['zstd', zstdCompressSync],
  ])('reads a body in %s', async (encoding, compress) => {
    await front.query('TRUNCATE TABLE t');
    const response = await fetch(front.to({ query: 'INSERT INTO t FORMAT TSV' }), {
      method: 'POST',
      headers: { 'content-encoding': encoding },
      body: compress(Buffer.from(text)),
    });
    expect(await response.text()).toBe('');
    expect(await front.query('SELECT count(), max(name) FROM t')).toBe('1000\tname 999\n');
  });

  test.each([
    ['gzip', gunzipSync],
    ['deflate', inflateSync],
    ['zstd', zstdDecompressSync],
    ['br', brotliDecompressSync],
  ])('answers in %s when asked', async (encoding, decompress) => {
    const query = 'SELECT number FROM numbers(1000)';
    const { headers, body } = await get(
      { query, enable_http_compression: '1' },
      { 'accept-encoding': encoding },
    );
    expect(headers['content-encoding']).toBe(encoding);
    expect(decompress(body).toString().split('\n')).toHaveLength(1001);
  });

  test("ClickHouse's own block framing, there and back", async () => {
    const { body } = await get({ query: "SELECT 17 AS id, repeat('x', 1000) AS name", compress: '1' });
    expect(body.length).toBeLessThan(500);
    await front.query('TRUNCATE TABLE t');
    await fetch(front.to({ query: 'INSERT INTO t FORMAT TSV', decompress: '1' }), { method: 'POST', body });
    expect(await front.query('SELECT id, length(name) FROM t')).toBe('17\t1000\n');
  });
});

test.each([
  [400, '62', 'DROP TABLE'],
  [404, '60', 'SELECT * FROM nowhere'],
  [404, '81', 'SELECT * FROM nowhere.t'],
  [500, '395', 'SELECT throwIf(1)'],
])('status %i and code %s for %s', async (status, code, sql) => {
  const response = await fetch(front.to(), { method: 'POST', body: sql });
  expect(response.status).toBe(status);
  expect(response.headers.get('x-clickhouse-exception-code')).toBe(code);
  expect(await response.text()).toMatch(
    new RegExp(`^Code: ${code}\\. DB::Exception: .* \\([A-Z_]+\\) \\(version 26\\.`, 's'),
  );
});

describe('readonly', () => {
  test('forbids writing', async () => {
    await expect(front.query("INSERT INTO t VALUES (1, 'a')", { readonly: '1' })).rejects.toThrow(
      /Code: 164.*READONLY/,
    );
    await expect(front.query('DROP TABLE t', { readonly: '1' })).rejects.toThrow(/Code: 164/);
    expect(await front.query('SELECT 1', { readonly: '1' })).toBe('1\n');
  });

  test('is what GET means', async () => {
    const { status, body } = await get({ query: 'TRUNCATE TABLE t' });
    expect(body.toString()).toMatch(/Code: 164/);
    expect(status).toBe(500);
  });

  test('forbids other settings too', async () => {
    await expect(front.query('SELECT 1 SETTINGS max_threads = 1', { readonly: '1' })).rejects.toThrow(
      /Code: 164/,
    );
  });
});

describe('the reading account', () => {
  const asReader = (sql: string, key = 'to read') =>
    fetch(front.to(), {
      method: 'POST',
      body: sql,
      headers: { 'x-clickhouse-user': 'bi', 'x-clickhouse-key': key },
    });

  test('reads its database, settings of its own included', async () => {
    expect((await asReader('SELECT count() > 0 FROM open.names SETTINGS max_threads = 1')).status).toBe(200);
    expect(await (await asReader('SHOW DATABASES')).text()).toBe('open\n');
  });

  test.each([
    'SELECT * FROM default.t',
    "INSERT INTO default.t VALUES (1, 'a')",
    'CREATE TABLE open.mine (x UInt8) ENGINE = Memory',
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
  ])('may not %s', async (sql) => {
    expect(await (await asReader(sql)).text()).toMatch(/ACCESS_DENIED/);
  });

  test('needs its password, in a header, the URL or as basic authentication', async () => {
    expect((await asReader('SELECT 1', 'wrong')).status).toBe(403);
    expect((await get({ query: 'SELECT 1', user: 'bi', password: 'to read' })).status).toBe(200);
    const authorization = `Basic ${Buffer.from('bi:to read').toString('base64')}`;
    expect((await get({ query: 'SELECT currentUser()' }, { authorization })).body.toString()).toBe('bi\n');
  });
});
