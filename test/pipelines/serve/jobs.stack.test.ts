/** Jobs: asked for once, made once, whoever dies or is cut off; cancelled, expired, and found again after a restart. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { systemClock } from '../../../pipelines/common/clock.ts';
import type { RunningService } from '../../../pipelines/serve/start-service.ts';
import { eventually } from '../../helpers/runner-harness.ts';
import { ServedReports } from '../../helpers/served-reports.ts';

const HOUR_MS = 3_600_000;
/** Large enough to be made in a thread, and to say in between how far it is. */
const BIG = 10_000;

/** Of services that are told to be ahead of the time. */
let aheadMs = 0;
const clock = { now: () => systemClock.now() + aheadMs };

let served: ServedReports;
let token: string;
/** Makes jobs, from when the first process was killed. */
let hands: RunningService | null = null;
/** A job that nobody may ever begin. */
let cancelled = '';
beforeAll(async () => {
  served = await ServedReports.create(inject('configFile'), {
    // Nobody takes on jobs but those who are told to.
    overrides: { serve: { syncMaxEvents: 2_000, jobs: { maxConcurrent: 0 } } },
    clock,
  });
  token = served.tokens.acme;
  await served.fillUser('big', BIG);
});
afterAll(() => served?.[Symbol.asyncDispose]());

const create = async (body: object = { user_id: 'ann' }, key?: string, of = token) =>
  served.ask('POST', '/v1/reports', {
    ...{ token: of, body },
    ...(key === undefined ? {} : { headers: { 'idempotency-key': key } }),
  });
const job = (id: string, path = '') => served.ask('GET', `/v1/reports/${id}${path}`, { token });
const cancel = (id: string) => served.ask('DELETE', `/v1/reports/${id}`, { token });
const worker = () => served.start({ serve: { jobs: { maxConcurrent: 2 } } }, clock);
const isRunning = async (id: string) => (await job(id)).json.state === 'running';

describe('with nobody to make it', () => {
  it('waits', async () => {
    const { json: asked, headers } = await create({ user_id: 'ann', format: 'ndjson', from: '2026-10-01' });
    expect(asked).toMatchObject({
      ...{ state: 'queued', kind: 'user', tenant_id: 'acme', user_id: 'ann', by: 'send', format: 'ndjson' },
      ...{ from: '2026-10-01T00:00:00.000Z', to: null, started_at: null, expires_at: null, result: null },
    });
    expect(headers.location).toBe(`/v1/reports/${asked.id}`);
    const early = await job(asked.id, '/result');
    expect(early).toMatchObject({ status: 409, json: { code: 'not_ready' } });
    expect(early.headers['retry-after']).toBe('1');
    await cancel(asked.id);
  });

  it('is cancelled, also twice, and never begun', async () => {
    const { id } = (await create()).json;
    expect((await cancel(id)).status).toBe(204);
    expect((await cancel(id)).status).toBe(204);
    expect((await job(id)).json).toMatchObject({ state: 'cancelled', started_at: null });
    expect(await job(id, '/result')).toMatchObject({ status: 410, json: { code: 'gone' } });
    cancelled = id;
  });

  it('is listed with all others of the tenant, newest first', async () => {
    const ids: string[] = [];
    for (let index = 0; index < 5; index += 1) ids.unshift((await create()).json.id);
    const listed: string[] = [];
    let next: string | null = null;
    do {
      const query: string = next === null ? '' : `&after=${next}`;
      const { json } = await served.ask('GET', `/v1/reports?limit=2${query}`, { token });
      expect(json.reports.length).toBeLessThanOrEqual(2);
      listed.push(...json.reports.map((one: { id: string }) => one.id));
      next = json.next;
    } while (next !== null);
    expect(listed.slice(0, 5)).toEqual(ids);
    expect(new Set(listed).size).toBe(listed.length);
    for (const id of ids) await cancel(id);
  });

  it('is one job for one Idempotency-Key of one token', async () => {
    const several = await Promise.all(Array.from({ length: 5 }, () => create({ user_id: 'bob' }, 'key-1')));
    expect(several.map(({ status }) => status)).toEqual(Array(5).fill(202));
    const ids = new Set(several.map(({ json }) => json.id));
    expect(ids.size).toBe(1);
    const [id] = ids;
    expect((await create({ user_id: 'bob', by: 'send' }, 'key-1')).json.id).toBe(id);
    expect(await create({ user_id: 'ann' }, 'key-1')).toMatchObject({
      ...{ status: 422, json: { code: 'idempotency_mismatch', parameter: 'Idempotency-Key' } },
    });
    const other = await create({ user_id: 'bob' }, 'key-1', served.tokens.creator);
    expect(other.json.id).not.toBe(id);
    const bad = await create({ user_id: 'bob' }, 'a b');
    expect(bad).toMatchObject({ status: 400, json: { parameter: 'Idempotency-Key' } });
    aheadMs += 25 * HOUR_MS;
    const later = await create({ user_id: 'ann' }, 'key-1');
    expect(later.status).toBe(202);
    expect(later.json.id).not.toBe(id);
    aheadMs = 0;
    for (const one of [id, other.json.id, later.json.id]) await cancel(one);
  });

  it('holds no token, and nobody’s name is in its blob’s', async () => {
    const { id } = (await create({ user_id: 'ann' })).json;
    for await (const { name } of served.container.listBlobsFlat({ prefix: `${served.prefix}reports/` })) {
      expect(name).not.toContain('ann');
      const text = (await served.container.getBlobClient(name).downloadToBuffer()).toString();
      for (const one of Object.values(served.tokens)) expect(text).not.toContain(one);
    }
    await cancel(id);
  });
});

it('a process that is killed in the middle: another one makes it, and it ends once', async () => {
  const { child } = await served.startChild({
    CAMPAIGN_LEDGER_SERVE_JOBS_MAX_CONCURRENT: '1',
    LEDGER_FAULT_POINTS: 'serve/report-progress:1=SIGKILL',
  });
  const { id } = (await create({ user_id: 'big' })).json;
  expect((await child.ended).signal).toBe('SIGKILL');
  expect((await job(id)).json).toMatchObject({ state: 'running' });
  hands = await worker();
  const { json: ended } = await served.ended(id);
  expect(ended).toMatchObject({ state: 'succeeded', progress: { events_read: BIG, records: BIG / 4 } });
  const results = await served.blobs(`reports/results/${id}/`);
  expect(results).toEqual([expect.stringMatching(/\/2-[0-9a-f-]+$/)]);
  const result = await job(id, '/result');
  expect(result.json.report.counts).toMatchObject({ records: BIG / 4, events: BIG });
  expect((await job(cancelled)).json).toMatchObject({ state: 'cancelled', started_at: null });
});

it('a job is cancelled after its end: the result goes', async () => {
  const { id } = (await create()).json;
  const { json } = await served.ended(id);
  expect(Date.parse(json.expires_at) - Date.parse(json.finished_at)).toBe(24 * HOUR_MS);
  expect((await cancel(id)).status).toBe(204);
  expect(await job(id, '/result')).toMatchObject({ status: 410 });
  expect(await served.blobs(`reports/results/${id}/`)).toEqual([]);
});

it('a job expires: first its result goes, then all that was known of it', async () => {
  const { id } = (await create({ user_id: 'ann' }, 'key-2')).json;
  await served.ended(id);
  aheadMs += 24 * HOUR_MS + 1_000;
  // At once, whoever clears it away.
  expect(await job(id, '/result')).toMatchObject({ status: 410, json: { code: 'gone' } });
  await eventually(async () => (await served.blobs(`reports/results/${id}/`)).length === 0, {
    what: 'its removal',
  });
  expect((await job(id)).json).toMatchObject({ state: 'expired', result: null, user_id: 'ann' });
  aheadMs += 26 * HOUR_MS;
  await eventually(async () => (await job(id)).status === 404, { what: 'the end of its record' });
  await eventually(async () => (await served.blobs('reports/idempotency/')).length === 0, {
    what: 'no keys left',
  });
  aheadMs = 0;
});

it('a job is cancelled while another replica makes it: it ends there, and leaves nothing', async () => {
  const { id } = (await create({ user_id: 'big' })).json;
  await eventually(() => isRunning(id), { what: 'its beginning', everyMs: 20 });
  expect((await cancel(id)).status).toBe(204);
  const isLost = (line: string) => line.includes('a report was cancelled, or') && line.includes(id);
  await eventually(() => served.log.some(isLost), { what: 'the end of the work' });
  expect((await job(id)).json).toMatchObject({ state: 'cancelled', result: null });
  await eventually(async () => (await served.blobs(`reports/results/${id}/`)).length === 0, {
    what: 'nothing',
  });
});

it('a process that is asked to end gives its job back; whoever starts next makes it, and a third has the result', async () => {
  const { id } = (await create({ user_id: 'big', format: 'ndjson' })).json;
  await eventually(() => isRunning(id), { what: 'its beginning', everyMs: 20 });
  await hands?.close();
  expect((await job(id)).json).toMatchObject({ state: 'queued', progress: { events_read: 0 } });
  const next = await worker();
  const { json: ended } = await served.ended(id);
  expect(ended).toMatchObject({ state: 'succeeded', progress: { events_read: BIG, records: BIG / 4 } });
  await next.close();
  const third = await served.start({}, clock);
  const result = await served.ask('GET', ended.result.href, { token, at: third.url });
  expect(JSON.parse(result.text.split('\n')[0] ?? '').report.digest).toBe(ended.result.digest);
  expect(Buffer.byteLength(result.text)).toBe(ended.result.bytes);
});
