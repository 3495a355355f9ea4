/** From a letter to the record that is to be sent back: whole, corrected, and judged as the pipelines will judge it. */
import type { Config } from '../../config/schema.ts';
import type { ArchivePlace } from '../archive/listing.ts';
import { schemaIdOf } from '../common/avro/wire-format.ts';
import { createContainer } from '../common/blob/container.ts';
import type { Clock } from '../common/clock.ts';
import type { WriterSchemas } from '../common/registry/writer-schemas.ts';
import { Judge } from './judge.ts';
import type { Letter, OriginalRecord } from './letter.ts';
import { applyMapping, MappingFault, withSchemaId } from './mapping/apply-mapping.ts';
import type { MappingFile } from './mapping/mapping-file.ts';
import { PayloadFields } from './payload-fields.ts';
import { type Refusal, refused } from './refusal.ts';
import { wholeRecord } from './whole-record.ts';

export interface CorrectionOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly schemas: WriterSchemas;
  /** The source topic. */
  readonly topic: string;
  /** Under which every value is to be read and sent; as it is when left out. */
  readonly schemaId?: number | undefined;
  readonly mapping?: MappingFile | undefined;
}

export interface CorrectedRecord extends OriginalRecord {
  /** Null when the schema id is the one that it had. */
  readonly newSchemaId: number | null;
  readonly isMapped: boolean;
  /** What the pipelines would say of it; null when it would be stored. */
  readonly fault: Refusal | null;
}

export class Corrections {
  readonly #options: CorrectionOptions;
  readonly #judge: Judge;
  readonly #fields = new Map<number, PayloadFields>();
  #archive: ArchivePlace | null = null;

  constructor(options: CorrectionOptions) {
    this.#options = options;
    this.#judge = new Judge(options);
  }

  /** @returns the record, or why there is none to send @throws {Outage} */
  async correct(letter: Letter): Promise<CorrectedRecord | Refusal> {
    const whole = await this.whole(letter);
    if ('code' in whole) return whole;
    const { key, headers, value: original } = whole;
    try {
      const readdressed = this.#underSchema(original);
      const value = await this.#mapped(letter, readdressed);
      const id = schemaIdOf(value);
      return {
        key,
        value,
        headers,
        newSchemaId: id === schemaIdOf(original) ? null : id,
        isMapped: value !== readdressed,
        fault: await this.#judge.judge(value),
      };
    } catch (error) {
      if (error instanceof MappingFault) return refused('mapping_failed', error.message);
      throw error;
    }
  }

  /** As it was before it was cut. @throws {Outage} */
  async whole(letter: Letter): Promise<OriginalRecord | Refusal> {
    const { key, value, headers, cut } = letter;
    return cut === null ? { key, value, headers } : wholeRecord(this.#place(), letter, cut);
  }

  /** How payloads of a schema are read; null when the registry has no such record schema. @throws {Outage} */
  async fieldsOf(schemaId: number): Promise<PayloadFields | null> {
    const known = this.#fields.get(schemaId);
    if (known !== undefined) return known;
    const schema = await this.#options.schemas.get(schemaId);
    const fields = typeof schema === 'string' ? null : readableFields(schema.inlined);
    if (fields !== null) this.#fields.set(schemaId, fields);
    return fields;
  }

  #underSchema(value: Buffer | null): Buffer | null {
    const { schemaId } = this.#options;
    return schemaId === undefined || value === null ? value : withSchemaId(value, schemaId);
  }

  async #mapped({ code, origin }: Letter, value: Buffer | null): Promise<Buffer | null> {
    const { mapping } = this.#options;
    if (mapping === undefined || value === null) return value;
    return applyMapping(mapping.rules, { topic: origin.topic, code, value }, (id) => this.fieldsOf(id));
  }

  #place(): ArchivePlace {
    const { config } = this.#options;
    this.#archive ??= { container: createContainer(config), prefix: config.blob.prefix };
    return this.#archive;
  }
}

function readableFields(inlined: unknown): PayloadFields | null {
  try {
    return new PayloadFields(inlined);
  } catch {
    return null;
  }
}
