/** Campaigns' reports as jobs: what the command would say, asked for, kept, lost and found as users' reports are. */
import type { IncomingMessage } from 'node:http';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { loadConfig } from '../../../config/load.ts';
import { parseAttributePath } from '../../../pipelines/campaign-report/attribute-path.ts';
import { formatCsv } from '../../../pipelines/campaign-report/format/csv.ts';
import { readKeptSince } from '../../../pipelines/campaign-report/kept-since.ts';
import { makeCampaignReport } from '../../../pipelines/campaign-report/make-report.ts';
import type { CampaignReport } from '../../../pipelines/campaign-report/report.ts';
import { systemClock } from '../../../pipelines/common/clock.ts';
import { jobMetadata, newJobId } from '../../../pipelines/serve/jobs/job.ts';
import { JobStore } from '../../../pipelines/serve/jobs/job-store.ts';
import { type CuttingProxy, startCuttingProxy } from '../../helpers/cutting-proxy.ts';
import { eventually } from '../../helpers/runner-harness.ts';
import { SENT_AT, ServedReports } from '../../helpers/served-reports.ts';
import { time } from '../../schemas/clickhouse/event-model.ts';

const HOUR_MS = 3_600_000;
const CAMPAIGN = 'sale/ü "1"';
const ASK = { kind: 'campaign', campaign_id: CAMPAIGN };

/** Of services that are told to be ahead of the time. */
let aheadMs = 0;
const clock = { now: () => systemClock.now() + aheadMs };

let served: ServedReports;
let token: string;
/** In front of ClickHouse, for processes that are to wait for it. */
let proxy: CuttingProxy;
beforeAll(async () => {
  proxy = await startCuttingProxy((await loadConfig({ file: inject('configFile') })).clickhouse.url);
  served = await ServedReports.create(inject('configFile'), {
    // Nobody takes on jobs but those who are told to.
    overrides: { serve: { jobs: { maxConcurrent: 0 } } },
    clock,
  });
  token = served.tokens.acme;
  await fillCampaigns();
});
afterAll(async () => {
  await served?.[Symbol.asyncDispose]();
  await proxy?.close();
});

/** One that people got before and after they changed plan, and one of the other tenant. */
async function fillCampaigns(): Promise<void> {
  const event = (tenant_id: string, campaign_id: string, user_id: string, type: string, offset: number) => ({
    ...{ tenant_id, campaign_id, user_id, type, message_id: 'm', event_id: type, channel: 'EMAIL', offset },
    ...{ kind: type === 'OPENED' ? 'feedback' : 'delivery', source: `${'d'.repeat(32)}/0` },
    ...{ occurred_at: time(SENT_AT), recorded_at: time(SENT_AT) },
  });
  const users = ['u0', 'u1', 'u2', 'u3', 'u4'];
  await served.ledger.insert('events', [
    ...users.map((user, offset) => event('acme', CAMPAIGN, user, 'SENT', offset)),
    ...users.slice(1).map((user, offset) => event('acme', CAMPAIGN, user, 'DELIVERED', 10 + offset)),
    ...users.slice(3).map((user, offset) => event('acme', CAMPAIGN, user, 'OPENED', 20 + offset)),
    event('globex', 'theirs', 'ann', 'SENT', 30),
  ]);
  const version = (user_id: string, number: number, validFrom: number, attributes: object) => ({
    ...{ tenant_id: 'acme', user_id, version: number, valid_from: time(validFrom), deleted: false },
    ...{ attributes: JSON.stringify(attributes), change_ids: ['c'], recorded_at: time(SENT_AT), fold: '1' },
  });
  await served.ledger.insert('profile_versions', [
    version('u1', 1, SENT_AT - HOUR_MS, { plan: 'free', 'a.b': 1 }),
    version('u1', 2, SENT_AT + HOUR_MS, { plan: 'pro' }),
    version('u2', 1, SENT_AT - HOUR_MS, { plan: 'pro' }),
    version('u3', 1, SENT_AT + HOUR_MS, { plan: 'free' }),
  ]);
  await served.ledger.insert('campaigns', [
    {
      ...{ tenant_id: 'acme', campaign_id: CAMPAIGN, name: '<script>alert(1)</script>', channel: 'EMAIL' },
      ...{ updated_at: time(SENT_AT), recorded_at: time(SENT_AT), source: `${'d'.repeat(32)}/1`, offset: 0 },
    },
  ]);
}

const create = (body: object = ASK, key?: string) =>
  served.ask('POST', '/v1/reports', {
    ...{ token, body },
    ...(key === undefined ? {} : { headers: { 'idempotency-key': key } }),
  });
const job = (id: string, path = '') => served.ask('GET', `/v1/reports/${id}${path}`, { token });
const cancel = (id: string) => served.ask('DELETE', `/v1/reports/${id}`, { token });
const worker = (overrides: object = {}) =>
  served.start({ ...overrides, serve: { jobs: { maxConcurrent: 2 } } }, clock);

/** What the command says, at one instant. */
async function reportAt(
  generatedAt: number,
  {
    by = null,
    from = null,
    to = null,
  }: { by?: string | null; from?: number | null; to?: number | null } = {},
): Promise<CampaignReport> {
  const config = await served.config();
  const { report } = await makeCampaignReport(
    {
      clickhouse: served.ledger.client,
      database: served.ledger.database,
      readKeptSince: (now) => readKeptSince(config, now),
    },
    {
      ...{ tenantId: 'acme', campaignId: CAMPAIGN, range: { from, to }, generatedAt },
      by: by === null ? null : parseAttributePath('by', by),
    },
  );
  return report;
}

describe('with nobody to make it', () => {
  it('waits, and says what was asked for', async () => {
    const { status, json: asked, headers } = await create({ ...ASK, by: 'plan', from: '2026-10-01' });
    expect(status).toBe(202);
    expect(headers.location).toBe(`/v1/reports/${asked.id}`);
    expect(Object.keys(asked)).toEqual([
      ...['id', 'kind', 'state', 'tenant_id', 'campaign_id', 'from', 'to', 'by', 'format', 'created_at'],
      ...['started_at', 'finished_at', 'expires_at', 'progress', 'result', 'problem', 'href'],
    ]);
    expect(asked).toMatchObject({
      ...{ kind: 'campaign', state: 'queued', tenant_id: 'acme', campaign_id: CAMPAIGN, by: 'plan' },
      ...{ from: '2026-10-01T00:00:00.000Z', to: null, format: 'json', result: null },
    });
    expect((await create()).json.by).toBeNull();
    const { json } = await served.ask('GET', '/v1/reports', { token });
    expect(json.reports.map((one: { kind: string }) => one.kind)).toEqual(['campaign', 'campaign']);
    for (const { id } of json.reports) {
      expect(await job(id, '/result')).toMatchObject({ status: 409, json: { code: 'not_ready' } });
      expect((await cancel(id)).status).toBe(204);
      expect(await job(id, '/result')).toMatchObject({ status: 410, json: { code: 'gone' } });
    }
  });

  it('is one job for one Idempotency-Key, and no other’s of another kind', async () => {
    const { id } = (await create(ASK, 'key')).json;
    expect((await create({ ...ASK, format: 'json' }, 'key')).json.id).toBe(id);
    for (const other of [{ ...ASK, by: 'plan' }, { user_id: CAMPAIGN }])
      expect(await create(other, 'key')).toMatchObject({
        status: 422,
        json: { code: 'idempotency_mismatch' },
      });
    await cancel(id);
  });
});

describe('while ClickHouse counts', () => {
  /** Questions that have come and are not answered. */
  const open = new Set<IncomingMessage>();
  const QUESTIONS = 4;

  it('a job is cancelled by another replica, or its process is asked to end: nothing is asked any more', async () => {
    proxy.before = (request) => {
      open.add(request);
      request.socket.once('close', () => open.delete(request));
      return new Promise(() => {});
    };
    const held = await worker({ clickhouse: { url: proxy.url } });
    const { id } = (await create()).json;
    await eventually(() => open.size === QUESTIONS, { what: 'all questions' });
    expect((await job(id)).json).toMatchObject({
      ...{ state: 'running', progress: { events_read: 0, records: 0 } },
    });
    expect((await cancel(id)).status).toBe(204);
    await eventually(() => open.size === 0, { what: 'the end of the questions' });
    expect((await job(id)).json).toMatchObject({ state: 'cancelled', result: null, problem: null });

    const next = (await create()).json.id;
    await eventually(() => open.size === QUESTIONS, { what: 'the questions of the next' });
    await held.close();
    await eventually(() => open.size === 0, { what: 'the end of these' });
    expect((await job(next)).json).toMatchObject({ state: 'queued', started_at: expect.any(String) });
    // A process that is asked to end is none that was missed: so may any number of them be.
    const stored = await new JobStore(served.container, served.prefix).read(next);
    expect(stored?.job.attempt).toBe(0);
    proxy.before = () => undefined;
    await cancel(next);
    expect(await served.blobs('reports/results/')).toEqual([]);
  });
});

it('that ClickHouse has not the memory for ends, and does not keep the place of others for ever', async () => {
  proxy.before = (request) => {
    request.url += '&max_memory_usage=1000';
    return undefined;
  };
  const refused = await worker({ clickhouse: { url: proxy.url } });
  const { json } = await served.job(ASK);
  expect(json).toMatchObject({ state: 'failed', result: null, problem: { code: 'too_large' } });
  expect(json.problem.detail).toContain('takes more memory or time than a question may');
  proxy.before = () => undefined;
  await refused.close();
});

it('a process that is killed when it has just made it: another one makes it, and the first one’s goes with it', async () => {
  const { child } = await served.startChild({
    CAMPAIGN_LEDGER_SERVE_JOBS_MAX_CONCURRENT: '1',
    LEDGER_FAULT_POINTS: 'serve/report-made:1=SIGKILL',
  });
  const { id } = (await create()).json;
  expect((await child.ended).signal).toBe('SIGKILL');
  expect((await job(id)).json).toMatchObject({ state: 'running' });
  await worker();
  const { json: ended } = await served.ended(id);
  expect(ended.state).toBe('succeeded');
  const results = await served.blobs(`reports/results/${id}/`);
  expect(results.map((path) => path.replace(/^.*\/(\d)-[0-9a-f-]+$/, '$1'))).toEqual(['1', '2']);
  const third = await served.start({}, clock);
  const result = await served.ask('GET', ended.result.href, { token, at: third.url });
  expect(result.json.totals.figures.messages).toBe(5);
  await cancel(id);
  expect(await served.blobs(`reports/results/${id}/`)).toEqual([]);
});

it('a job that an earlier release has stored is made', async () => {
  const now = systemClock.now();
  const id = newJobId('acme', now);
  const stored = `{"v":1,"id":"${id}","kind":"user","tenantId":"acme","ask":{"userId":"ann","from":null,"to":null,"by":"send","knownAt":null,"format":"json"},"askedBy":"acme","state":"queued","createdAt":${now},"startedAt":null,"finishedAt":null,"expiresAt":null,"attempt":0,"lease":null,"progress":{"eventsRead":0,"records":0},"result":null,"problem":null}`;
  await served.container
    .getBlockBlobClient(`${served.prefix}reports/jobs/${id}.json`)
    .upload(stored, stored.length, { metadata: jobMetadata(JSON.parse(stored)) });
  expect((await served.ended(id)).json).toMatchObject({
    ...{ kind: 'user', state: 'succeeded', user_id: 'ann', by: 'send', known_at: null },
    result: { digest: expect.stringMatching(/^sha256:/) },
  });
});

describe('the result', () => {
  it.each([
    ['whole', {}, {}],
    ['by an attribute', { by: 'plan' }, { by: 'plan' }],
    ['of a range', { from: '2026-10-02', by: '/plan' }, { from: Date.UTC(2026, 9, 2), by: '/plan' }],
  ])('%s: JSON is what the command says at that instant', async (_what, more, question) => {
    const { json: ended } = await served.job({ ...ASK, ...more });
    expect(ended).toMatchObject({
      ...{ state: 'succeeded', ...more, problem: null, progress: { events_read: 0, records: 0 } },
      ...{ result: { digest: null }, from: 'from' in more ? '2026-10-02T00:00:00.000Z' : null },
    });
    const { json, text, headers } = await served.ask('GET', ended.result.href, { token });
    const expected = await reportAt(Date.parse(json.report.generated_at), question);
    expect(json).toEqual(JSON.parse(JSON.stringify(expected)));
    expect(json.totals.figures.messages).toBe('from' in more ? 0 : 5);
    expect(headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'content-disposition': 'attachment; filename="campaign-report.json"',
      'content-length': String(ended.result.bytes),
      'cache-control': 'no-store',
    });
    expect(headers).not.toHaveProperty('report-digest');
    expect(Buffer.byteLength(text)).toBe(ended.result.bytes);
  });

  it('CSV', async () => {
    const { json: ended } = await served.job({ ...ASK, by: 'plan', format: 'csv' });
    const { text, headers } = await served.ask('GET', ended.result.href, { token });
    expect(headers).toMatchObject({
      'content-type': 'text/csv; charset=utf-8',
      'content-disposition': 'attachment; filename="campaign-report.csv"',
    });
    expect(text).toBe([...formatCsv(await reportAt(clock.now(), { by: 'plan' }))].join(''));
  });

  it('a page: it runs nothing, in whatever browser', async () => {
    const { json: ended } = await served.job({ ...ASK, by: 'plan', format: 'html' });
    const { text, headers } = await served.ask('GET', ended.result.href, { token });
    expect(headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'content-disposition': 'attachment; filename="campaign-report.html"',
      'content-security-policy': expect.stringMatching(/^default-src 'none'; style-src .*; sandbox$/),
    });
    expect(headers['content-security-policy']).not.toContain('script');
    expect(text).toMatch(/^<!doctype html>.*&lt;script&gt;alert/s);
    expect(text).not.toContain('<script');
  });
});

it('an attribute that no recipient has: the job fails, and names those that there are', async () => {
  const { json: ended } = await served.job({ ...ASK, by: 'plna' });
  expect(ended).toMatchObject({ state: 'failed', result: null, problem: { code: 'unknown_attribute' } });
  expect(ended.problem.detail).toMatch(/^by: no profile .* has "plna".* there are: plan, a\.b$/);
  const gone = await job(ended.id, '/result');
  expect(gone).toMatchObject({ status: 410, json: { code: 'gone' } });
  expect(gone.json.detail).toContain(ended.problem.detail);
  const { json: dotted } = await served.job({ ...ASK, by: 'a.b' });
  expect(dotted.problem.detail).toMatch(/; as one key it is \/a\.b$/);
  const { json: long } = await served.job({ ...ASK, by: `${'x'.repeat(4_000)}` });
  expect(long.problem.detail.length).toBeLessThan(300);
});

it('a campaign of another tenant is as unknown as one of nobody’s', async () => {
  const asked = ['theirs', 'nobody’s', CAMPAIGN.toUpperCase(), `${CAMPAIGN} `, "' OR '1'='1"];
  for (const campaign_id of asked) {
    const { json } = await served.job({ ...ASK, campaign_id, by: 'plan' });
    expect(json, campaign_id).toMatchObject({ state: 'failed', result: null });
    expect(json.problem).toEqual({
      code: 'not_found',
      detail: 'it does not exist, or this token may not know of it',
    });
  }
  const { json } = await served.job({ ...ASK, campaign_id: 'theirs' }, served.tokens.globex);
  expect(json).toMatchObject({ state: 'succeeded', tenant_id: 'globex', campaign_id: 'theirs' });
  const foreign = await create({ ...ASK, tenant_id: 'globex', campaign_id: 'theirs' });
  expect(foreign).toMatchObject({ status: 404, json: { code: 'not_found' } });
});

it('a job expires: first its result goes, then all that was known of it', async () => {
  const { id } = (await served.job({ ...ASK, by: 'plan' })).json;
  aheadMs += 24 * HOUR_MS + 1_000;
  expect(await job(id, '/result')).toMatchObject({ status: 410, json: { code: 'gone' } });
  await eventually(async () => (await served.blobs(`reports/results/${id}/`)).length === 0, {
    what: 'its removal',
  });
  expect((await job(id)).json).toMatchObject({ state: 'expired', campaign_id: CAMPAIGN, by: 'plan' });
  aheadMs += 26 * HOUR_MS;
  await eventually(async () => (await job(id)).status === 404, { what: 'the end of its record' });
  aheadMs = 0;
});

it.each([
  ['campaign_id', { kind: 'campaign' }, /say which campaign/],
  ['campaign_id', { ...ASK, campaign_id: '' }, /is empty/],
  ['campaign_id', { ...ASK, campaign_id: 'é'.repeat(513) }, /longer than 1024 bytes/],
  ['campaign_id', { ...ASK, campaign_id: '\ud800' }, /well-formed/],
  ['campaign_id', { campaign_id: CAMPAIGN }, /no such parameter for kind user; .* user_id/],
  ['campaign_id', { user_id: 'ann', campaign_id: CAMPAIGN }, /no such parameter for kind user/],
  ['user_id', { ...ASK, user_id: 'ann' }, /no such parameter for kind campaign; .* campaign_id/],
  ['known_at', { ...ASK, known_at: '2026-10-01' }, /no such parameter for kind campaign/],
  ['kind', { ...ASK, kind: 'campaigns' }, /"campaigns" is not one of user, campaign/],
  ['from', { ...ASK, from: '2026-10-02', to: '2026-10-01' }, /is after to/],
  ['to', { ...ASK, to: '2026-02-31' }, /not a date of the calendar/],
  ['by', { ...ASK, by: '' }, /empty key/],
  ['by', { ...ASK, by: `a${'.a'.repeat(199)}` }, /^by: has 200 keys; .* 100 deep/],
  ['by', { ...ASK, by: `/a~2${'x'.repeat(4_000)}` }, /^by: .* is not a JSON pointer/],
  ['by', { ...ASK, by: 'x'.repeat(4_097) }, /longer than 4096 bytes/],
  ['by', { ...ASK, by: ['plan', 'city'] }, /more than once/],
  ['by', { ...ASK, by: '\ud800' }, /well-formed/],
  ['format', { ...ASK, format: 'ndjson' }, /"ndjson" is not one of json, csv, html$/],
  ['format', { ...ASK, format: 'table' }, /not one of json, csv, html/],
])('a request that is wrong: %s (%#)', async (parameter, body, detail) => {
  const told = await create(body);
  expect(told).toMatchObject({ status: 400, json: { code: 'invalid_request', parameter } });
  expect(told.json.detail).toMatch(detail);
  expect(told.text.length).toBeLessThan(700);
});
