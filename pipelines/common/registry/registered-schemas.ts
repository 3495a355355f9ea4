/**
 * Schemas as the registry gives them out, by `@kafkajs/confluent-schema-registry`. That library hands out a decoder of
 * its own and keeps the rest to itself, so a middleware keeps the texts as registered. Of a 404 it keeps only the
 * status, which a proxy or a wrong address answers too: so plain requests find out what is unknown, by the registry's code.
 */
import type { Agent } from 'node:http';
import { SchemaRegistry } from '@kafkajs/confluent-schema-registry';
import type { SchemaRegistryAPIClientArgs } from '@kafkajs/confluent-schema-registry/dist/api/index.js';
import type { Config } from '../../../config/schema.ts';
import { Outage } from '../errors.ts';
import { readTls } from '../tls.ts';
import { createBoundedAgent } from './bounded-agent.ts';
import { createRegistryHttp, loginAdvice, MAX_RESPONSE_BYTES, type RegistryHttp } from './registry-http.ts';

/** One schema in the words of the registry. */
export interface RegisteredSchema {
  readonly schema: string;
  /** AVRO when missing. */
  readonly schemaType?: string;
}

export interface RegisteredSchemaWithReferences extends RegisteredSchema {
  /** All schemas that it refers to, however deep; null when one of them is gone or could not be followed. */
  readonly references: readonly RegisteredSchema[] | null;
}

type Middleware = NonNullable<SchemaRegistryAPIClientArgs['middlewares']>[number];
type Response = Awaited<ReturnType<Parameters<NonNullable<ReturnType<Middleware>['response']>>[0]>>;

/** What one request of a lookup came to. */
type Answer =
  | { readonly kind: 'schema'; readonly isRoot: boolean; readonly schema: RegisteredSchema }
  | { readonly kind: 'missing'; readonly isRoot: boolean };

/** Connections at once. */
const MAX_SOCKETS = 8;
/** Codes in the body of a 404 by which a registry says that it does not know a subject, a version or a schema. */
const NOT_KNOWN = new Set([40401, 40402, 40403]);

export class RegisteredSchemas {
  readonly #agent: Agent;
  readonly #client: SchemaRegistryAPIClientArgs;
  readonly #timeoutMs: number;
  readonly #http: RegistryHttp;
  /** Of the configured address, without a slash at its end. */
  readonly #basePath: string;

  /** @throws {UsageError} the certificates that the configuration names cannot be read */
  constructor(settings: Config['schemaRegistry']) {
    const { url, username, password, timeoutMs, tls } = settings;
    this.#timeoutMs = timeoutMs;
    this.#http = createRegistryHttp(settings);
    this.#basePath = new URL(url).pathname.replace(/\/+$/, '');
    this.#agent = createBoundedAgent(new URL(url).protocol, {
      keepAlive: true,
      maxSockets: MAX_SOCKETS,
      maxAnswerBytes: MAX_RESPONSE_BYTES,
      ...readTls('schemaRegistry.tls', tls),
    });
    this.#client = {
      host: url.replace(/\/+$/, ''),
      clientId: 'campaign-ledger',
      agent: this.#agent,
      // There is one retry, above this.
      retry: { retries: 0 },
      ...(username === null ? {} : { auth: { username, password: password ?? '' } }),
    };
  }

  /**
   * @returns null when the registry itself says that it never gave out this id
   * @throws {Outage} the registry cannot be asked, or does not answer as a registry does
   */
  async find(id: number): Promise<RegisteredSchemaWithReferences | null> {
    // A broken producer may name thousands of ids, and the library's way to "never heard of it" costs four times as much.
    if (await this.#isUnknown(`/schemas/ids/${id}`)) return null;
    const asked: Promise<Answer>[] = [];
    // One client a lookup: one with references makes several requests, and their answers belong together.
    const ending = new AbortController();
    const middlewares = [this.#keep(asked, ending.signal)];
    const registry = new SchemaRegistry({ ...this.#client, middlewares });
    await this.#withinTime(id, registry.getSchema(id)).finally(() => ending.abort());
    const answers = await Promise.all(asked);
    const root = answers.find(({ isRoot }) => isRoot);
    if (root === undefined) throw new Outage('schemaRegistry', `GET /schemas/ids/${id} was not answered`);
    if (root.kind === 'missing') return null;
    const others = answers.filter(({ isRoot }) => !isRoot);
    const references = others.flatMap((answer) => (answer.kind === 'schema' ? [answer.schema] : []));
    return { ...root.schema, references: references.length === others.length ? references : null };
  }

  async close(): Promise<void> {
    this.#agent.destroy();
    await this.#http.close();
  }

  /** What the library makes of the answers does not matter; that it ends does: an answer cut in the middle never ends. */
  async #withinTime(id: number, lookup: Promise<unknown>): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(
        () =>
          reject(
            new Outage('schemaRegistry', `GET /schemas/ids/${id} was not answered in ${this.#timeoutMs} ms`),
          ),
        this.#timeoutMs,
      );
    });
    try {
      await Promise.race([lookup.catch(() => {}), tooLate]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** @param signal aborted when the lookup is over: an answer that still comes in would be kept for nobody */
  #keep(asked: Promise<Answer>[], signal: AbortSignal): Middleware {
    return () => ({
      request: (request) =>
        // A version that was deleted since must still be found by those that refer to it.
        request.enhance({
          timeout: this.#timeoutMs,
          signal,
          params: request.params().version === undefined ? {} : { deleted: true, name: undefined },
        }),
      response: (next) => {
        const answered = next();
        const answer = answered.then(answerOf, (error: unknown) => this.#answerOfError(error));
        // Looked at when the lookup has ended; until then nobody is told of a failure.
        answer.catch(() => {});
        asked.push(answer);
        return answered;
      },
    });
  }

  async #answerOfError(error: unknown): Promise<Answer> {
    const { status, url, message } = error as { status?: number; url?: string; message: string };
    const path = this.#pathOf(url);
    if (status !== 404 || path === undefined) {
      throw new Outage('schemaRegistry', `the lookup of a schema failed: ${message}${loginAdvice(status)}`, {
        cause: error,
      });
    }
    if (await this.#isUnknown(path)) return { kind: 'missing', isRoot: isRoot(path) };
    throw notOfARegistry(path, status);
  }

  /** A proxy or a wrong address answers 404 too, but not with the code of a registry. */
  async #isUnknown(path: string): Promise<boolean> {
    const { status, body } = await this.#http.send('GET', path);
    if (status === 200) return false;
    const code = (body as { error_code?: unknown } | null)?.error_code;
    if (status === 404 && NOT_KNOWN.has(Number(code))) return true;
    throw notOfARegistry(path, status);
  }

  /** @param requested as the library's errors name it, for example `get https://host/base/schemas/ids/7` */
  #pathOf(requested: string | undefined): string | undefined {
    if (requested === undefined) return undefined;
    const { pathname, search } = new URL(requested.slice(requested.indexOf(' ') + 1));
    return pathname.slice(this.#basePath.length) + search;
  }
}

/** @throws {Outage} for what no registry answers */
function answerOf(response: Response): Answer {
  const path = response.request().path();
  const body = parseObject(response.rawData() as string | null);
  if (typeof body?.schema === 'string') {
    return { kind: 'schema', isRoot: isRoot(path), schema: body as unknown as RegisteredSchema };
  }
  throw notOfARegistry(path, response.status());
}

function notOfARegistry(path: string, status: number): Outage {
  return new Outage(
    'schemaRegistry',
    `GET ${path} was answered with ${status}, but not as a schema registry does: check schemaRegistry.url`,
  );
}

function isRoot(path: string): boolean {
  return path.startsWith('/schemas/ids/');
}

function parseObject(text: string | null): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text ?? '');
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
