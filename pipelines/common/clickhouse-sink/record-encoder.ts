/** From a Kafka record of one topic to a row: frame, writer schema, payload. Each step ends in ok or in a fault. */

import { schemaIdAt } from '../avro/wire-format.ts';
import type { Batch } from '../batch.ts';
import type { Fault } from '../dead-letters/fault.ts';
import type { Metrics } from '../metrics.ts';
import { cursorOver, type RecordCursor } from '../record-cursor.ts';
import type { SchemaLookup, WriterSchemas } from '../registry/writer-schemas.ts';
import type { RowChunks } from '../transcode/row-chunks.ts';
import type { RowSpec, RowView } from '../transcode/row-spec.ts';
import type { TimeLimits } from '../transcode/time-limits.ts';
import { Transcoder } from '../transcode/transcoder.ts';
import { planFor, type WriterPlan } from '../transcode/writer-plan.ts';

export interface EncoderOptions {
  readonly pipeline: string;
  readonly topic: string;
  readonly spec: RowSpec;
  readonly limits: TimeLimits;
  /** Where the writers' schemas come from: the registry, or segments, which bring their own. */
  readonly schemas: Pick<WriterSchemas, 'getAll'>;
  readonly metrics: Metrics;
}

const TOMBSTONE: Fault = { code: 'tombstone', reason: 'the record has no value' };
const NOT_FRAMED: Fault = {
  code: 'not_framed',
  reason: 'the value does not begin with a zero byte and a schema id',
};

/** What is known of one schema id: how to read its payloads, or why they cannot be read. */
type Reading = WriterPlan | Fault;

export class RecordEncoder {
  readonly #options: EncoderOptions;
  readonly #transcoder: Transcoder;
  /** Schemas that the registry knows: they never change. */
  readonly #plans = new Map<number, Reading>();
  /** Those of the batches in hand; what the registry does not know may be known to it in the next ones. */
  #readings = new Map<number, Reading>();
  readonly #symbolColumns: readonly { readonly name: string; readonly index: number }[];
  #lastId = -1;
  #lastReading: Reading | null = null;

  constructor(options: EncoderOptions) {
    this.#options = options;
    this.#transcoder = new Transcoder(options.spec, options.limits);
    this.#symbolColumns = options.spec.columns.flatMap(({ name, kind }, index) =>
      kind === 'symbol' ? [{ name, index }] : [],
    );
  }

  /** The row last encoded. */
  get row(): RowView {
    return this.#transcoder;
  }

  /** Its time, in milliseconds. */
  get eventTime(): number {
    return this.#transcoder.eventTime;
  }

  /** Finds out about every schema id in the batches. @throws {Outage} when the registry cannot be asked */
  async prepare(batches: readonly Batch[]): Promise<void> {
    const ids = new Set<number>();
    let last: number | null = null;
    for (const { records } of batches) {
      for (const cursor = cursorOver(records); cursor.next(); ) {
        const id = schemaIdAt(cursor.bytes, cursor.valueStart, cursor.valueLength);
        if (id === last || id === null) continue;
        ids.add(id);
        last = id;
      }
    }
    const asked = await this.#options.schemas.getAll([...ids].filter((id) => !this.#plans.has(id)));
    this.#readings = new Map(
      [...ids].map((id) => [id, this.#plans.get(id) ?? this.#read(id, asked.get(id))]),
    );
    this.#lastId = -1;
  }

  /** Appends the row of a record of a batch that was prepared, or leaves `rows` as it was. */
  encode(rows: RowChunks, record: RecordCursor, source: Buffer): Fault | null {
    if (record.valueLength < 0) return TOMBSTONE;
    const id = schemaIdAt(record.bytes, record.valueStart, record.valueLength);
    if (id === null) return NOT_FRAMED;
    const reading = this.#readingOf(id);
    if ('code' in reading) return reading;
    const fault = this.#transcoder.write(rows, record, { plan: reading, source });
    if (fault === null) this.#notice(record, reading);
    return fault;
  }

  #readingOf(id: number): Reading {
    if (id === this.#lastId && this.#lastReading !== null) return this.#lastReading;
    const reading = this.#readings.get(id) ?? this.#read(id, undefined);
    this.#lastId = id;
    this.#lastReading = reading;
    return reading;
  }

  #read(id: number, schema: SchemaLookup | undefined): Reading {
    if (schema === undefined || schema === 'unknown')
      return { code: 'unknown_schema_id', reason: `the registry does not know schema ${id}` };
    const plan = schema === 'unusable' ? 'it is no Avro schema' : planFor(schema.inlined, this.#options.spec);
    const reading: Reading =
      typeof plan === 'string' ? { code: 'schema_not_ours', reason: `schema ${id}: ${plan}` } : plan;
    this.#plans.set(id, reading);
    return reading;
  }

  /** What is stored all the same, and what somebody may want to know of. */
  #notice(record: RecordCursor, plan: WriterPlan): void {
    const { pipeline, topic, metrics } = this.#options;
    if (!this.#transcoder.hasKey(record)) metrics.foreignKeys.inc({ pipeline, topic });
    if (!plan.hasUnknownSymbols) return;
    for (const { name, index } of this.#symbolColumns) {
      const symbol = this.#transcoder.unknownSymbol(index);
      if (symbol !== null) metrics.unknownSymbols.inc({ pipeline, topic, field: name, symbol });
    }
  }
}
