/** The schemas under which values were written, asked for once each and kept. */
import avsc from 'avsc';
import { Agent, request } from 'undici';
import type { Config } from '../../../config/schema.ts';
import { isPossibleSchemaId } from '../avro/wire-format.ts';
import type { Clock } from '../clock.ts';
import { Outage } from '../errors.ts';
import { readTls } from '../tls.ts';
import { inlineReferences } from './inline-references.ts';

export interface WriterSchema {
  readonly id: number;
  /** The schema exactly as registered, references not inlined. */
  readonly text: string;
  /** Parsed, with references inlined: stands by itself. */
  readonly inlined: unknown;
  /** What `inlined` says as text: `text` itself, to the byte, when the schema has no references. */
  readonly inlinedText: string;
  readonly type: avsc.Type;
}

/**
 * What the registry says of an id: `unknown` when it never gave it out; `unusable` when it did, but for something that
 * is not Avro (JSON Schema, Protobuf) or that cannot be read as an Avro schema. Both are the data's fault, not an outage.
 */
export type SchemaLookup = WriterSchema | 'unknown' | 'unusable';

interface RegisteredSchema {
  readonly schema: string;
  readonly schemaType?: string;
  readonly references?: readonly {
    readonly name: string;
    readonly subject: string;
    readonly version: number;
  }[];
}

/** A schema may be registered a moment after a bad producer used its id: "unknown" is not believed for long. */
const UNKNOWN_FOR_MS = 10_000;
/** Hostile values can name two thousand million ids; what is remembered of them is bounded. */
const MAX_REMEMBERED_UNKNOWN = 10_000;
/** Requests at once. */
const CONCURRENCY = 8;
/** A chain of references longer than this is taken for a loop. */
const MAX_REFERENCES = 1_000;
const MAX_RESPONSE_BYTES = 64 * 1024 * 1024;

/** Codes in the body of a 404 by which a registry says that it does not know a subject, a version or a schema. */
const NOT_KNOWN = new Set([40401, 40402, 40403]);

export class WriterSchemas {
  readonly #settings: Config['schemaRegistry'];
  readonly #clock: Clock;
  readonly #agent: Agent;
  readonly #known = new Map<number, WriterSchema | 'unusable'>();
  /** id → when it was said to be unknown, oldest first. */
  readonly #unknown = new Map<number, number>();
  readonly #underway = new Map<number, Promise<SchemaLookup>>();

  /** @throws {UsageError} the certificates that the configuration names cannot be read */
  constructor({ settings, clock }: { settings: Config['schemaRegistry']; clock: Clock }) {
    this.#settings = settings;
    this.#clock = clock;
    this.#agent = new Agent({
      connections: CONCURRENCY,
      connectTimeout: settings.timeoutMs,
      maxResponseSize: MAX_RESPONSE_BYTES,
      connect: { ...readTls('schemaRegistry.tls', settings.tls) },
    });
  }

  /** What is already known, for the hot path; undefined means ask `get`. */
  peek(id: number): SchemaLookup | undefined {
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    if (!isPossibleSchemaId(id)) return 'unknown';
    const since = this.#unknown.get(id);
    return since !== undefined && this.#clock.now() - since < UNKNOWN_FOR_MS ? 'unknown' : undefined;
  }

  /** @throws {Outage} when the registry cannot be asked, or does not answer as a registry does */
  async get(id: number): Promise<SchemaLookup> {
    const known = this.peek(id);
    if (known !== undefined) return known;
    let asking = this.#underway.get(id);
    if (asking === undefined) {
      asking = this.#ask(id).finally(() => this.#underway.delete(id));
      this.#underway.set(id, asking);
    }
    return asking;
  }

  /** Many at once, a few requests at a time. @throws {Outage} as `get` does */
  async getAll(ids: Iterable<number>): Promise<Map<number, SchemaLookup>> {
    const found = new Map<number, SchemaLookup>();
    const queue = new Set(ids).values();
    const worker = async (): Promise<void> => {
      for (const id of queue) found.set(id, await this.get(id));
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
    return found;
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #ask(id: number): Promise<SchemaLookup> {
    const registered = await this.#fetch(`/schemas/ids/${id}`);
    if (registered === null) {
      this.#rememberUnknown(id);
      return 'unknown';
    }
    const schema = await this.#read(id, registered);
    this.#known.set(id, schema);
    return schema;
  }

  async #read(id: number, registered: RegisteredSchema): Promise<WriterSchema | 'unusable'> {
    if ((registered.schemaType ?? 'AVRO') !== 'AVRO') return 'unusable';
    const references = await this.#referencesOf(registered);
    if (references === null) return 'unusable';
    const text = registered.schema;
    try {
      const root: unknown = JSON.parse(text);
      const inlined = inlineReferences(
        root,
        references.map((reference): unknown => JSON.parse(reference)),
      );
      const inlinedText = references.length === 0 ? text : JSON.stringify(inlined);
      return { id, text, inlined, inlinedText, type: avsc.Type.forSchema(inlined as avsc.Schema) };
    } catch {
      return 'unusable';
    }
  }

  /** The texts of all schemas that this one refers to, however deep; null when one of them is gone. */
  async #referencesOf(registered: RegisteredSchema): Promise<string[] | null> {
    const texts = new Map<string, string>();
    const waiting = [...(registered.references ?? [])];
    for (let reference = waiting.pop(); reference !== undefined; reference = waiting.pop()) {
      const path = `/subjects/${encodeURIComponent(reference.subject)}/versions/${reference.version}?deleted=true`;
      if (texts.has(path)) continue;
      const found = await this.#fetch(path);
      if (found === null || texts.size === MAX_REFERENCES) return null;
      texts.set(path, found.schema);
      waiting.push(...(found.references ?? []));
    }
    return [...texts.values()];
  }

  #rememberUnknown(id: number): void {
    this.#unknown.delete(id);
    this.#unknown.set(id, this.#clock.now());
    for (const oldest of this.#unknown.keys()) {
      if (this.#unknown.size <= MAX_REMEMBERED_UNKNOWN) break;
      this.#unknown.delete(oldest);
    }
  }

  /** @returns null when the registry itself says that there is no such thing */
  async #fetch(path: string): Promise<RegisteredSchema | null> {
    const { url, username, password, timeoutMs } = this.#settings;
    const { status, body } = await request(url.replace(/\/+$/, '') + path, {
      dispatcher: this.#agent,
      headers: {
        accept: 'application/vnd.schemaregistry.v1+json, application/json',
        ...(username === null ? {} : { authorization: basicAuth(username, password ?? '') }),
      },
      // One limit over all of it: a connection that is cut or stalls in mid-answer must not wait for ever.
      signal: AbortSignal.timeout(timeoutMs),
    })
      .then(async (response) => ({ status: response.statusCode, body: await response.body.text() }))
      .catch((error: unknown) => {
        throw new Outage('schemaRegistry', `GET ${path} failed: ${messageOf(error)}`, { cause: error });
      });
    const answer = parseObject(body);
    if (status === 200 && typeof answer?.schema === 'string') return answer as unknown as RegisteredSchema;
    if (status === 404 && NOT_KNOWN.has(Number(answer?.error_code))) return null;
    throw new Outage('schemaRegistry', `GET ${path} was answered with ${status}${explain(status, answer)}`);
  }
}

function basicAuth(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function explain(status: number, answer: Record<string, unknown> | null): string {
  if (status === 401 || status === 403) return ': check schemaRegistry.username and password';
  if (status === 404 || status === 200)
    return ', but not as a schema registry does: check schemaRegistry.url';
  return typeof answer?.message === 'string' ? `: ${answer.message}` : '';
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as NodeJS.ErrnoException;
  return error.message === '' ? (code ?? error.name) : error.message;
}
