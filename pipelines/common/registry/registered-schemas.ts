/**
 * Schemas as the registry gives them out (Confluent's REST interface). Asked with plain requests and not by a registry
 * client: those hide the text as registered and the code of a 404, and hold an answer of any length in memory.
 */
import type { Config } from '../../../config/schema.ts';
import { Outage } from '../errors.ts';
import { createRegistryHttp, type RegistryHttp } from './registry-http.ts';

/** One schema in the words of the registry. */
export interface RegisteredSchema {
  readonly schema: string;
  /** AVRO when missing. */
  readonly schemaType?: string;
}

export interface RegisteredSchemaWithReferences extends RegisteredSchema {
  /** All schemas that it refers to, however deep; null when one of them is gone, or they are more than anybody uses. */
  readonly references: readonly RegisteredSchema[] | null;
}

/** As in an answer, which promises nothing about its shape. */
interface Answered extends RegisteredSchema {
  readonly references?: unknown;
}

/** Codes in the body of a 404 by which a registry says that it does not know a subject, a version or a schema. */
const NOT_KNOWN = new Set([40401, 40402, 40403]);
/** Each costs a request. */
const MAX_REFERENCES = 200;

export class RegisteredSchemas {
  readonly #http: RegistryHttp;

  /** @throws {UsageError} the certificates that the configuration names cannot be read */
  constructor(settings: Config['schemaRegistry']) {
    this.#http = createRegistryHttp(settings);
  }

  /**
   * @returns null when the registry itself says that it never gave out this id
   * @throws {Outage} the registry cannot be asked, or does not answer as a registry does
   */
  async find(id: number): Promise<RegisteredSchemaWithReferences | null> {
    const root = await this.#get(`/schemas/ids/${id}`);
    return root === null ? null : { ...root, references: await this.#referencesOf(root) };
  }

  async close(): Promise<void> {
    await this.#http.close();
  }

  async #referencesOf(root: Answered): Promise<readonly RegisteredSchema[] | null> {
    const found = new Map<string, RegisteredSchema>();
    const open = pathsOf(root);
    for (let path = open.pop(); path !== undefined; path = open.pop()) {
      if (found.has(path)) continue;
      const schema = found.size < MAX_REFERENCES ? await this.#get(path) : null;
      if (schema === null) return null;
      found.set(path, schema);
      open.push(...pathsOf(schema));
    }
    return [...found.values()];
  }

  /** @returns null when the registry says that there is no such thing */
  async #get(path: string): Promise<Answered | null> {
    const { status, body } = await this.#http.send('GET', path);
    const answer = body as { schema?: unknown; error_code?: unknown } | null;
    if (status === 200 && typeof answer?.schema === 'string') return answer as Answered;
    // A proxy or a wrong address answers 404 too, but not with the code of a registry.
    if (status === 404 && NOT_KNOWN.has(Number(answer?.error_code))) return null;
    throw new Outage(
      'schemaRegistry',
      `GET ${path} was answered with ${status}, but not as a schema registry does: check schemaRegistry.url`,
    );
  }
}

/** A version that was deleted since must still be found by those that refer to it. */
function pathsOf({ references }: Answered): string[] {
  if (!Array.isArray(references)) return [];
  return references.map((reference: unknown) => {
    const { subject, version } = (reference ?? {}) as { subject?: unknown; version?: unknown };
    return `/subjects/${encodeURIComponent(String(subject))}/versions/${encodeURIComponent(String(version))}?deleted=true`;
  });
}
