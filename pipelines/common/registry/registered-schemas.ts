/**
 * Schemas as the registry gives them out, by `@kafkajs/confluent-schema-registry`. That library hands out a decoder of
 * its own and keeps the rest to itself; a middleware keeps what the pipelines need besides: the text as registered, and
 * whether the registry said that it does not know a schema or could not be asked.
 */
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { SchemaRegistry } from '@kafkajs/confluent-schema-registry';
import type { SchemaRegistryAPIClientArgs } from '@kafkajs/confluent-schema-registry/dist/api/index.js';
import type { Config } from '../../../config/schema.ts';
import { Outage } from '../errors.ts';
import { readTls } from '../tls.ts';

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

interface Answer {
  /** As it stands in messages: `GET /schemas/ids/7`. */
  readonly what: string;
  readonly isRoot: boolean;
  readonly status: number;
  readonly body: Record<string, unknown> | null;
  /** The request itself failed: there is no answer. */
  readonly failure: Error | null;
}

/** Connections at once. */
const MAX_SOCKETS = 8;
/** Codes in the body of a 404 by which a registry says that it does not know a subject, a version or a schema. */
const NOT_KNOWN = new Set([40401, 40402, 40403]);

export class RegisteredSchemas {
  readonly #agent: HttpAgent;
  readonly #client: SchemaRegistryAPIClientArgs;
  readonly #timeoutMs: number;

  /** @throws {UsageError} the certificates that the configuration names cannot be read */
  constructor(settings: Config['schemaRegistry']) {
    const { url, username, password, timeoutMs, tls } = settings;
    this.#timeoutMs = timeoutMs;
    const pool = { keepAlive: true, maxSockets: MAX_SOCKETS };
    this.#agent = url.startsWith('https:')
      ? new HttpsAgent({ ...pool, ...readTls('schemaRegistry.tls', tls) })
      : new HttpAgent(pool);
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
    // One client a lookup: a lookup with references makes several requests, and their answers belong together.
    const answers: Answer[] = [];
    const registry = new SchemaRegistry({ ...this.#client, middlewares: [this.#keepAnswers(answers)] });
    await this.#withinTime(id, registry.getSchema(id));
    for (const answer of answers) requireRegistry(answer);
    const root = answers.find(({ isRoot }) => isRoot);
    if (root === undefined) throw new Outage('schemaRegistry', `GET /schemas/ids/${id} was not answered`);
    const schema = asSchema(root);
    if (schema === null) return null;
    const references = answers.filter(({ isRoot }) => !isRoot).map(asSchema);
    return {
      ...schema,
      references: references.some((one) => one === null) ? null : (references as RegisteredSchema[]),
    };
  }

  close(): void {
    this.#agent.destroy();
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

  #keepAnswers(answers: Answer[]): Middleware {
    return () => ({
      request: (request) =>
        // A version that was deleted since must still be found by those that refer to it.
        request.enhance({
          timeout: this.#timeoutMs,
          params: request.params().version === undefined ? {} : { deleted: true, name: undefined },
        }),
      response: (next) => {
        const keep = (response: Response): void => {
          answers.push(answerOf(response));
        };
        return next().then(
          (response) => {
            keep(response);
            return response;
          },
          (response: Response) => {
            keep(response);
            throw response;
          },
        );
      },
    });
  }
}

function answerOf(response: Response): Answer {
  const request = response.request();
  return {
    what: `${request.method().toUpperCase()} ${request.path()}`,
    isRoot: request.path().startsWith('/schemas/ids/'),
    status: response.status(),
    body: parseObject(response.rawData() as string | null),
    failure: response.error() ?? null,
  };
}

/** @throws {Outage} for every answer that is neither a schema nor a registry's word that there is none */
function requireRegistry({ what, status, body, failure }: Answer): void {
  if (failure !== null) {
    throw new Outage('schemaRegistry', `${what} failed: ${failure.message}`, { cause: failure });
  }
  if (status === 200 && typeof body?.schema === 'string') return;
  if (status === 404 && NOT_KNOWN.has(Number(body?.error_code))) return;
  throw new Outage('schemaRegistry', `${what} was answered with ${status}${explain(status, body)}`);
}

function asSchema({ status, body }: Answer): RegisteredSchema | null {
  return status === 200 ? (body as unknown as RegisteredSchema) : null;
}

function explain(status: number, body: Record<string, unknown> | null): string {
  if (status === 401 || status === 403) return ': check schemaRegistry.username and password';
  if (status === 404 || status === 200)
    return ', but not as a schema registry does: check schemaRegistry.url';
  return typeof body?.message === 'string' ? `: ${body.message}` : '';
}

function parseObject(text: string | null): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text ?? '');
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
