/** Reports over HTTP: who gets what, what is wrong with a request, and that the answers are as /openapi.json says. */
import { createHmac } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { validate } from '@readme/openapi-parser';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { newKey } from '../../../pipelines/serve/auth/key-file.ts';
import { ledgerCommand } from '../../helpers/pipeline-child.ts';
import { eventually } from '../../helpers/runner-harness.ts';
import { ODD_IDS, ServedReports, type Told } from '../../helpers/served-reports.ts';

let served: ServedReports;
let provider: Provider;
beforeAll(async () => {
  provider = await startProvider();
  served = await ServedReports.create(inject('configFile'), {
    overrides: {
      serve: {
        syncMaxEvents: 100,
        auth: { jwks: { url: provider.url, issuer: 'https://login.example', audience: 'ledger' } },
      },
    },
  });
  await served.fillUser('big', 101);
});
afterAll(async () => {
  await served?.[Symbol.asyncDispose]();
  provider?.server.close();
});

interface Provider {
  readonly url: string;
  readonly server: Server;
  sign(claims: JWTPayload): Promise<string>;
  readonly publicPem: string;
}

async function startProvider(): Promise<Provider> {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256', use: 'sig' };
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [jwk] }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`,
    server,
    publicPem: await exportSPKI(publicKey),
    sign: (claims) => new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: 'k1' }).sign(privateKey),
  };
}

const userReport = (user: string, query = '') => `/v1/users/${encodeURIComponent(user)}/report${query}`;

/** All but what differs with each request. */
function withoutRequestId({ json, headers }: Told): unknown {
  const { request_id, ...problem } = json;
  expect(request_id).toBe(headers['x-request-id']);
  return problem;
}

const pointerPart = (part: string) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'));

const LEAKS = /ann|d-0|spring|clickhouse|127\.0\.0\.1|azure|devstore/i;

const ROUTES: readonly [string, string, (id: string, tenant: string) => [path: string, body?: object]][] = [
  ['GET', '/v1/reports', (_id, tenant) => [`/v1/reports?tenant_id=${tenant}`]],
  ['GET', '/v1/reports/{id}', (of) => [`/v1/reports/${of}`]],
  ['GET', '/v1/reports/{id}/result', (of) => [`/v1/reports/${of}/result`]],
  ['DELETE', '/v1/reports/{id}', (of) => [`/v1/reports/${of}`]],
];

describe.each([
  ['user', { user_id: 'ann' }],
  ['campaign', { kind: 'campaign', campaign_id: 'spring' }],
])('who may have the report of a %s', (kind, asked) => {
  let id: string;
  let foreignId: string;
  beforeAll(async () => {
    id = (await served.job(asked)).json.id;
    foreignId = (await served.job(asked, served.tokens.globex)).json.id;
  });

  it.each([
    ['POST', '/v1/reports', (_id, tenant_id) => ['/v1/reports', { tenant_id, ...asked }]],
    ...ROUTES,
    ...(kind === 'user'
      ? ([
          ['GET', '/v1/users/{user}/report', (_id, tenant) => [userReport('ann', `?tenant_id=${tenant}`)]],
        ] satisfies typeof ROUTES)
      : []),
  ] satisfies typeof ROUTES)('%s %s', async (method, _path, call) => {
    const ask = (token: string | undefined, of = id, tenant = 'acme') => {
      const [path, body] = call(of, tenant);
      return served.ask(method, path, { token, body });
    };
    const scope = method === 'GET' ? 'reports:read' : 'reports:create';
    const lacking = method === 'GET' ? served.tokens.creator : served.tokens.reader;
    const refusals = [
      [undefined, 401, 'unauthorized', /^Bearer realm="campaign-ledger"$/],
      ['clk_nobody', 401, 'unauthorized', /error="invalid_token"/],
      [served.tokens.acme.toUpperCase(), 401, 'unauthorized', /error="invalid_token"/],
      [served.tokens.expired, 401, 'unauthorized', /error="invalid_token"/],
      [lacking, 403, 'insufficient_scope', new RegExp(`error="insufficient_scope", scope="${scope}"`)],
    ] as const;
    for (const [token, status, code, challenge] of refusals) {
      const told = await ask(token);
      expect(told).toMatchObject({ status, json: { status, code } });
      expect(told.headers['www-authenticate']).toMatch(challenge);
      // The request's id is chance: it may look like anything.
      expect(JSON.stringify(withoutRequestId(told))).not.toMatch(LEAKS);
    }
    const nobodys = id.replace(/.{32}$/, '0'.repeat(32));
    const foreign = await ask(served.tokens.acme, foreignId, 'globex');
    const missing = await ask(served.tokens.acme, nobodys, 'no-such-tenant');
    expect(foreign).toMatchObject({ status: 404, json: { code: 'not_found' } });
    expect(withoutRequestId(foreign)).toEqual(withoutRequestId(missing));
    expect(Object.keys(foreign.headers)).toEqual(Object.keys(missing.headers));
    // And it was not done either.
    const theirs = await served.ask('GET', `/v1/reports/${foreignId}`, { token: served.tokens.globex });
    expect(theirs.json).toMatchObject({ kind, state: 'succeeded', tenant_id: 'globex' });
  });

  it('a listing has the tenant’s own and no others', async () => {
    const listed = await served.ask('GET', '/v1/reports?tenant_id=acme', { token: served.tokens.both });
    const ids = listed.json.reports.map((job: { id: string }) => job.id);
    expect(ids).toContain(id);
    expect(ids).not.toContain(foreignId);
  });
});

describe('who may', () => {
  it('a user of another tenant is as unknown as one of nobody’s', async () => {
    const ofOther = await served.ask('GET', userReport('zoe'), { token: served.tokens.acme });
    const nobody = await served.ask('GET', userReport('nobody'), { token: served.tokens.acme });
    expect(ofOther.status).toBe(404);
    expect(withoutRequestId(ofOther)).toEqual(withoutRequestId(nobody));
    expect((await served.job({ user_id: 'zoe' })).json).toMatchObject({
      ...{ state: 'failed', result: null, problem: { code: 'not_found' } },
    });
    const zoe = await served.ask('GET', userReport('zoe'), { token: served.tokens.globex });
    expect(zoe.json.report).toMatchObject({ tenant_id: 'globex', user_id: 'zoe', counts: { events: 1 } });
  });

  it('a token of two tenants has to say which one it means', async () => {
    const { both } = served.tokens;
    expect(await served.ask('GET', userReport('ann'), { token: both })).toMatchObject({
      ...{ status: 400, json: { code: 'invalid_request', parameter: 'tenant_id' } },
    });
    for (const tenant of ['acme', 'globex']) {
      const told = await served.ask('GET', userReport('ann', `?tenant_id=${tenant}`), { token: both });
      expect(told.json.report.tenant_id).toBe(tenant);
    }
  });

  it('the file of keys is read again when it has changed; a broken one changes nothing', async () => {
    const text = await readFile(served.keysFile, 'utf8');
    const { token, entry } = newKey({ id: 'late', tenants: ['acme'], scopes: ['reports:read'] });
    const status = async (of: string) => (await served.ask('GET', userReport('ann'), { token: of })).status;
    await writeFile(served.keysFile, 'keys: [{id: 1');
    await eventually(() => served.log.some((line) => line.includes('the keys of before stay good')), {
      what: 'the complaint',
    });
    expect(await status(served.tokens.acme)).toBe(200);
    await writeFile(served.keysFile, `keys:\n${entry.replace(/^/gm, '  ')}`);
    await eventually(async () => (await status(token)) === 200, { what: 'the new key' });
    expect(await status(served.tokens.acme)).toBe(401);
    await writeFile(served.keysFile, text);
    await eventually(async () => (await status(served.tokens.acme)) === 200, { what: 'the keys of before' });
  });

  it('nobody: the service does not start', async () => {
    const env = { CAMPAIGN_LEDGER_SERVE_AUTH_KEYS_FILE: '' };
    const config = await served.config();
    const { exitCode, stderr } = await ledgerCommand(['serve', '--config', served.configFile], {
      ...env,
      CAMPAIGN_LEDGER_SERVE_AUTH_JWKS_URL: '',
      CAMPAIGN_LEDGER_SERVE_AUTH_JWKS_ISSUER: '',
      CAMPAIGN_LEDGER_SERVE_AUTH_JWKS_AUDIENCE: '',
    });
    expect(config.serve.auth.keysFile).not.toBeNull();
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/nobody could ask for anything.*serve\.auth\.keysFile/);
  });
});

describe('tokens of an identity provider', () => {
  const now = Math.floor(Date.now() / 1_000);
  const GOOD = {
    ...{ iss: 'https://login.example', aud: 'ledger', sub: 'desk', exp: now + 300 },
    ...{ tenants: ['acme'], scope: 'openid reports:read' },
  };
  const base64 = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const status = async (token: string) => (await served.ask('GET', userReport('ann'), { token })).status;

  it('one that is good', async () => {
    const token = await provider.sign(GOOD);
    expect(await status(token)).toBe(200);
    const create = await served.ask('POST', '/v1/reports', { token, body: { user_id: 'ann' } });
    expect(create).toMatchObject({ status: 403, json: { code: 'insufficient_scope' } });
    const other = await served.ask('GET', userReport('ann', '?tenant_id=globex'), { token });
    expect(other).toMatchObject({ status: 404, json: { code: 'not_found' } });
  });

  it.each([
    ['another issuer', { iss: 'https://evil.example' }],
    ['another audience', { aud: 'shop' }],
    ['expired', { exp: now - 60 }],
    ['without an end', { exp: undefined }],
    ['not good yet', { nbf: now + 600 }],
    ['without tenants', { tenants: undefined }],
    ['of no tenant', { tenants: [] }],
    ['tenants that are none', { tenants: 'acme' }],
  ])('%s', async (_what, claims) => {
    expect(await status(await provider.sign({ ...GOOD, ...claims } as JWTPayload))).toBe(401);
  });

  it('without a signature, or one that the public key has made', async () => {
    expect(await status(`${base64({ alg: 'none' })}.${base64(GOOD)}.`)).toBe(401);
    for (const secret of [provider.publicPem, provider.publicPem.trim()]) {
      const signed = `${base64({ alg: 'HS256', kid: 'k1' })}.${base64(GOOD)}`;
      const mac = createHmac('sha256', secret).update(signed).digest('base64url');
      expect(await status(`${signed}.${mac}`)).toBe(401);
    }
    const [header, , signature] = (await provider.sign(GOOD)).split('.');
    expect(await status(`${header}.${base64({ ...GOOD, tenants: ['globex'] })}.${signature}`)).toBe(401);
  });
});

describe('the answer', () => {
  it('is the command’s, at once and as a job', async () => {
    const args = ['report', 'user', '--tenant', 'acme', '--user', 'ann', '--config', served.configFile];
    const { report: header, ...body } = JSON.parse((await ledgerCommand(args)).stdout);
    const { token, same } = {
      token: served.tokens.acme,
      same: ({ json }: Told) => {
        const { report, ...rest } = json;
        expect(rest).toEqual(body);
        expect(report).toMatchObject({ digest: header.digest, pin: header.pin, counts: header.counts });
      },
    };
    const atOnce = await served.ask('GET', userReport('ann'), { token });
    same(atOnce);
    expect(atOnce.json.records[0].profile).toMatchObject({ status: 'found', version: 1 });
    expect(atOnce.headers['report-digest']).toBe(header.digest);
    const { json: job } = await served.job({ user_id: 'ann' });
    expect(job).toMatchObject({ state: 'succeeded', progress: { events_read: 1, records: 1 } });
    expect(job.result.digest).toBe(header.digest);
    same(await served.ask('GET', job.result.href, { token }));
  });

  it.each([
    ['json', /^application\/json/, /^\{\n {2}"report"/],
    ['ndjson', /^application\/x-ndjson/, /^\{"report":/],
    ['csv', /^text\/csv/, /^tenant_id,user_id/],
  ])('in %s', async (format, type, begin) => {
    const { token } = { token: served.tokens.acme };
    const atOnce = await served.ask('GET', userReport('ann', `?format=${format}`), { token });
    const { json: job } = await served.job({ user_id: 'ann', format });
    const result = await served.ask('GET', job.result.href, { token });
    for (const { status, headers, text } of [atOnce, result]) {
      expect(status).toBe(200);
      expect(headers['content-type']).toMatch(type);
      expect(headers).toMatchObject({
        ...{ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' },
        'content-disposition': `attachment; filename="user-report.${format}"`,
      });
      expect(text).toMatch(begin);
    }
    expect(job.result.bytes).toBe(Buffer.byteLength(result.text));
  });

  it('keeps to the range, however wide', async () => {
    const { token } = { token: served.tokens.acme };
    const count = async (query: string) =>
      (await served.ask('GET', userReport('ann', query), { token })).json.report.counts.records;
    expect(await count('?from=1980-01-01&to=2030-01-01')).toBe(1);
    expect(await count('?from=2026-10-01T09:00:00Z&to=2026-10-01T09:00:00.001Z')).toBe(1);
    expect(await count('?to=2026-10-01T09:00:00Z')).toBe(0);
    expect(await count('?known_at=2026-09-01')).toBe(0);
  });

  it('of a user with many events is a job’s', async () => {
    const atOnce = await served.ask('GET', userReport('big'), { token: served.tokens.acme });
    expect(atOnce).toMatchObject({ status: 413, json: { code: 'too_large' } });
    expect(atOnce.json.detail).toContain('POST /v1/reports');
    expect((await served.job({ user_id: 'big' })).json).toMatchObject({
      ...{ state: 'succeeded', progress: { events_read: 101, records: 26 } },
    });
  });
});

describe('bad input', () => {
  const long = 'x'.repeat(1025);
  it.each([
    ['user_id', {}, /say whose report/],
    ['user_id', { user_id: '' }, /is empty/],
    ['user_id', { user_id: 7 }, /has to be text/],
    ['user_id', { user_id: long }, /longer than 1024 bytes/],
    ['user_id', { user_id: 'é'.repeat(513) }, /longer than 1024 bytes/],
    ['user_id', { user_id: 'x'.repeat(10_000) }, /longer than 1024 bytes/],
    ['tenant_id', { user_id: 'ann', tenant_id: '' }, /is empty/],
    ['from', { user_id: 'ann', from: '2026-10-01T09:00' }, /give a day .* or an instant with its zone/],
    ['to', { user_id: 'ann', to: '2026-02-31' }, /not a date of the calendar/],
    ['known_at', { user_id: 'ann', known_at: "' OR 1=1 --" }, /is not a time/],
    ['from', { user_id: 'ann', from: '2026-10-02', to: '2026-10-01' }, /is after to/],
    ['by', { user_id: 'ann', by: 'clicks' }, /not one of send, interaction/],
    ['format', { user_id: 'ann', format: 'table' }, /not one of json, ndjson, csv/],
    ['format', { user_id: 'ann', format: '__proto__' }, /not one of json/],
    ['kind', { user_id: 'ann', kind: 'campaigns' }, /not one of user, campaign/],
    ['user', { user: 'ann' }, /there is no such parameter/],
    ['from', { user_id: 'ann', from: ['2026-10-01', '2026-10-02'] }, /more than once/],
  ])('%s (%#)', async (parameter, body, detail) => {
    const { token } = { token: served.tokens.acme };
    const told = await served.ask('POST', '/v1/reports', { token, body });
    expect(told).toMatchObject({ status: 400, json: { code: 'invalid_request', parameter } });
    expect(told.json.detail).toMatch(detail);
    expect(told.text.length).toBeLessThan(700);
    const { user_id: user, ...rest } = body as Record<string, string>;
    if (typeof user !== 'string' || user === '' || 'kind' in rest || Array.isArray(rest.from)) return;
    const query = await served.ask('GET', userReport(user, `?${new URLSearchParams(rest)}`), { token });
    expect(query).toMatchObject({ status: 400, json: { detail: told.json.detail, parameter } });
  });

  it.each([
    ['no JSON', '{"user_id":', 'application/json', 400, 'invalid_request'],
    ['a list', '[]', 'application/json', 400, 'invalid_request'],
    ['null', 'null', 'application/json', 400, 'invalid_request'],
    [
      'a prototype',
      '{"user_id":"ann","__proto__":{"format":"csv"}}',
      'application/json',
      400,
      'invalid_request',
    ],
    ['a form', 'user_id=ann', 'application/x-www-form-urlencoded', 400, 'invalid_request'],
    ['too much', JSON.stringify({ user_id: 'x'.repeat(70_000) }), 'application/json', 413, 'too_large'],
  ])('a body that is %s', async (_what, body, type, status, code) => {
    const headers = { 'content-type': type };
    const told = await served.ask('POST', '/v1/reports', { token: served.tokens.acme, body, headers });
    expect(told).toMatchObject({ status, json: { code } });
  });

  it.each([
    ['GET', '/v1/users/%FF/report', 400],
    ['GET', '/v1/users/%/report', 400],
    ['GET', '/v1/users//report', 400],
    ['GET', '/v1/nothing', 404],
    ['PUT', '/v1/reports', 404],
    ['GET', `/v1/users/${'x'.repeat(10_000)}/report`, 400],
    ['GET', `/v1/users/${'x'.repeat(20_000)}/report`, 413],
    ['GET', `/v1/reports/${'../'.repeat(20)}etc/passwd`, 404],
    ['GET', '/v1/reports/..%2F..%2Fheads', 404],
    ['GET', '/v1/reports?limit=0', 400],
    ['GET', '/v1/reports?limit=1e9', 400],
    ['GET', '/v1/reports?after=x', 400],
    ['GET', '/v1/users/ann/report?from=2026-10-01&from=2026-10-02', 400],
  ])('an address (%#): %s', async (method, path, status) => {
    const told = await served.ask(method, path, { token: served.tokens.acme });
    expect(told).toMatchObject({ status, json: { status } });
    expect(told.headers['content-type']).toMatch(/^application\/problem\+json/);
  });

  it('ids are text and nothing else: each has its own report, and no trick has anybody’s', async () => {
    const { token } = { token: served.tokens.acme };
    for (const id of ODD_IDS) {
      const told = await served.ask('GET', userReport(id), { token });
      expect(told.json.report, id).toMatchObject({ user_id: id, counts: { records: 1 } });
    }
    const tricks = [
      ...["' OR '1'='1", "ann' --", "ann'; DROP TABLE events", '{$ne: null}', '{"$gt":""}', '%', '_', '*'],
      ...[
        'ann\0',
        'ANN',
        ' ann',
        'ann ',
        'ann\n',
        "\\'",
        "ann') OR (1=1",
        '{userId:String}',
        '\uFEFFann',
        '0x616e6e',
      ],
    ];
    for (const trick of tricks) {
      const told = await served.ask('GET', userReport(trick), { token });
      expect(told, trick).toMatchObject({ status: 404, json: { code: 'not_found' } });
    }
    const [{ rows }] = (await served.ledger.rows<{ rows: string }>('SELECT count() AS rows FROM events')) as [
      { rows: string },
    ];
    expect(Number(rows)).toBe(2 + ODD_IDS.length + 2 + 101);
  });
});

it('a request is called what the caller calls it, where that is harmless', async () => {
  const id = async (given: string) =>
    (await served.ask('GET', '/healthz', { headers: { 'x-request-id': given } })).headers['x-request-id'];
  expect(await id('desk-7.42')).toBe('desk-7.42');
  for (const bad of ['a b', '<script>', 'x'.repeat(65)]) expect(await id(bad)).toMatch(/^[0-9a-f-]{36}$/);
});

describe('/openapi.json', () => {
  it('is OpenAPI, and the answers are as it says', async () => {
    const { token } = { token: served.tokens.acme };
    const { json: document } = await served.ask('GET', '/openapi.json');
    expect(document.openapi).toMatch(/^3\.1\./);
    expect(await validate(structuredClone(document))).toMatchObject({ valid: true });
    expect(Object.keys(document.paths).sort()).toEqual([
      ...[
        '/healthz',
        '/v1/reports',
        '/v1/reports/{id}',
        '/v1/reports/{id}/result',
        '/v1/users/{user}/report',
      ],
    ]);
    const ajv = addFormats.default(new Ajv2020({ strict: false }));
    ajv.addSchema({ $id: 'api', ...document });
    const check = (path: string, method: string, { status, json, headers }: Told) => {
      const type = String(headers['content-type']).replace(/;.*/, '');
      const at = ['paths', path, method, 'responses', String(status), 'content', type, 'schema'];
      const isRight = ajv.compile({ $ref: `api#/${at.map(pointerPart).join('/')}` });
      expect(isRight(json), `${method} ${path} ${status}: ${JSON.stringify(isRight.errors)}`).toBe(true);
      expect(isRight({})).toBe(false);
    };
    const created = await served.ask('POST', '/v1/reports', {
      token,
      body: { user_id: 'ann', from: '2026-01-01' },
    });
    expect(created.headers.location).toBe(`/v1/reports/${created.json.id}`);
    check('/v1/reports', 'post', created);
    check('/v1/reports', 'post', await served.ask('POST', '/v1/reports', { token, body: {} }));
    const ofCampaign = { kind: 'campaign', campaign_id: 'spring' };
    const campaign = await served.ask('POST', '/v1/reports', { token, body: ofCampaign });
    check('/v1/reports', 'post', campaign);
    for (const { json } of [created, campaign]) {
      check('/v1/reports/{id}', 'get', await served.ended(json.id));
      check('/v1/reports/{id}/result', 'get', await served.ask('GET', `${json.href}/result`, { token }));
    }
    check('/v1/reports/{id}', 'get', await served.job({ ...ofCampaign, campaign_id: 'nobody’s' }));
    check('/v1/reports', 'get', await served.ask('GET', '/v1/reports', { token }));
    check('/v1/users/{user}/report', 'get', await served.ask('GET', userReport('ann'), { token }));
    check('/v1/users/{user}/report', 'get', await served.ask('GET', userReport('big'), { token }));
    check('/v1/users/{user}/report', 'get', await served.ask('GET', userReport('zoe'), { token }));
    check('/v1/users/{user}/report', 'get', await served.ask('GET', userReport('ann')));
    check('/healthz', 'get', await served.ask('GET', '/healthz'));

    // What it says of a body is what the service takes.
    const body = ['paths', '/v1/reports', 'post', 'requestBody', 'content', 'application/json', 'schema'];
    const isBody = ajv.compile({ $ref: `api#/${body.map(pointerPart).join('/')}` });
    for (const asked of [
      ...[
        { user_id: 'ann', by: 'send' },
        { user_id: 'ann', kind: 'user', format: 'ndjson' },
      ],
      ...[ofCampaign, { ...ofCampaign, by: 'plan' }],
      ...[{}, { kind: 'campaign' }, { campaign_id: 'spring' }, { ...ofCampaign, user_id: 'ann' }],
      ...[{ ...ofCampaign, format: 'ndjson' }, { ...ofCampaign, known_at: '2026-10-01' }, { kind: 'other' }],
      ...[
        { user_id: 'ann', by: 'plan' },
        { user_id: 'ann', campaign_id: 'spring' },
      ],
    ]) {
      const { status } = await served.ask('POST', '/v1/reports', { token, body: asked });
      expect([isBody(asked), status], JSON.stringify(asked)).toEqual(
        status === 202 ? [true, 202] : [false, 400],
      );
    }
  });
});

it('the log says who asked for what kind of thing, but not for whom, and no token', () => {
  const log = served.log.join('');
  expect(log).toContain('"route":"/v1/users/:user/report"');
  expect(log).toContain('"by":"jwt:desk"');
  for (const token of Object.values(served.tokens)) expect(log).not.toContain(token);
  expect(log).not.toMatch(/"(ann|zoe|big|bob)"|users\/(ann|zoe|big)|neil|DROP/);
});
