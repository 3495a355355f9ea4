import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClickHouseError } from '@clickhouse/client';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { asOutage, createClickHouse, isRowFault } from '../../../../pipelines/common/clickhouse/client.ts';
import { Outage, UsageError } from '../../../../pipelines/common/errors.ts';
import { type Certificates, createCertificates } from '../../../helpers/certificates.ts';
import { testConfig } from '../../../helpers/config.ts';
import {
  type Answer,
  hang,
  hangUp,
  type RecordingServer,
  startRecordingServer,
} from '../../../helpers/recording-server.ts';

let folder: string;
let certificates: Certificates;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ledger-clickhouse-'));
  certificates = await createCertificates(folder);
});
afterAll(() => rm(folder, { recursive: true }));

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(answer: Answer, options?: { certificates: Certificates }): Promise<RecordingServer> {
  const server = await startRecordingServer(answer, options);
  cleanups.push(() => server.close());
  return server;
}

async function connect(clickhouse: Record<string, unknown>) {
  const client = createClickHouse(await testConfig({ clickhouse }));
  cleanups.push(() => client.close());
  return client;
}

const ok: Answer = (_request, reply) => reply.send('');

describe('what reaches the server', () => {
  test('user, password, database and the settings that durability rests on', async () => {
    const server = await serve(ok);
    const client = await connect({
      url: server.url,
      username: 'writer',
      password: 'p:ä',
      database: 'ledger_2',
    });
    await client.insert({ table: 't', values: [{ a: 1 }], format: 'JSONEachRow' });
    const [insert] = server.requests;
    expect(insert?.headers.authorization).toBe(`Basic ${Buffer.from('writer:p:ä').toString('base64')}`);
    expect(insert?.query).toMatchObject({
      database: 'ledger_2',
      async_insert: '0',
      wait_end_of_query: '1',
      max_partitions_per_insert_block: '0',
    });
    expect(insert?.body).toBe('{"a":1}\n');
  });

  test('on a cluster: a quorum for inserts, and reads that see them', async () => {
    const server = await serve(ok);
    const alone = await connect({ url: server.url });
    await alone.insert({ table: 't', values: [{ a: 1 }], format: 'JSONEachRow' });
    const clustered = await connect({ url: server.url, cluster: 'main' });
    await clustered.insert({ table: 't', values: [{ a: 1 }], format: 'JSONEachRow' });
    const [first, second] = server.requests;
    expect(first?.query).not.toHaveProperty('insert_quorum');
    expect(second?.query).toMatchObject({
      insert_quorum: 'auto',
      insert_quorum_parallel: '0',
      select_sequential_consistency: '1',
    });
  });

  test('TLS: our authority, our certificate, an encrypted key', async () => {
    const server = await serve(ok, { certificates });
    const { caFile, client: own } = certificates;
    const client = await connect({
      url: server.url,
      username: 'writer',
      password: 'p',
      tls: { caFile, ...own },
    });
    await client.command({ query: 'SELECT 1' });
    expect(server.requests[0]?.client).toBe('client');
    expect(server.requests[0]?.headers.authorization).toMatch(/^Basic /);
  });

  test('TLS: an authority that is not trusted is an outage, and nothing is sent', async () => {
    const server = await serve(ok, { certificates });
    const client = await connect({ url: server.url, password: 'p' });
    const error = await client.command({ query: 'SELECT 1' }).catch(asOutage);
    expect(error).toBeInstanceOf(Outage);
    expect((error as Outage).message).toMatch(/certificate/);
    expect(server.requests).toEqual([]);
  });

  test.each([
    [
      { caFile: '/nowhere/ca.pem' },
      /clickhouse\.tls\.caFile: there is no such file \(found "\/nowhere\/ca\.pem"\)/,
    ],
    [
      { certFile: 'CLIENT', keyFile: 'CLIENT_KEY', keyPassword: 'wrong' },
      /clickhouse\.tls\.keyFile: it cannot be decrypted with keyPassword/,
    ],
  ])('TLS: %j is wrong configuration', async (tls, expected) => {
    const files = { CLIENT: certificates.client.certFile, CLIENT_KEY: certificates.client.keyFile };
    const settings = Object.fromEntries(
      Object.entries(tls).map(([key, value]) => [key, files[value as keyof typeof files] ?? value]),
    );
    const connecting = connect({ url: 'https://localhost:1', tls: settings });
    await expect(connecting).rejects.toThrow(UsageError);
    await expect(connecting).rejects.toThrow(expected);
  });
});

describe('outages', () => {
  const exception =
    (code: number, name: string, status = 500): Answer =>
    (_request, reply) =>
      reply
        .code(status)
        .header('x-clickhouse-exception-code', String(code))
        .send(
          `Code: ${code}. DB::Exception: something went wrong. (${name}) (version 26.7.1.1 (official build))\n`,
        );

  test.each<[string, Answer, RegExp]>([
    ['a cut connection', hangUp, /socket hang up/],
    ['no answer in time', hang, /Timeout/],
    [
      'a 503 of a proxy',
      (_request, reply) => reply.code(503).send('<html><h1>Service\n Unavailable</h1></html>'),
      /^clickhouse: Service Unavailable$/,
    ],
    ['a 502 without a body', (_request, reply) => reply.code(502).send(''), /^clickhouse: /],
    ['a 429', (_request, reply) => reply.code(429).send('slow down'), /slow down/],
    [
      'memory',
      exception(241, 'MEMORY_LIMIT_EXCEEDED'),
      /^clickhouse: MEMORY_LIMIT_EXCEEDED: something went wrong/,
    ],
    ['parts', exception(252, 'TOO_MANY_PARTS'), /TOO_MANY_PARTS/],
    ['time', exception(159, 'TIMEOUT_EXCEEDED'), /TIMEOUT_EXCEEDED/],
    ['the disk', exception(243, 'NOT_ENOUGH_SPACE'), /NOT_ENOUGH_SPACE/],
    ['permission', exception(497, 'ACCESS_DENIED', 403), /ACCESS_DENIED/],
    ['a wrong password', exception(516, 'AUTHENTICATION_FAILED', 403), /AUTHENTICATION_FAILED/],
  ])('%s', async (_name, answer, expected) => {
    const server = await serve(answer);
    const client = await connect({ url: server.url, requestTimeoutMs: 1_000 });
    const error = await client.command({ query: 'SELECT 1' }).catch(asOutage);
    expect(error).toBeInstanceOf(Outage);
    expect((error as Outage).service).toBe('clickhouse');
    expect((error as Outage).message).toMatch(expected);
    expect((error as Outage).cause).toBeInstanceOf(Error);
    expect(isRowFault(error)).toBe(false);
  });

  test('nobody there, and a name that is none', async () => {
    for (const url of ['http://127.0.0.1:1', 'http://localhost:1', 'http://no-such-host.invalid:8123']) {
      const client = await connect({ url });
      expect(await client.command({ query: 'SELECT 1' }).catch(asOutage)).toBeInstanceOf(Outage);
    }
  });

  test.each([
    [62, 'SYNTAX_ERROR', false],
    [47, 'UNKNOWN_IDENTIFIER', false],
    [117, 'INCORRECT_DATA', true],
    [27, 'CANNOT_PARSE_INPUT_ASSERTION_FAILED', true],
    [33, 'CANNOT_READ_ALL_DATA', true],
    [469, 'VIOLATED_CONSTRAINT', true],
  ])('%i %s is none; the rows are to blame: %s', async (code, name, isRows) => {
    const server = await serve(exception(code, name));
    const client = await connect({ url: server.url });
    const error = await client.command({ query: 'SELECT 1' }).catch(asOutage);
    expect(error).toBeInstanceOf(ClickHouseError);
    expect((error as ClickHouseError).type).toBe(name);
    expect(isRowFault(error)).toBe(isRows);
  });

  test('an outage stays the same one; a bug of ours stays a bug', () => {
    const outage = new Outage('clickhouse', 'away');
    const bug = new TypeError('x is not a function');
    expect(asOutage(outage)).toBe(outage);
    expect(asOutage(bug)).toBe(bug);
    expect(asOutage('text')).toBe('text');
  });
});
