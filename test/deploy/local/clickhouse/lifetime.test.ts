/** How the front begins and ends: killed, told to stop, left alone by its parent, started twice. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ClickHouseFront, temporaryDirectory } from '../../../helpers/clickhouse-front.ts';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let fronts: ClickHouseFront[];

beforeEach(async () => {
  directory = await temporaryDirectory();
  fronts = [];
});

afterEach(async () => {
  for (const front of fronts) await front.end();
  await directory[Symbol.asyncDispose]();
});

async function start(...args: string[]): Promise<ClickHouseFront> {
  const front = await ClickHouseFront.start(join(directory.path, 'data'), ['--log-level', 'fatal', ...args]);
  fronts.push(front);
  return front;
}

test('kill -9 in the middle of an insert: all of it or nothing, and the directory opens again', async () => {
  const rows = 50_000;
  const insert = `INSERT INTO t SELECT number, cityHash64(number) FROM numbers(${rows})`;
  const front = await start();
  await front.query(
    'CREATE TABLE t (id UInt64, x UInt64) ENGINE = MergeTree ORDER BY id SETTINGS fsync_after_insert = 1, fsync_part_directory = 1',
  );
  let confirmed = 0;
  let current = front;
  for (const delayMs of [0, 3, 6, 10, 15]) {
    const killed = current;
    const writing = (async () => {
      for (;;) {
        await killed.query(insert, { wait_end_of_query: '1' });
        confirmed += 1;
      }
    })().catch(() => undefined);
    await sleep(150 + delayMs);
    await killed.end('SIGKILL');
    await writing;
    current = await start();
    const [count = 0, sum] = (await current.query('SELECT count(), toUInt64(sum(id)) FROM t'))
      .split('\t')
      .map(Number);
    expect(count % rows).toBe(0);
    expect(sum).toBe((count / rows) * ((rows * (rows - 1)) / 2));
    expect(count / rows).toBeGreaterThanOrEqual(confirmed);
    // An insert that was written and not answered for is there and not counted.
    confirmed = count / rows;
  }
  expect(confirmed).toBeGreaterThan(0);
});

test('SIGTERM ends it with 0, and nothing is lost', async () => {
  const front = await start();
  await front.query('CREATE TABLE t (id UInt64) ENGINE = MergeTree ORDER BY id');
  await front.query('INSERT INTO t VALUES (1)');
  expect(await front.end('SIGTERM')).toBe(0);
  const again = await start();
  expect(await again.query('SELECT id FROM t')).toBe('1\n');
});

test('a client that neither sends nor leaves keeps it no longer than it may', async () => {
  const front = await start('--stop-timeout-ms', '500');
  await front.query('CREATE TABLE t (id UInt64) ENGINE = MergeTree ORDER BY id');
  const insert = httpRequest(front.to({ query: 'INSERT INTO t FORMAT TSV', async_insert: '0' }), {
    method: 'POST',
  });
  insert.on('error', () => undefined);
  insert.write('1\n'.repeat(200_000));
  while ((await front.query("SELECT count() FROM system.processes WHERE query_kind = 'Insert'")) !== '1\n')
    await sleep(20);
  expect(await front.end('SIGTERM')).toBe(null);
  expect(front.log).toMatch(/connections are still open/);
  expect(await (await start()).query('SELECT count() FROM t')).toBe('0\n');
});

test('it ends when standard input ends', async () => {
  const front = await start();
  const closed = once(front.process, 'close');
  front.process.stdin?.end();
  expect(await closed).toEqual([0, null]);
});

test('it ends when the process it was told to watch is gone', async () => {
  const watched = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  const front = await start('--parent-pid', String(watched.pid));
  const closed = once(front.process, 'close');
  watched.kill('SIGKILL');
  expect(await closed).toEqual([0, null]);
});

test('no second one on a directory, and the first does not notice', async () => {
  const front = await start();
  await expect(start()).rejects.toThrow(
    /exit 1: .*another server instance in same directory is already running/is,
  );
  expect(await front.query('SELECT 1')).toBe('1\n');
  expect(await front.end('SIGTERM')).toBe(0);
});

test('a port that is taken is an error with its number', async () => {
  const front = await start();
  const { port } = new URL(front.url);
  const other = join(directory.path, 'other');
  await expect(ClickHouseFront.start(other, ['--port', port])).rejects.toThrow(
    new RegExp(`exit 1: .*127.0.0.1:${port}`, 's'),
  );
});

test('a password file makes it ask for the password, and no account goes without', async () => {
  const passwordFile = join(directory.path, 'password');
  await writeFile(passwordFile, 'gehe"im <&ü>\r\n');
  const front = await start('--user', 'ledger', '--password-file', passwordFile);
  const attempt = (user: string, password: string) => front.query('SELECT 1', { user, password });
  await expect(attempt('ledger', '')).rejects.toThrow(/Code: 516.*AUTHENTICATION_FAILED/);
  await expect(attempt('ledger', 'wrong')).rejects.toThrow(/Code: 516/);
  await expect(attempt('default', '')).rejects.toThrow(/Code: 700.*USER_SESSION_LIMIT_EXCEEDED/);
  const client = front.client({ username: 'ledger', password: 'gehe"im <&ü>' });
  const result = await client.query({ query: 'SELECT currentUser() AS user', format: 'JSONEachRow' });
  expect(await result.json()).toEqual([{ user: 'ledger' }]);
  await client.close();
});

test.each([
  [['--host', '0.0.0.0'], /--password-file/],
  [['--password-file', 'any'], /--user other than default/],
  [['--reader', 'default'], /a name of its own/],
  [['--port', 'x'], /whole number/],
])('wrong usage is told and ends with 2: %j', async (args, told) => {
  const main = join(import.meta.dirname, '../../../../deploy/local/clickhouse/main.ts');
  const child = spawn(process.execPath, [main, '--data', join(directory.path, 'data'), ...args]);
  const lines: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => lines.push(line));
  const [code] = await once(child, 'close');
  expect(lines.join('\n')).toMatch(told);
  expect(code).toBe(2);
});
