/** A schema as it comes in: read, checked, and given a fingerprint by which the very same schema is known again. */
import { createHash } from 'node:crypto';
import avsc, { type Type } from 'avsc';
import { inlineReferences } from '../../../pipelines/common/registry/inline-references.ts';
import { invalidSchema } from './errors.ts';
import type { SchemaReference, StoredSchema } from './store.ts';

export interface GivenSchema {
  readonly text: string;
  readonly references: readonly SchemaReference[];
}

export interface ReadSchema extends GivenSchema {
  readonly fingerprint: string;
  /** With the references in it. */
  readonly type: Type;
}

/**
 * @param referenced texts of all schemas that this one refers to, directly or through one another
 * @throws {RegistryError} 42201 when it is no Avro schema
 */
export function readSchema({ text, references }: GivenSchema, referenced: readonly string[]): ReadSchema {
  try {
    const json: unknown = JSON.parse(text);
    const inlined = inlineReferences(
      json,
      referenced.map((one): unknown => JSON.parse(one)),
    );
    return {
      text,
      references,
      fingerprint: fingerprintOf(json, references),
      // Unions stay as they are declared: which branch a value is in is none of the registry's business.
      type: avsc.Type.forSchema(inlined as avsc.Schema, { wrapUnions: true }),
    };
  } catch (error) {
    throw invalidSchema(error instanceof Error ? error.message : String(error));
  }
}

function fingerprintOf(json: unknown, references: readonly SchemaReference[]): string {
  const refers = references.map(({ name, subject, version }) => [name, subject, version]);
  return createHash('sha256')
    .update(JSON.stringify([canonical(json), refers.sort()]))
    .digest('hex');
}

/** The order of an object's keys has no meaning, and `{"type": "string"}` says the same as `"string"`. */
function canonical(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(canonical);
  if (typeof node !== 'object' || node === null) return node;
  const entries = Object.entries(node).sort(([a], [b]) => (a < b ? -1 : 1));
  const [first] = entries;
  if (entries.length === 1 && first !== undefined && first[0] === 'type' && typeof first[1] === 'string')
    return first[1];
  return Object.fromEntries(entries.map(([key, value]) => [key, canonical(value)]));
}

/** A stored schema as the REST interface shows it. AVRO goes without saying there. */
export function schemaBody({ text, references }: StoredSchema) {
  return { schema: text, ...(references.length === 0 ? {} : { references }) };
}
