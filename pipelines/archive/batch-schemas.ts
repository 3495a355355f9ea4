/** Under which schemas the records of one batch are archived: decided once, and the same for all of them. */
import { PayloadScanner } from '../common/avro/payload-scanner.ts';
import { schemaIdAt } from '../common/avro/wire-format.ts';
import type { KafkaRecord } from '../common/batch.ts';
import { PartitionStopped } from '../common/errors.ts';
import { cursorOver } from '../common/record-cursor.ts';
import type { SchemaLookup, WriterSchema, WriterSchemas } from '../common/registry/writer-schemas.ts';
import type { SegmentSchema } from './segment-builder.ts';
import { clashesWithWrapper, wrapperSchema } from './wrapper-schema.ts';

/** Fields that hold an event's own time, one for each kind of topic. */
const TIME_FIELDS = ['occurred_at', 'changed_at', 'updated_at'];

/** Writer schemas made ready for segments; shared by all partitions. */
export class SegmentSchemas {
  readonly #schemas: WriterSchemas;
  readonly #ready = new WeakMap<WriterSchema, SegmentSchema | null>();

  constructor(schemas: WriterSchemas) {
    this.#schemas = schemas;
  }

  /** Null for ids under which nothing can be archived. @throws {Outage} when the registry cannot be asked */
  async getAll(ids: Iterable<number>): Promise<Map<number, SegmentSchema | null>> {
    const found = await this.#schemas.getAll(ids);
    return new Map([...found].map(([id, lookup]) => [id, this.#prepare(lookup)]));
  }

  /** For ids seen before: no promise, no map. */
  peek(id: number): SegmentSchema | undefined {
    const lookup = this.#schemas.peek(id);
    return lookup === undefined ? undefined : (this.#prepare(lookup) ?? undefined);
  }

  #prepare(lookup: SchemaLookup): SegmentSchema | null {
    if (typeof lookup === 'string') return null;
    let ready = this.#ready.get(lookup);
    if (ready === undefined) {
      ready = prepare(lookup);
      this.#ready.set(lookup, ready);
    }
    return ready;
  }
}

/** Null when the schema cannot stand in a segment: it uses the wrapper's names, or is nested deeper than readers go. */
function prepare({ inlinedText, type }: WriterSchema): SegmentSchema | null {
  if (clashesWithWrapper(inlinedText)) return null;
  try {
    return {
      text: wrapperSchema(inlinedText),
      scanner: new PayloadScanner(type, { timeFields: TIME_FIELDS }),
    };
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/**
 * The registry's word on an id may change (a schema is registered a moment after its first use), and a replay must come
 * to the same segments. So the word is taken once for a batch, goes into the head with the intent, and is not asked for again.
 */
export class BatchSchemas {
  readonly #schemas: SegmentSchemas;
  readonly #decided = new Map<number, SegmentSchema | null>();
  /** The ids that the intent of an earlier attempt names; null in a first attempt. */
  readonly #intended: ReadonlySet<number> | null;

  constructor(schemas: SegmentSchemas, intended: Iterable<number> | null) {
    this.#schemas = schemas;
    this.#intended = intended === null ? null : new Set(intended);
  }

  /** Null when records of this id are undecodable; undefined when `decide` must come first. */
  get(id: number): SegmentSchema | null | undefined {
    const decided = this.#decided.get(id);
    if (decided !== undefined) return decided;
    const known = this.#intended === null || this.#intended.has(id) ? this.#schemas.peek(id) : null;
    if (known !== undefined) this.#decided.set(id, known);
    return known;
  }

  /** Ids under which records are archived, ascending. */
  used(): number[] {
    const ids = [...this.#decided].flatMap(([id, schema]) => (schema === null ? [] : [id]));
    return ids.sort((a, b) => a - b);
  }

  /**
   * Decides on all ids that occur in the records.
   * @throws {Outage} when the registry cannot be asked
   * @throws {PartitionStopped} when it no longer knows a schema under which an earlier attempt has begun to write
   */
  async decide(records: Iterable<KafkaRecord>): Promise<void> {
    const open = new Set<number>();
    for (const cursor = cursorOver(records); cursor.next(); ) {
      const id = schemaIdAt(cursor.bytes, cursor.valueStart, cursor.valueLength);
      if (id !== null && this.get(id) === undefined) open.add(id);
    }
    for (const [id, schema] of await this.#schemas.getAll(open)) {
      if (schema === null && this.#intended !== null) throw schemaLost(id);
      this.#decided.set(id, schema);
    }
  }
}

function schemaLost(id: number): PartitionStopped {
  return new PartitionStopped(
    'schema_lost',
    `an unfinished batch was begun under schema ${id}, which the registry no longer knows: restore it there`,
  );
}
