/** The schemas under which values were written, asked for once each and kept. */
import avsc from 'avsc';
import type { Config } from '../../../config/schema.ts';
import { isPossibleSchemaId } from '../avro/wire-format.ts';
import type { Clock } from '../clock.ts';
import { inlineReferences } from './inline-references.ts';
import { RegisteredSchemas, type RegisteredSchemaWithReferences } from './registered-schemas.ts';

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

/** A schema may be registered a moment after a bad producer used its id: "unknown" is not believed for long. */
const UNKNOWN_FOR_MS = 10_000;
/** Hostile values can name two thousand million ids; what is remembered of them is bounded. */
const MAX_REMEMBERED_UNKNOWN = 10_000;
/** Requests at once. */
const CONCURRENCY = 8;
export class WriterSchemas {
  readonly #registered: RegisteredSchemas;
  readonly #clock: Clock;
  readonly #known = new Map<number, WriterSchema | 'unusable'>();
  /** id → when it was said to be unknown, oldest first. */
  readonly #unknown = new Map<number, number>();
  readonly #underway = new Map<number, Promise<SchemaLookup>>();

  /** @throws {UsageError} the certificates that the configuration names cannot be read */
  constructor({ settings, clock }: { settings: Config['schemaRegistry']; clock: Clock }) {
    this.#clock = clock;
    this.#registered = new RegisteredSchemas(settings);
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
    await this.#registered.close();
  }

  async #ask(id: number): Promise<SchemaLookup> {
    const registered = await this.#registered.find(id);
    if (registered === null) {
      this.#rememberUnknown(id);
      return 'unknown';
    }
    const schema = readSchema(id, registered);
    this.#known.set(id, schema);
    return schema;
  }

  #rememberUnknown(id: number): void {
    this.#unknown.delete(id);
    this.#unknown.set(id, this.#clock.now());
    for (const oldest of this.#unknown.keys()) {
      if (this.#unknown.size <= MAX_REMEMBERED_UNKNOWN) break;
      this.#unknown.delete(oldest);
    }
  }
}

function readSchema(id: number, registered: RegisteredSchemaWithReferences): WriterSchema | 'unusable' {
  const { schema: text, schemaType = 'AVRO', references } = registered;
  if (schemaType !== 'AVRO' || references === null) return 'unusable';
  try {
    const root: unknown = JSON.parse(text);
    const inlined = inlineReferences(
      root,
      references.map(({ schema }): unknown => JSON.parse(schema)),
    );
    const inlinedText = references.length === 0 ? text : JSON.stringify(inlined);
    return { id, text, inlined, inlinedText, type: avsc.Type.forSchema(inlined as avsc.Schema) };
  } catch {
    return 'unusable';
  }
}
