/** What protects the service and those who share it: limits, time, clients that go away, services that do. */
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { loadConfig } from '../../../config/load.ts';
import { endpointOf, throughProxy } from '../../helpers/counting-proxy.ts';
import { type CuttingProxy, startCuttingProxy } from '../../helpers/cutting-proxy.ts';
import { eventually } from '../../helpers/runner-harness.ts';
import { ServedReports } from '../../helpers/served-reports.ts';

let served: ServedReports;
let blob: CuttingProxy;
let clickhouse: CuttingProxy;
beforeAll(async () => {
  const stack = await loadConfig({ file: inject('configFile') });
  const { connectionString } = stack.blob;
  blob = await startCuttingProxy(new URL(endpointOf(connectionString)).origin);
  clickhouse = await startCuttingProxy(stack.clickhouse.url);
  served = await ServedReports.create(inject('configFile'), {
    overrides: {
      serve: {
        ...{ maxConcurrentReports: 1, maxWaitingReports: 2, requestTimeoutMs: 5_000 },
        rateLimit: { maxRequests: 30, windowMs: 600_000 },
        jobs: { maxConcurrent: 0 },
      },
    },
    through: {
      blob: { connectionString: throughProxy(connectionString, blob) },
      clickhouse: { url: clickhouse.url },
    },
  });
});
afterAll(async () => {
  await served?.[Symbol.asyncDispose]();
  await blob?.close();
  await clickhouse?.close();
});

/** A service with another limit for requests, as those of one test count in the next. */
async function fresh(overrides: object = {}): Promise<{ url: string; metrics: () => Promise<string> }> {
  const own = { ...served.through, serve: { rateLimit: { maxRequests: 100_000 }, ...overrides } };
  const { url, metricsUrl } = await served.start(own);
  return { url, metrics: async () => (await served.ask('GET', '/metrics', { at: metricsUrl ?? '' })).text };
}

const REPORT = '/v1/users/ann/report';

it('so many requests of a token, and of an address without one; health is always told', async () => {
  const { acme, reader } = served.tokens;
  const status = async (token?: string, path = REPORT) => {
    const told = await served.ask('GET', path, { token });
    if (told.status === 429) {
      expect(told.json).toMatchObject({ code: 'rate_limited' });
      expect(Number(told.headers['retry-after'])).toBeGreaterThan(0);
    }
    return told.status;
  };
  const all: number[] = [];
  for (let index = 0; index < 32; index += 1) all.push(await status(acme, '/v1/reports?limit=0'));
  expect(all).toEqual([...Array(30).fill(400), 429, 429]);
  expect(await status(reader)).toBe(200);
  const nobody: number[] = [];
  // A bad token is no other one: it cannot be guessed at for longer.
  for (let index = 0; index < 32; index += 1) nobody.push(await status(`clk_${index}`));
  expect(nobody).toEqual([...Array(30).fill(401), 429, 429]);
  expect(await status(undefined, '/v1/nothing')).toBe(429);
  for (let index = 0; index < 40; index += 1) expect(await status(undefined, '/healthz')).toBe(200);
});

describe('busy', () => {
  it('is said to those for whom there is no place in the line, at once; the others get their answer', async () => {
    const { url } = await fresh();
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    blob.before = () => held;
    const ask = () => served.ask('GET', REPORT, { token: served.tokens.acme, at: url });
    const first = [ask(), ask(), ask()];
    const isFull = async () => {
      const told = await Promise.race([
        ask(),
        new Promise<null>((resolve) => setTimeout(resolve, 1_000, null)),
      ]);
      if (told?.status !== 503) return false;
      expect(told.json).toMatchObject({ code: 'busy' });
      expect(told.headers['retry-after']).toBe('2');
      return true;
    };
    await eventually(isFull, { what: 'a full line' });
    release();
    blob.before = () => undefined;
    expect((await Promise.all(first)).map(({ status }) => status)).toEqual([200, 200, 200]);
  });

  it('is said when as many jobs wait as may', async () => {
    const { url } = await fresh();
    const create = () =>
      served.ask('POST', '/v1/reports', { token: served.tokens.acme, at: url, body: { user_id: 'ann' } });
    const asked = [await create(), await create(), await create()];
    expect(asked.map(({ status }) => status)).toEqual([202, 202, 503]);
    expect(asked[2]?.json.code).toBe('busy');
    for (const { json } of asked.slice(0, 2))
      await served.ask('DELETE', `/v1/reports/${json.id}`, { token: served.tokens.acme, at: url });
    await eventually(async () => (await create()).status === 202, { what: 'a place again' });
  });
});

describe('a service that is away', () => {
  const SECRETS = /127\.0\.0\.1|ECONN|devstore|AccountKey|sig=|localhost/;
  it.each([
    ['Blob Storage', () => blob],
    ['ClickHouse', () => clickhouse],
  ])('%s: it is said which one, and nothing else; then it works again', async (name, proxyOf) => {
    const proxy = proxyOf();
    const { url } = await fresh();
    const ask = (path = REPORT, method = 'GET', body?: object) =>
      served.ask(method, path, {
        token: served.tokens.acme,
        at: url,
        ...(body === undefined ? {} : { body }),
      });
    expect((await ask()).status).toBe(200);
    for (const fate of ['refuse', 503] as const) {
      proxy.fate = () => fate;
      const told = await ask();
      expect(told).toMatchObject({ status: 503, json: { code: 'unavailable' } });
      expect(told.json.detail).toContain(name);
      expect(told.headers['retry-after']).toBe('5');
      expect(told.text).not.toMatch(SECRETS);
    }
    if (proxy === blob) {
      for (const [method, path, body] of [
        ['POST', '/v1/reports', { user_id: 'ann' }],
        ['GET', '/v1/reports', undefined],
      ] as const)
        expect(await ask(path, method, body)).toMatchObject({ status: 503, json: { code: 'unavailable' } });
    }
    proxy.fate = () => 'pass';
    expect((await ask()).status).toBe(200);
  });

  it('one that does not answer: the time ends', async () => {
    const { url, metrics } = await fresh({ requestTimeoutMs: 1_000 });
    clickhouse.fate = () => 'hang';
    const told = await served.ask('GET', REPORT, { token: served.tokens.acme, at: url });
    clickhouse.fate = () => 'pass';
    expect(told).toMatchObject({ status: 504, json: { code: 'timeout' } });
    expect(await metrics()).toContain('ledger_reports_total{how="at_once",outcome="timeout"} 1');
    expect((await served.ask('GET', REPORT, { token: served.tokens.acme, at: url })).status).toBe(200);
  });
});

it('a client that hangs up: its report is not made any further, and its place is free', async () => {
  const { url, metrics } = await fresh();
  let release = (): void => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let isAsked = false;
  blob.before = () => {
    isAsked = true;
    return held;
  };
  const headers = { authorization: `Bearer ${served.tokens.acme}` };
  const gone = request(`${url}${REPORT}`, { headers });
  gone.on('error', () => {});
  gone.end();
  await eventually(() => isAsked, { what: 'its question' });
  gone.destroy();
  const line = 'ledger_reports_total{how="at_once",outcome="client_gone"} 1';
  await eventually(async () => (await metrics()).includes(line), { what: 'the end of its report' });
  expect(await metrics()).toContain('ledger_reports_running{how="at_once"} 0');
  release();
  blob.before = () => undefined;
  expect((await served.ask('GET', REPORT, { token: served.tokens.acme, at: url })).status).toBe(200);
});

it('many at once ask for what all need together, and each is told of what was there when it asked', async () => {
  const { url } = await fresh({ maxConcurrentReports: 32, maxWaitingReports: 32 });
  const ask = () => served.ask('GET', REPORT, { token: served.tokens.acme, at: url });
  await ask();
  const asked: string[] = [];
  blob.onAnswer = ({ url: path = '' }) => void asked.push(path);
  const told = await Promise.all(Array.from({ length: 32 }, ask));
  blob.onAnswer = () => {};
  expect(told.map(({ status }) => status)).toEqual(Array(32).fill(200));
  const isShared = (path: string) => /heads%2F|manifest\.json/.test(path);
  expect(asked.filter(isShared).length).toBeGreaterThan(1);
  expect(asked.filter(isShared).length).toBeLessThan(32);
  const digests = new Set(told.map(({ headers }) => headers['report-digest']));
  expect(digests.size).toBe(1);
});
