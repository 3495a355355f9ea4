import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { COMPATIBILITY, SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type RegistryServer, startRegistry } from '../../../../deploy/local/registry/server.ts';

const record = (...fields: unknown[]) =>
  JSON.stringify({ type: 'record', name: 'Event', namespace: 'n', fields });
const a = { name: 'a', type: 'long' };
const b = { name: 'b', type: 'string' };
const optionalB = { name: 'b', type: ['null', 'string'], default: null };

let folder: string;
let server: RegistryServer;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'registry-'));
  server = await startRegistry({ dataDir: folder, host: '127.0.0.1', port: 0 });
});
afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

/** Of what the answers hold, that which tests take out of them. */
type Answer = { readonly id: number; readonly message: string };

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

async function ask(method: Method, path: string, body?: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(server.url + path, {
    method,
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json', ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  return {
    status: response.status,
    type: response.headers.get('content-type'),
    body: (await response.json()) as Answer,
  };
}

const register = (subject: string, schema: string, more: object = {}) =>
  ask('POST', `/subjects/${subject}/versions`, { schema, ...more });

describe('registering', () => {
  it('gives one id to one schema, in whatever subject and however it is laid out', async () => {
    const first = await register('s-value', record(a));
    expect(first).toMatchObject({ status: 200, body: { id: 1 } });
    expect(first.type).toContain('application/vnd.schemaregistry.v1+json');
    const laidOut = JSON.stringify(
      { fields: [{ type: { type: 'long' }, name: 'a' }], namespace: 'n', name: 'Event', type: 'record' },
      null,
      4,
    );
    expect((await register('s-value', laidOut)).body).toEqual({ id: 1 });
    expect((await register('other', laidOut)).body).toEqual({ id: 1 });
    expect((await register('s-value', record(a, optionalB))).body).toEqual({ id: 2 });
    expect((await ask('GET', '/subjects/s-value/versions')).body).toEqual([1, 2]);
    expect((await ask('GET', '/schemas/ids/1/versions')).body).toEqual([
      { subject: 'other', version: 1 },
      { subject: 's-value', version: 1 },
    ]);
    expect((await ask('GET', '/subjects')).body).toEqual(['other', 's-value']);
  });

  it('hands the schema back as it came', async () => {
    const text = `  ${record(a)}\n`;
    const { id } = (await register('s', text)).body;
    expect((await ask('GET', `/schemas/ids/${id}`)).body).toEqual({ schema: text });
    expect((await ask('GET', '/subjects/s/versions/latest')).body).toEqual({
      subject: 's',
      version: 1,
      id,
      schema: text,
    });
    const raw = await fetch(`${server.url}/subjects/s/versions/1/schema`);
    expect(await raw.text()).toBe(text);
  });

  it.each([
    ['no JSON', 'record', {}],
    ['no Avro', '{"type":"nonsense"}', {}],
    ['a default of the wrong type', record({ ...a, default: 'x' }), {}],
    ['another kind of schema', '{}', { schemaType: 'JSON' }],
    ['a reference to nothing', record(a), { references: [{ name: 'n.X', subject: 'x', version: 1 }] }],
  ])('refuses %s with 42201', async (_what, schema, more) => {
    expect(await register('s', schema, more)).toMatchObject({ status: 422, body: { error_code: 42201 } });
    expect((await ask('GET', '/subjects')).body).toEqual([]);
  });

  it('refuses a body that is none', async () => {
    expect(await ask('POST', '/subjects/s/versions', 'nonsense')).toMatchObject({ status: 400 });
    expect(await ask('POST', '/subjects/s/versions', { schema: 1 })).toMatchObject({ status: 422 });
  });

  it('takes schemas that refer to others, and keeps what is referred to', async () => {
    const address = JSON.stringify({ type: 'record', name: 'Address', namespace: 'n', fields: [b] });
    await register('address', address);
    const references = [{ name: 'n.Address', subject: 'address', version: 1 }];
    const person = record({ name: 'home', type: 'n.Address' }, { name: 'work', type: 'n.Address' });
    expect((await register('person', person)).body).toMatchObject({ error_code: 42201 });
    const { id } = (await register('person', person, { references })).body;
    expect((await ask('GET', `/schemas/ids/${id}`)).body).toEqual({ schema: person, references });
    expect(await ask('DELETE', '/subjects/address')).toMatchObject({
      status: 422,
      body: { error_code: 42206 },
    });
  });
});

describe('looking up', () => {
  it('finds a schema in its subject, and says which of the two is missing', async () => {
    const { id } = (await register('s', record(a))).body;
    expect((await ask('POST', '/subjects/s', { schema: record(a) })).body).toMatchObject({ id, version: 1 });
    expect((await ask('POST', '/subjects/s', { schema: record(b) })).body).toMatchObject({
      error_code: 40403,
    });
    expect((await ask('POST', '/subjects/t', { schema: record(a) })).body).toMatchObject({
      error_code: 40401,
    });
  });

  it.each([
    ['/subjects/none/versions', 40401],
    ['/subjects/none/versions/latest', 40401],
    ['/subjects/s/versions/9', 40402],
    ['/schemas/ids/77', 40403],
    ['/schemas/ids/77/schema', 40403],
    ['/schemas/ids/nonsense', 40403],
    ['/nothing/here', 404],
  ])('%s is answered with 404 and %i', async (path, code) => {
    await register('s', record(a));
    expect(await ask('GET', path)).toMatchObject({ status: 404, body: { error_code: code } });
  });

  it('refuses versions that are none', async () => {
    await register('s', record(a));
    expect((await ask('GET', '/subjects/s/versions/0')).body).toMatchObject({ error_code: 42202 });
  });
});

describe('compatibility', () => {
  it('is BACKWARD from the start, and says what is wrong', async () => {
    expect((await ask('GET', '/config')).body).toEqual({ compatibilityLevel: 'BACKWARD' });
    await register('s', record(a));
    const refused = await register('s', record(a, b));
    expect(refused).toMatchObject({ status: 409, body: { error_code: 409 } });
    expect(refused.body.message).toContain("the field 'b' at '/fields/1' has no default");
    expect((await ask('GET', '/subjects/s/versions')).body).toEqual([1]);
  });

  it("is the subject's own where it has one", async () => {
    expect((await ask('GET', '/config/s')).body).toMatchObject({ error_code: 40408 });
    expect((await ask('GET', '/config/s?defaultToGlobal=true')).body).toEqual({
      compatibilityLevel: 'BACKWARD',
    });
    expect((await ask('PUT', '/config/s', { compatibility: 'NONE' })).body).toEqual({
      compatibility: 'NONE',
    });
    await register('s', record(a));
    expect((await register('s', record(b))).body).toEqual({ id: 2 });
    expect((await ask('DELETE', '/config/s')).body).toEqual({ compatibility: 'NONE' });
    expect((await register('s', record(a, b))).status).toBe(409);
    expect((await ask('PUT', '/config/s', { compatibility: 'MUCH' })).body).toMatchObject({
      error_code: 42203,
    });
  });

  it('transitive levels look at every version, the others at the last', async () => {
    await ask('PUT', '/config/s', { compatibility: 'NONE' });
    // The first version has an `a` that the third cannot read.
    for (const fields of [[{ ...a, type: 'string' }], [b]]) await register('s', record(...fields));
    const next = record({ ...a, default: 1 }, optionalB);
    await ask('PUT', '/config/s', { compatibility: 'BACKWARD_TRANSITIVE' });
    expect((await register('s', next)).status).toBe(409);
    await ask('PUT', '/config/s', { compatibility: 'BACKWARD' });
    expect((await register('s', next)).status).toBe(200);
  });

  it('can be asked without registering', async () => {
    await register('s', record(a));
    const check = (path: string, ...fields: unknown[]) =>
      ask('POST', `/compatibility/subjects/s/versions${path}`, { schema: record(...fields) });
    expect((await check('/latest', a, optionalB)).body).toEqual({ is_compatible: true });
    expect((await check('/1', a, b)).body).toEqual({ is_compatible: false });
    expect((await check('?verbose=true', a, b)).body).toEqual({
      is_compatible: false,
      messages: [expect.stringContaining('READER_FIELD_MISSING_DEFAULT_VALUE')],
    });
    expect((await check('/7', a)).body).toMatchObject({ error_code: 40402 });
  });
});

describe('deleting', () => {
  it('is soft first, then for good; versions and ids are never given twice', async () => {
    await register('s', record(a));
    await register('s', record(a, optionalB));
    expect((await ask('DELETE', '/subjects/s/versions/1?permanent=true')).body).toMatchObject({
      error_code: 40407,
    });
    expect((await ask('DELETE', '/subjects/s/versions/1')).body).toBe(1);
    expect((await ask('GET', '/subjects/s/versions')).body).toEqual([2]);
    expect((await ask('GET', '/subjects/s/versions?deleted=true')).body).toEqual([1, 2]);
    expect((await ask('GET', '/subjects/s/versions/1?deleted=true')).status).toBe(200);
    expect((await ask('DELETE', '/subjects/s')).body).toEqual([2]);
    expect((await ask('GET', '/subjects')).body).toEqual([]);
    expect((await ask('DELETE', '/subjects/s?permanent=true')).body).toEqual([1, 2]);
    expect((await ask('GET', '/subjects?deleted=true')).body).toEqual([]);
    // Values written with it are still about.
    expect((await ask('GET', '/schemas/ids/1')).body).toEqual({ schema: record(a) });
    expect((await register('s', record(b))).body).toEqual({ id: 3 });
    expect((await ask('GET', '/subjects/s/versions')).body).toEqual([3]);
  });
});

describe('modes', () => {
  it('READONLY refuses new schemas and still knows old ones', async () => {
    await register('s', record(a));
    await ask('PUT', '/mode/s', { mode: 'READONLY' });
    expect((await register('s', record(a, optionalB))).body).toMatchObject({ error_code: 42205 });
    expect((await register('s', record(a))).body).toEqual({ id: 1 });
    expect((await ask('GET', '/mode')).body).toEqual({ mode: 'READWRITE' });
    expect((await ask('GET', '/mode/s')).body).toEqual({ mode: 'READONLY' });
  });
});

describe('login', () => {
  it('is asked of everybody when there is one', async () => {
    await server.close();
    const credentials = { username: 'me', password: 'pass:word' };
    server = await startRegistry({ dataDir: folder, host: '127.0.0.1', port: 0, credentials });
    const header = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` });
    expect((await ask('GET', '/subjects')).status).toBe(401);
    expect((await ask('GET', '/subjects', undefined, header('me:wrong'))).status).toBe(401);
    expect((await ask('GET', '/subjects', undefined, header('me:pass:word'))).status).toBe(200);
  });
});

describe('the official client library', () => {
  it('registers, finds, encodes and decodes', async () => {
    const client = new SchemaRegistry({ host: server.url });
    const schema = record(a, optionalB);
    const { id } = await client.register(
      { type: SchemaType.AVRO, schema },
      { subject: 'topic-value', compatibility: COMPATIBILITY.FULL },
    );
    expect((await ask('GET', '/config/topic-value')).body).toEqual({ compatibilityLevel: 'FULL' });
    const other = new SchemaRegistry({ host: server.url });
    expect(await other.getLatestSchemaId('topic-value')).toBe(id);
    expect(await other.getRegistryIdBySchema('topic-value', { type: SchemaType.AVRO, schema })).toBe(id);
    const value = await client.encode(id, { a: 7, b: null });
    expect(value.readUInt32BE(1)).toBe(id);
    expect(await other.decode(value)).toEqual({ a: 7, b: null });
    await expect(other.getSchema(99)).rejects.toMatchObject({ status: 404 });
  });
});

describe('what is kept', () => {
  it('is all of it, also when the last line was cut short', async () => {
    await register('s', record(a));
    await ask('PUT', '/config/s', { compatibility: 'FULL' });
    await register('t', record(b));
    await ask('DELETE', '/subjects/t');
    const before = await everything();
    await server.close();
    const { appendFile } = await import('node:fs/promises');
    await appendFile(join(folder, 'changes.jsonl'), '{"do":"version","subject":"s","ver');
    server = await startRegistry({ dataDir: folder, host: '127.0.0.1', port: 0 });
    expect(await everything()).toEqual(before);
    expect((await register('u', record(a, b))).body).toEqual({ id: 3 });
    await server.close();
    server = await startRegistry({ dataDir: folder, host: '127.0.0.1', port: 0 });
    expect((await ask('GET', '/subjects/u/versions/latest')).body).toMatchObject({ id: 3 });
  });

  async function everything() {
    const paths = ['/subjects?deleted=true', '/config/s', '/subjects/s/versions/latest', '/schemas/ids/2'];
    return Promise.all(paths.map(async (path) => (await ask('GET', path)).body));
  }
});
