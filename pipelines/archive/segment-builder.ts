/** Builds one segment: records go in one by one, out comes a file with its path and metadata. */
import { hash } from 'node:crypto';
import type { PayloadScanner } from '../common/avro/payload-scanner.ts';
import type { RecordCursor } from '../common/record-cursor.ts';
import { BlockWriter } from './block-writer.ts';
import { fileHeader, syncMarker } from './container-file.ts';
import {
  type Coordinates,
  mostBytesOf,
  timestampOf,
  writeCoordinates,
  writePayload,
  writeWholeValue,
} from './record-writer.ts';
import { fileMetadata, type TimeSpan } from './segment-metadata.ts';
import { type SegmentName, segmentPath } from './segment-path.ts';
import { NO_SCHEMA_ID } from './wrapper-schema.ts';

export interface SegmentFile {
  readonly name: SegmentName;
  /** Without the configured prefix. */
  readonly path: string;
  readonly bytes: Buffer;
  readonly sha256: string;
  readonly contentSha256: string;
  readonly contentBytes: number;
  readonly count: number;
  readonly eventTimes: TimeSpan | null;
  readonly kafkaTimes: TimeSpan | null;
}

/** How a segment's payloads are written: under their own schema, or as they came. */
export interface SegmentSchema {
  /** Of the whole record, wrapper included. */
  readonly text: string;
  /** Null for what could not be decoded. */
  readonly scanner: PayloadScanner | null;
}

export class SegmentBuilder {
  readonly #name: SegmentName;
  readonly #path: string;
  readonly #coordinates: Coordinates;
  readonly #schema: SegmentSchema;
  readonly #sync: Buffer;
  readonly #blocks: BlockWriter;
  #minEvent = Number.POSITIVE_INFINITY;
  #maxEvent = Number.NEGATIVE_INFINITY;
  #minKafka = Number.POSITIVE_INFINITY;
  #maxKafka = Number.NEGATIVE_INFINITY;
  #isFull = false;

  constructor(name: SegmentName, schema: SegmentSchema) {
    this.#name = name;
    this.#schema = schema;
    this.#path = segmentPath(name);
    this.#coordinates = { partition: name.partition, schemaId: name.schemaId ?? NO_SCHEMA_ID };
    this.#sync = syncMarker(this.#path);
    this.#blocks = new BlockWriter(this.#sync);
  }

  /** A block is full: `flush` must come before the next record. */
  get isFull(): boolean {
    return this.#isFull;
  }

  async flush(): Promise<void> {
    this.#isFull = false;
    await this.#blocks.flush();
  }

  /** @returns false, and adds nothing, when the payload is not exactly one value of the schema */
  add(record: RecordCursor): boolean {
    const blocks = this.#blocks;
    blocks.ensure(mostBytesOf(record));
    const { buffer, position } = blocks;
    const { scanner } = this.#schema;
    const payload = writeCoordinates(buffer, position, record, this.#coordinates);
    if (scanner === null) {
      this.#added(writeWholeValue(buffer, payload, record), record);
      return true;
    }
    const end = writePayload(buffer, payload, record);
    if (!scanner.scan(buffer, payload, end)) return false;
    const { eventTime } = scanner;
    if (eventTime < this.#minEvent) this.#minEvent = eventTime;
    if (eventTime > this.#maxEvent) this.#maxEvent = eventTime;
    this.#added(end, record);
    return true;
  }

  async finish(): Promise<SegmentFile> {
    const { parts, ...content } = await this.#blocks.finish();
    const { text: schemaText } = this.#schema;
    const header = fileHeader(fileMetadata(this.#name, { schemaText, ...content }), this.#sync);
    const bytes = Buffer.concat([header, ...parts]);
    return {
      name: this.#name,
      path: this.#path,
      bytes,
      sha256: hash('sha256', bytes),
      ...content,
      eventTimes: span(this.#minEvent, this.#maxEvent),
      kafkaTimes: span(this.#minKafka, this.#maxKafka),
    };
  }

  #added(end: number, record: RecordCursor): void {
    const time = timestampOf(record);
    if (time < this.#minKafka) this.#minKafka = time;
    if (time > this.#maxKafka) this.#maxKafka = time;
    this.#isFull = this.#blocks.added(end);
  }
}

function span(min: number, max: number): TimeSpan | null {
  return min <= max ? { min, max } : null;
}
