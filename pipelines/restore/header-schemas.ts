/** Writer schemas out of the headers of segments, so that nothing but the archive is needed to read it. */
import avsc from 'avsc';
import type { SegmentHeader } from '../archive/segment-reader.ts';
import { RECORD_NAME } from '../archive/wrapper-schema.ts';
import { schemaIdOf } from '../common/avro/wire-format.ts';
import type { KafkaRecord } from '../common/batch.ts';
import type { SchemaLookup, WriterSchema } from '../common/registry/writer-schemas.ts';

export interface HeaderSchemasOptions {
  /** The header of some segment with that schema; null when there is none, `lost` when it cannot be read any more. */
  readonly find: (schemaId: number) => Promise<SegmentHeader | 'lost' | null>;
}

/** Answers as the registry's lookup does. */
export class HeaderSchemas {
  readonly #find: HeaderSchemasOptions['find'];
  /** By id, with the header's text. */
  readonly #known = new Map<
    number,
    { readonly header: string; readonly schema: WriterSchema | 'unusable' }
  >();
  readonly #lost = new Set<number>();

  constructor({ find }: HeaderSchemasOptions) {
    this.#find = find;
  }

  /** Whether another schema stood under this id until now: of a registry that was lost and filled anew. */
  isOther({ schemaId, schema: header }: SegmentHeader): boolean {
    const known = schemaId === null ? undefined : this.#known.get(schemaId);
    return known !== undefined && known.header !== header;
  }

  learn({ schemaId, schema: header }: SegmentHeader): void {
    if (schemaId === null || this.#known.get(schemaId)?.header === header) return;
    this.#lost.delete(schemaId);
    this.#known.set(schemaId, { header, schema: readSchema(schemaId, header) });
  }

  /**
   * What could not be decoded may have been written under a schema that was registered a moment later: then other segments
   * have it.
   */
  async getAll(ids: Iterable<number>): Promise<Map<number, SchemaLookup>> {
    const found = new Map<number, SchemaLookup>();
    for (const id of ids) {
      if (!this.#known.has(id) && !this.#lost.has(id)) {
        const header = await this.#find(id);
        if (header === 'lost') this.#lost.add(id);
        else if (header !== null) this.learn(header);
      }
      found.set(id, this.#known.get(id)?.schema ?? 'unknown');
    }
    return found;
  }

  /** Those whose schema was lost with its segment: whether they are rows nobody can say. */
  undecided(records: readonly KafkaRecord[]): KafkaRecord[] {
    if (this.#lost.size === 0) return [];
    return records.filter(({ value }) => this.#lost.has(schemaIdOf(value) ?? -1));
  }
}

function readSchema(id: number, header: string): WriterSchema | 'unusable' {
  try {
    const wrapper = JSON.parse(header) as { name?: unknown; fields?: { name: string; type: unknown }[] };
    const value = wrapper.name === RECORD_NAME ? wrapper.fields?.at(-1) : undefined;
    if (value?.name !== 'value') return 'unusable';
    const text = JSON.stringify(value.type);
    return {
      id,
      text,
      inlined: value.type,
      inlinedText: text,
      type: avsc.Type.forSchema(value.type as avsc.Schema),
    };
  } catch {
    return 'unusable';
  }
}
