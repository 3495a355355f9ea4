import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { configSchema } from '../../../../config/schema.ts';
import { Outage } from '../../../../pipelines/common/errors.ts';
import { WriterSchemas } from '../../../../pipelines/common/registry/writer-schemas.ts';

const RECORD = { type: 'record', name: 'r', fields: [{ name: 'a', type: 'long' }] };
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

async function registry(
  answer: Answer,
  options: { username?: string; password?: string; timeoutMs?: number } = {},
) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { schemaRegistry: settings } = configSchema.parse({
    kafka: { brokers: ['127.0.0.1:1'] },
    schemaRegistry: { url, ...options },
    clickhouse: { url },
    blob: { connectionString: 'UseDevelopmentStorage=true' },
  });
  const clock = { time: 0, now: () => clock.time };
  const schemas = new WriterSchemas({ settings, clock });
  closers.push(
    () => schemas.close(),
    () => server.close(),
  );
  return { asked, schemas, clock };
}

const json =
  (status: number, body: unknown): Answer =>
  (_request, response) =>
    response
      .writeHead(status, { 'content-type': 'application/vnd.schemaregistry.v1+json' })
      .end(JSON.stringify(body));

describe('WriterSchemas', () => {
  it('keeps the text as registered and never asks again', async () => {
    const text = `${JSON.stringify(RECORD)}  `;
    const { schemas, asked } = await registry(json(200, { schema: text }));
    expect(schemas.peek(7)).toBeUndefined();
    const [first, second] = await Promise.all([schemas.get(7), schemas.get(7)]);
    expect(first).toMatchObject({ id: 7, text, inlinedText: text, inlined: RECORD });
    expect(second).toBe(first);
    expect(schemas.peek(7)).toBe(first);
    expect(new Set(asked)).toEqual(new Set(['/schemas/ids/7']));
    const askedFirst = asked.length;
    expect(await schemas.get(7)).toBe(first);
    expect(asked).toHaveLength(askedFirst);
  });

  it('believes that an id is unknown for a short while only', async () => {
    const { schemas, asked, clock } = await registry(
      json(404, { error_code: 40403, message: 'Schema not found' }),
    );
    expect(await schemas.get(7)).toBe('unknown');
    expect(asked).toEqual(['/schemas/ids/7']);
    const askedFirst = asked.length;
    expect(await schemas.get(7)).toBe('unknown');
    expect(asked).toHaveLength(askedFirst);
    clock.time += 60_000;
    expect(schemas.peek(7)).toBeUndefined();
    expect(await schemas.get(7)).toBe('unknown');
    expect(asked.length).toBeGreaterThan(askedFirst);
  });

  it('does not ask for ids that no registry gives out', async () => {
    const { schemas, asked } = await registry(json(500, {}));
    expect(await schemas.getAll([0, 0x8000_0000, 0xffff_ffff])).toEqual(
      new Map([
        [0, 'unknown'],
        [0x8000_0000, 'unknown'],
        [0xffff_ffff, 'unknown'],
      ]),
    );
    expect(asked).toEqual([]);
  });

  it.each([
    ['JSON Schema', { schemaType: 'JSON', schema: '{}' }],
    ['broken JSON', { schema: '{"type"' }],
    ['an unknown type', { schema: '"nothing.Known"' }],
    ['nesting without end', { schema: `${'['.repeat(100_000)}${']'.repeat(100_000)}` }],
  ])('calls %s unusable', async (_what, body) => {
    const { schemas } = await registry(json(200, body));
    expect(await schemas.get(1)).toBe('unusable');
  });

  it.each<[string, Answer]>([
    ['an error of the server', json(500, { error_code: 50001, message: 'store timeout' })],
    ['too many requests', json(429, {})],
    ['a 404 that is not from a registry', json(404, { message: 'no such route' })],
    ['a login page', (_request, response) => response.end('<html>')],
    ['a refused login', json(401, { error_code: 401 })],
    ['a connection cut at once', (request) => request.destroy()],
    [
      'a connection cut in mid-answer',
      (_request, response) => {
        response.writeHead(200, { 'content-length': '100' }).write('{"schema":');
        setTimeout(() => response.destroy(), 10);
      },
    ],
    [
      'an answer that never ends',
      (_request, response) => {
        response.writeHead(200).write('{"schema":');
      },
    ],
    ['no answer', () => {}],
  ])('takes %s for an outage', async (_what, answer) => {
    const { schemas } = await registry(answer, { timeoutMs: 300 });
    await expect(schemas.get(1)).rejects.toThrow(Outage);
    expect(schemas.peek(1)).toBeUndefined();
  });

  it('hangs up on an answer without end long before it fills the memory', async () => {
    let sent = 0;
    const piece = Buffer.alloc(256 * 1024, ' ');
    const { schemas } = await registry(
      (_request, response) => {
        const more = () => {
          for (sent += piece.length; response.write(piece); sent += piece.length);
        };
        response.writeHead(200).on('drain', more).write('{"schema":"');
        more();
      },
      { timeoutMs: 3_000 },
    );
    await expect(schemas.get(1)).rejects.toThrow(Outage);
    expect(sent).toBeLessThan(64 * 1024 * 1024);
  });

  it('hangs up on an answer that is still coming when its time is over', async () => {
    let isOpen = true;
    const { schemas } = await registry(
      (_request, response) => {
        response.writeHead(200).write('{"schema":"');
        const trickle = setInterval(() => response.write(' '), 20);
        response.on('close', () => {
          clearInterval(trickle);
          isOpen = false;
        });
      },
      { timeoutMs: 300 },
    );
    await expect(schemas.get(1)).rejects.toThrow(Outage);
    await vi.waitFor(() => expect(isOpen).toBe(false), { timeout: 5_000 });
  });

  it('takes many answers over one connection, however much they are together', async () => {
    const text = JSON.stringify({ ...RECORD, doc: 'x'.repeat(6 * 1024 * 1024) });
    const { schemas } = await registry(json(200, { schema: text }));
    for (const id of [1, 2, 3, 4]) expect(await schemas.get(id)).toMatchObject({ id });
  });

  it('sends basic credentials and does not put them into errors', async () => {
    const seen: (string | undefined)[] = [];
    const { schemas } = await registry(
      (request, response) => {
        seen.push(request.headers.authorization);
        json(403, {})(request, response);
      },
      { username: 'reader', password: 'hush' },
    );
    const error: unknown = await schemas.get(1).catch((caught: unknown) => caught);
    expect(seen).toEqual([`Basic ${Buffer.from('reader:hush').toString('base64')}`]);
    expect(String(error)).not.toContain('hush');
  });

  it('inlines references, each once, through one another', async () => {
    const documents: Record<string, unknown> = {
      '/schemas/ids/1': {
        schema: JSON.stringify({
          type: 'record',
          name: 'Order',
          namespace: 'shop',
          fields: [
            { name: 'buyer', type: 'people.Person' },
            { name: 'seller', type: ['null', 'people.Person'] },
            { name: 'home', type: { type: 'people.Address' } },
            { name: 'rest', type: { type: 'array', items: 'people.Person' } },
          ],
        }),
        references: [{ name: 'people.Person', subject: 'people/person', version: 2 }],
      },
      '/subjects/people%2Fperson/versions/2?deleted=true': {
        schema: JSON.stringify({
          type: 'record',
          name: 'people.Person',
          fields: [{ name: 'address', type: { type: 'map', values: 'Address' } }],
        }),
        references: [{ name: 'people.Address', subject: 'address', version: 1 }],
      },
      '/subjects/address/versions/1?deleted=true': {
        schema: JSON.stringify({ type: 'fixed', name: 'Address', namespace: 'people', size: 3 }),
      },
    };
    const { schemas } = await registry((request, response) =>
      request.url !== undefined && request.url in documents
        ? json(200, documents[request.url])(request, response)
        : json(404, { error_code: 40403 })(request, response),
    );
    const schema = await schemas.get(1);
    if (typeof schema === 'string') throw new Error(schema);
    const person = { address: { x: Buffer.from('abc') } };
    const order = { buyer: person, seller: null, home: Buffer.from('xyz'), rest: [person] };
    expect(schema.type.fromBuffer(schema.type.toBuffer(order))).toEqual(order);
    expect(JSON.parse(schema.inlinedText)).toEqual(schema.inlined);
    expect(schema.inlinedText.match(/"size":3/g)).toHaveLength(1);
    expect(schema.inlinedText).toContain('{"name":"seller","type":["null","people.Person"]}');
  });

  it('calls a schema unusable whose reference is gone', async () => {
    const { schemas } = await registry((request, response) =>
      request.url === '/schemas/ids/1'
        ? json(200, { schema: '"x.Y"', references: [{ name: 'x.Y', subject: 's', version: 1 }] })(
            request,
            response,
          )
        : json(404, { error_code: 40401 })(request, response),
    );
    expect(await schemas.get(1)).toBe('unusable');
  });
});
