import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Outage } from '../../../../pipelines/common/errors.ts';
import { createRegistryHttp } from '../../../../pipelines/common/registry/registry-http.ts';
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
  folder = await mkdtemp(join(tmpdir(), 'ledger-registry-'));
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

async function connect(schemaRegistry: Record<string, unknown>) {
  const registry = createRegistryHttp((await testConfig({ schemaRegistry })).schemaRegistry);
  cleanups.push(() => registry.close());
  return registry;
}

const id: Answer = (_request, reply) => reply.send({ id: 7 });

describe('what reaches the registry', () => {
  test('basic authentication, the media type and the body', async () => {
    const server = await serve(id);
    const registry = await connect({ url: `${server.url}/base/`, username: 'writer', password: 'p:ä' });
    expect(await registry.send('POST', '/subjects/a%2Fb/versions', { schema: '"string"' })).toEqual({
      status: 200,
      body: { id: 7 },
    });
    const [request] = server.requests;
    expect(request).toMatchObject({
      method: 'POST',
      path: '/base/subjects/a%2Fb/versions',
      body: '{"schema":"\\"string\\""}',
    });
    expect(request?.headers.authorization).toBe(`Basic ${Buffer.from('writer:p:ä').toString('base64')}`);
    expect(request?.headers['content-type']).toBe('application/vnd.schemaregistry.v1+json');
  });

  test('no login where none is configured', async () => {
    const server = await serve(id);
    const registry = await connect({ url: server.url });
    await registry.send('GET', '/subjects');
    expect(server.requests[0]?.headers.authorization).toBeUndefined();
  });

  test('TLS: our authority, our certificate, an encrypted key', async () => {
    const server = await serve(id, { certificates });
    const registry = await connect({
      url: server.url,
      tls: { caFile: certificates.caFile, ...certificates.client },
    });
    await registry.send('GET', '/subjects');
    expect(server.requests[0]?.client).toBe('client');
  });

  test('TLS: an authority that is not trusted', async () => {
    const server = await serve(id, { certificates });
    const registry = await connect({ url: server.url });
    await expect(registry.send('GET', '/subjects')).rejects.toThrow(
      /^schemaRegistry: GET \/subjects failed: .*certificate/,
    );
  });
});

describe('outages and answers', () => {
  test.each<[string, Answer, RegExp]>([
    ['a cut connection', hangUp, /GET \/x failed/],
    ['no answer in time', hang, /GET \/x failed: .*timeout/i],
    [
      'an answer that stops in the middle',
      (_request, reply) => {
        reply.hijack();
        reply.raw.writeHead(200, { 'content-length': '100' });
        reply.raw.write('{"id":');
      },
      /GET \/x failed: .*timeout/i,
    ],
    ['500', (_request, reply) => reply.code(500).send({ error_code: 50001 }), /answered with 500/],
    ['503', (_request, reply) => reply.code(503).send('busy'), /answered with 503/],
    ['429', (_request, reply) => reply.code(429).send('slow down'), /answered with 429/],
    ['401', (_request, reply) => reply.code(401).send({ error_code: 401 }), /answered with 401/],
  ])('%s is an outage', async (_name, answer, expected) => {
    const server = await serve(answer);
    const registry = await connect({ url: server.url, timeoutMs: 500 });
    const error = await registry.send('GET', '/x').catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(Outage);
    expect((error as Outage).message).toMatch(expected);
  });

  test('nobody there says so', async () => {
    const registry = await connect({ url: 'http://localhost:1' });
    await expect(registry.send('GET', '/x')).rejects.toThrow(/ECONNREFUSED/);
  });

  test.each([404, 409, 422])('%i is for the caller', async (status) => {
    const server = await serve((_request, reply) =>
      reply.code(status).send({ error_code: 40_403, message: 'no' }),
    );
    const registry = await connect({ url: server.url });
    expect(await registry.send('GET', '/x')).toEqual({ status, body: { error_code: 40_403, message: 'no' } });
  });
});
