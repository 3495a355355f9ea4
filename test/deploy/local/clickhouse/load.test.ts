/** Large bodies and answers in bounded memory, many connections at once, and clients that go away. */
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ClickHouseFront, temporaryDirectory } from '../../../helpers/clickhouse-front.ts';

const directory = await temporaryDirectory();
let front: ClickHouseFront;

beforeAll(async () => {
  front = await ClickHouseFront.start(directory.path, ['--log-level', 'fatal']);
  await front.query('CREATE TABLE t (id UInt64, text String) ENGINE = MergeTree ORDER BY id');
  // What merging takes beside an insert or a query depends on how busy the machine is.
  await front.query('SYSTEM STOP MERGES t');
});

afterAll(async () => {
  await front.end();
  await directory[Symbol.asyncDispose]();
});

/** `count` rows of about 1 KiB in RowBinary. */
function* binaryRows(count: number): Generator<Buffer> {
  const perChunk = 64;
  const row = Buffer.alloc(8 + 2 + 1000, 'x');
  row.writeUInt8(0xe8, 8);
  row.writeUInt8(0x07, 9);
  for (let id = 0; id < count; id += perChunk) {
    const chunk = Buffer.alloc(row.length * perChunk);
    for (let at = 0; at < perChunk; at++) {
      row.writeBigUInt64LE(BigInt(id + at));
      row.copy(chunk, at * row.length);
    }
    yield chunk;
  }
}

async function untilCount(sql: string, count: string): Promise<void> {
  while ((await front.query(sql)).trim() !== count) await sleep(20);
}

test('an insert of 800 MB does not take 800 MB', async () => {
  const settings = { async_insert: '0', min_insert_block_size_rows: '16384', max_insert_block_size: '16384' };
  const insert = async (rows: number) => {
    const { statusCode, body } = await request(
      front.to({ query: 'INSERT INTO t FORMAT RowBinary', ...settings }),
      {
        method: 'POST',
        body: Readable.from(binaryRows(rows)),
      },
    );
    expect(await body.text()).toBe('');
    expect(statusCode).toBe(200);
  };
  await insert(40_000);
  const before = await front.peakMemoryMb();
  await insert(800_000);
  expect(await front.query('SELECT count(), sum(length(text)) FROM t')).toBe('840000\t840000000\n');
  expect((await front.peakMemoryMb()) - before).toBeLessThan(300);
});

test('an answer of 400 MB does not take 400 MB', async () => {
  const before = await front.peakMemoryMb();
  const { body } = await request(front.to({ query: 'SELECT number FROM numbers(50000000) FORMAT TSV' }));
  let bytes = 0;
  for await (const chunk of body) bytes += (chunk as Buffer).length;
  expect(bytes).toBe(438_888_890);
  expect((await front.peakMemoryMb()) - before).toBeLessThan(100);
});

test('a reader is answered while an insert is still sending', async () => {
  const insert = httpRequest(front.to({ query: 'INSERT INTO t FORMAT TSV', async_insert: '0' }), {
    method: 'POST',
  });
  // The engine begins once it has a quarter of a megabyte in hand.
  insert.write('900000\tsent first\n'.repeat(100_000));
  await untilCount("SELECT count() FROM system.processes WHERE query_kind = 'Insert'", '1');
  for (const count of await Promise.all(
    Array.from({ length: 8 }, () => front.query('SELECT count() > 0 FROM t')),
  )) {
    expect(count).toBe('1\n');
  }
  insert.end('900001\tsent last\n');
  const [response] = await once(insert, 'response');
  expect(response.statusCode).toBe(200);
  expect(await front.query('SELECT count() FROM t WHERE id IN (900000, 900001)')).toBe('100001\n');
});

test('64 clients write and read at once', async () => {
  await front.query('CREATE TABLE many (client UInt32, n UInt32) ENGINE = MergeTree ORDER BY client');
  const client = async (id: number) => {
    for (let n = 0; n < 5; n++) {
      await front.query(`INSERT INTO many VALUES (${id}, ${n})`, { async_insert: '0' });
      expect(await front.query(`SELECT count() FROM many WHERE client = ${id}`)).toBe(`${n + 1}\n`);
    }
  };
  await Promise.all(Array.from({ length: 64 }, (_, id) => client(id)));
  expect(await front.query('SELECT count(), uniqExact(client, n) FROM many')).toBe('320\t320\n');
});

const ENDLESS = 'SELECT count() FROM system.numbers';
const RUNNING = "SELECT count() FROM system.processes WHERE query_id = 'endless'";

test('a query ends with its client when asked to', async () => {
  const gone = new AbortController();
  const keys = { query: ENDLESS, query_id: 'endless', cancel_http_readonly_queries_on_client_close: '1' };
  const query = request(front.to(keys), { signal: gone.signal });
  await untilCount(RUNNING, '1');
  gone.abort();
  await expect(query).rejects.toThrow();
  await untilCount(RUNNING, '0');
});

test('KILL QUERY ends a query', async () => {
  const query = front.query(ENDLESS, { query_id: 'endless' });
  const ended = expect(query).rejects.toThrow(/Code: 394.*QUERY_WAS_CANCELLED/s);
  await untilCount(RUNNING, '1');
  expect(await front.query("KILL QUERY WHERE query_id = 'endless' SYNC")).toMatch(/finished/);
  await ended;
});

test('an insert whose client goes away in the middle leaves nothing', async () => {
  await front.query('TRUNCATE TABLE t');
  const insert = httpRequest(front.to({ query: 'INSERT INTO t FORMAT RowBinary', async_insert: '0' }), {
    method: 'POST',
  });
  insert.on('error', () => undefined);
  for (const chunk of binaryRows(10_000)) insert.write(chunk);
  await untilCount("SELECT count() FROM system.processes WHERE query_kind = 'Insert'", '1');
  insert.destroy();
  await untilCount("SELECT count() FROM system.processes WHERE query_kind = 'Insert'", '0');
  expect(await front.query('SELECT count() FROM t')).toBe('0\n');
});

test('a query beyond the memory fails alone', async () => {
  const small = await temporaryDirectory();
  const limited = await ClickHouseFront.start(small.path, ['--max-memory-mb', '500', '--log-level', 'fatal']);
  try {
    const hungry = 'SELECT uniqExact(number) FROM numbers(200000000)';
    await expect(limited.query(hungry)).rejects.toThrow(/Code: 241.*MEMORY_LIMIT_EXCEEDED/s);
    expect(await limited.query('SELECT 1')).toBe('1\n');
  } finally {
    await limited.end();
    await small[Symbol.asyncDispose]();
  }
});
