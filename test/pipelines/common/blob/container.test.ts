import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DefaultAzureCredential } from '@azure/identity';
import { execa } from 'execa';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { asOutage, blobErrorCode, createContainer } from '../../../../pipelines/common/blob/container.ts';
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

const CONTAINER_MODULE = new URL('../../../../pipelines/common/blob/container.ts', import.meta.url).href;

let folder: string;
let certificates: Certificates;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ledger-blob-'));
  certificates = await createCertificates(folder);
});
afterAll(() => rm(folder, { recursive: true }));

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(answer: Answer, options?: { certificates: Certificates }): Promise<RecordingServer> {
  const server = await startRecordingServer(answer, { ...options, asksForClient: false });
  cleanups.push(() => server.close());
  return server;
}

async function containerWith(blob: Record<string, unknown>) {
  return createContainer(await testConfig({ blob }));
}

const connectionString = (url: string) =>
  `DefaultEndpointsProtocol=http;AccountName=example;AccountKey=c2VjcmV0LWtleQ==;BlobEndpoint=${url}/example;`;

const ok: Answer = ({ method }, reply) =>
  reply
    .code(method === 'PUT' ? 201 : 200)
    .header('etag', '"1"')
    .send('');

/** As the service words it. */
const failure =
  (status: number, code: string): Answer =>
  (_request, reply) =>
    reply
      .code(status)
      .header('x-ms-error-code', code)
      .type('application/xml')
      .send(
        `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>No.</Message></Error>`,
      );

describe('ways to log in', () => {
  test('a connection string signs with the account key, which is not sent', async () => {
    const server = await serve(ok);
    const container = await containerWith({
      connectionString: connectionString(server.url),
      container: 'ledger',
    });
    await container.getProperties();
    const [request] = server.requests;
    expect(request?.path).toBe('/example/ledger');
    expect(request?.headers.authorization).toMatch(/^SharedKey example:/);
    expect(JSON.stringify(request?.headers)).not.toContain('c2VjcmV0LWtleQ');
    expect(request?.headers['user-agent']).toMatch(/^campaign-ledger /);
  });

  test.each(['sv=2024-01-01&sig=abc%3D', '?sv=2024-01-01&sig=abc%3D'])('the SAS %s', async (sasToken) => {
    const server = await serve(ok);
    const container = await containerWith({ accountUrl: `${server.url}/example`, sasToken });
    await container.getBlockBlobClient('a/b').uploadData(Buffer.from('x'));
    expect(server.requests[0]?.path).toBe('/example/campaign-ledger/a/b');
    expect(server.requests[0]?.query).toMatchObject({ sv: '2024-01-01', sig: 'abc=' });
    expect(server.requests[0]?.headers.authorization).toBeUndefined();
  });

  test('a managed identity: its token is fetched for our client id and sent', async () => {
    const tokens = await serve((_request, reply) =>
      reply.send({
        access_token: 'the-token',
        expires_on: '4102444800',
        token_type: 'Bearer',
        resource: 'x',
      }),
    );
    const storage = await serve(ok, { certificates });
    const script = `
      import { createContainer } from ${JSON.stringify(CONTAINER_MODULE)};
      const config = { accountUrl: ${JSON.stringify(storage.url)}, identity: 'managed', identityClientId: 'app-1',
        connectionString: null, sasToken: null, container: 'ledger', requestTimeoutMs: 5000 };
      await createContainer({ blob: config }).getProperties();`;
    await execa(process.execPath, ['--input-type=module-typescript', '-e', script], {
      env: {
        NODE_EXTRA_CA_CERTS: certificates.caFile,
        IDENTITY_ENDPOINT: tokens.url,
        IDENTITY_HEADER: 'header',
      },
    });
    expect(tokens.requests[0]?.query).toMatchObject({
      resource: 'https://storage.azure.com',
      client_id: 'app-1',
    });
    expect(storage.requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer the-token']);
  });

  test('the default identity is the chain of Azure', async () => {
    const container = await containerWith({ accountUrl: 'https://127.0.0.1:1', identity: 'default' });
    expect(container.credential).toBeInstanceOf(DefaultAzureCredential);
  });

  test('a workload identity outside of a workload says what is missing', async () => {
    const creating = containerWith({
      accountUrl: 'https://127.0.0.1:1',
      identity: 'workload',
      identityClientId: 'app',
    });
    await expect(creating).rejects.toThrow(UsageError);
    await expect(creating).rejects.toThrow(/^blob\.identity: workload is not possible here: .*tenantId/);
  });

  test('what is no connection string is wrong configuration, and is not quoted', async () => {
    const creating = containerWith({ connectionString: 'AccountKey=hunter2' });
    await expect(creating).rejects.toThrow(UsageError);
    await expect(creating).rejects.not.toThrow(/hunter2/);
  });
});

describe('outages', () => {
  test.each<[string, Answer]>([
    ['a cut connection', hangUp],
    ['no answer in time', hang],
    ['500', failure(500, 'InternalError')],
    ['503', failure(503, 'ServerBusy')],
    ['429', failure(429, 'TooManyRequests')],
    ['a refused login', failure(403, 'AuthenticationFailed')],
    [
      'a page of a proxy',
      (_request, reply) => reply.code(502).type('text/html').send('<html>Bad Gateway</html>'),
    ],
  ])('%s, after one attempt', async (_name, answer) => {
    const server = await serve(answer);
    const container = await containerWith({
      accountUrl: server.url,
      sasToken: 'sv=1&sig=hunter2',
      requestTimeoutMs: 1_000,
    });
    const error = await container.getBlockBlobClient('x').uploadData(Buffer.from('x')).catch(asOutage);
    expect(error).toBeInstanceOf(Outage);
    expect((error as Outage).message).not.toContain('hunter2');
    expect((error as Outage).message).not.toContain('\n');
    expect(server.requests).toHaveLength(1);
  });

  test('no answer says for how long it was waited', async () => {
    const server = await serve(hang);
    const container = await containerWith({
      accountUrl: server.url,
      sasToken: 'sv=1',
      requestTimeoutMs: 1_000,
    });
    const blob = container.getBlockBlobClient('x');
    const requests = [blob.upload('x', 1), blob.download(), container.exists()];
    for (const error of await Promise.all(requests.map((request) => request.catch(asOutage))))
      expect((error as Outage).message).toBe('blob: no answer in 1000 ms');
  });

  test('a body that stops in the middle', async () => {
    const server = await serve((_request, reply) => {
      reply.hijack();
      reply.raw.writeHead(200, { 'content-length': '100', etag: '"1"' });
      reply.raw.write('half');
    });
    const container = await containerWith({
      accountUrl: server.url,
      sasToken: 'sv=1',
      requestTimeoutMs: 1_000,
    });
    const error = await container
      .getBlobClient('x')
      .downloadToBuffer(0, 100, { maxRetryRequestsPerBlock: 0 })
      .catch(asOutage);
    expect(error).toBeInstanceOf(Outage);
  });

  test('nobody there', async () => {
    const container = await containerWith({ connectionString: connectionString('http://127.0.0.1:1') });
    const error = await container.getProperties().catch(asOutage);
    expect(error).toBeInstanceOf(Outage);
  });

  test.each([
    [404, 'ContainerNotFound'],
    [409, 'BlobAlreadyExists'],
    [412, 'ConditionNotMet'],
    [400, 'InvalidHeaderValue'],
  ])('%i %s is an answer', async (status, code) => {
    const server = await serve(failure(status, code));
    const container = await containerWith({ connectionString: connectionString(server.url) });
    const error = await container.getBlockBlobClient('x').upload('x', 1).catch(asOutage);
    expect(error).not.toBeInstanceOf(Outage);
    expect(blobErrorCode(error)).toBe(code);
  });

  test('a bug of ours stays a bug', () => {
    const bug = new TypeError('x is not a function');
    expect(asOutage(bug)).toBe(bug);
    expect(blobErrorCode(bug)).toBeNull();
  });
});
