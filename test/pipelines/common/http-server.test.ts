import { request } from 'undici';
import { afterEach, expect, test } from 'vitest';
import { type Health, type HealthServer, startHealthServer } from '../../../pipelines/common/http-server.ts';
import { createMetrics } from '../../../pipelines/common/metrics.ts';

let server: HealthServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function start(health: Health, metrics = createMetrics()) {
  server = await startHealthServer({ host: '127.0.0.1', port: 0, metrics, health });
  const { url } = server;
  return async (path: string) => {
    const { statusCode, headers, body } = await request(url + path);
    return { statusCode, type: headers['content-type'], text: await body.text() };
  };
}

test('metrics in the format of Prometheus', async () => {
  const metrics = createMetrics({ withProcessMetrics: true });
  metrics.records.inc({ pipeline: 'tracking', topic: 'campaign.delivery', partition: '3' }, 5);
  metrics.unknownSymbols.inc({ pipeline: 'tracking', topic: 't', field: 'channel', symbol: 'FAX' });
  const get = await start({ unhealthy: () => null, unready: () => null }, metrics);
  const { statusCode, type, text } = await get('/metrics');
  expect(statusCode).toBe(200);
  expect(type).toMatch(/^text\/plain; version=0\.0\.4/);
  expect(text).toContain(
    'ledger_records_total{pipeline="tracking",topic="campaign.delivery",partition="3"} 5\n',
  );
  expect(text).toContain(
    'ledger_unknown_symbols_total{pipeline="tracking",topic="t",field="channel",symbol="FAX"} 1\n',
  );
  expect(text).toContain('process_resident_memory_bytes');
});

test('every metric of ours has the prefix, a help text and a unit where it has one', async () => {
  const all = await createMetrics().registry.getMetricsAsJSON();
  expect(all.length).toBeGreaterThan(15);
  for (const { name, help, type } of all) {
    expect(name).toMatch(/^ledger_[a-z_]+$/);
    expect(help).toMatch(/^(\d|[A-Z]).*\.$/);
    expect(name.endsWith('_total')).toBe(String(type) === 'counter');
  }
});

test('health and readiness are two things, and say why not', async () => {
  let unready: string | null = 'no partitions are assigned yet';
  const get = await start({ unhealthy: () => null, unready: () => unready });
  expect(await get('/healthz')).toMatchObject({ statusCode: 200 });
  const waiting = await get('/readyz');
  expect(waiting.statusCode).toBe(503);
  expect(JSON.parse(waiting.text)).toEqual({ status: 'unavailable', reason: unready });
  unready = null;
  expect(await get('/readyz')).toMatchObject({ statusCode: 200 });
});

test('a free port on loopback, told to the caller; an occupied one is an error', async () => {
  await start({ unhealthy: () => null, unready: () => null });
  const url = new URL(server?.url ?? '');
  expect(url.hostname).toBe('127.0.0.1');
  const again = startHealthServer({
    host: '127.0.0.1',
    port: Number(url.port),
    metrics: createMetrics(),
    health: { unhealthy: () => null, unready: () => null },
  });
  await expect(again).rejects.toMatchObject({ code: 'EADDRINUSE' });
});
