/** Reads a segment: every record as it was in Kafka, or an error that says what is wrong with the file. */
import { createHash } from 'node:crypto';
import avsc from 'avsc';
import { PayloadScanner } from '../common/avro/payload-scanner.ts';
import { readInt, readLong } from '../common/avro/varint.ts';
import { frameOf } from '../common/avro/wire-format.ts';
import { type ContainerBlock, ContainerReader, DamagedFile } from './container-reader.ts';
import { FILE_KEYS, SEGMENT_FORMAT } from './segment-metadata.ts';
import { NO_SCHEMA_ID, RECORD_NAME } from './wrapper-schema.ts';

export { DamagedFile } from './container-reader.ts';

export interface ArchivedRecord {
  readonly partition: number;
  readonly offset: number;
  /** Kafka's, milliseconds; -1 when it had none. */
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly headers: readonly { readonly key: string; readonly value: Buffer | null }[];
  /** Null for what could not be decoded. */
  readonly schemaId: number | null;
  /** The Avro payload without its frame; without a schema id, the whole value as it was (null for a tombstone). */
  readonly payload: Buffer | null;
}

/** The record's value, byte for byte as it was produced. */
export function originalValue({ schemaId, payload }: ArchivedRecord): Buffer | null {
  return schemaId === null || payload === null ? payload : Buffer.concat([frameOf(schemaId), payload]);
}

/** What the file says of itself. */
export interface SegmentHeader {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly first: number;
  readonly last: number;
  readonly schemaId: number | null;
  readonly count: number;
  readonly contentSha256: string;
  /** Of the whole record; the writer schema is the type of its last field, `value`. */
  readonly schema: string;
}

export class SegmentReader {
  readonly header: SegmentHeader;
  readonly #file: ContainerReader;
  readonly #payload: PayloadScanner;

  private constructor(file: ContainerReader, header: SegmentHeader, payload: PayloadScanner) {
    this.#file = file;
    this.header = header;
    this.#payload = payload;
  }

  /** @throws {DamagedFile} when it is not a segment of ours */
  static async open(source: AsyncIterable<Uint8Array>): Promise<SegmentReader> {
    const file = await ContainerReader.open(source);
    const header = readHeader(file.metadata);
    return new SegmentReader(file, header, new PayloadScanner(valueType(header.schema)));
  }

  /**
   * The records block by block. Their buffers are parts of the block's: copy what is to be kept.
   * @throws {DamagedFile} when the file is cut off, altered, or holds other records than it says; after the last block too
   */
  async *blocks(): AsyncGenerator<readonly ArchivedRecord[]> {
    const content = createHash('sha256');
    let count = 0;
    let previous = this.header.first - 1;
    for await (const block of this.#file.blocks()) {
      content.update(block.data);
      const records = this.#records(block, previous);
      previous = records.at(-1)?.offset ?? previous;
      count += records.length;
      yield records;
    }
    if (count !== this.header.count) {
      throw new DamagedFile(`the file holds ${count} records, but was written with ${this.header.count}`);
    }
    if (content.digest('hex') !== this.header.contentSha256) {
      throw new DamagedFile('the content is not what was written: its sha256 differs');
    }
  }

  /** For those who want the header only. */
  async close(): Promise<void> {
    await this.#file.close();
  }

  async *records(): AsyncGenerator<ArchivedRecord> {
    for await (const block of this.blocks()) yield* block;
  }

  #records({ data, count, position }: ContainerBlock, previousOffset: number): ArchivedRecord[] {
    const { first, last, partition, schemaId } = this.header;
    const reader = new RecordReader(data, `the block at byte ${position}`);
    const records: ArchivedRecord[] = [];
    let previous = previousOffset;
    while (!reader.isAtEnd) {
      const record = reader.next(this.#payload, schemaId);
      if (record.offset <= previous || record.offset < first || record.offset > last) {
        throw new DamagedFile(`offset ${record.offset} is out of order or not within ${first}..${last}`);
      }
      if (record.partition !== partition)
        throw new DamagedFile(`offset ${record.offset} is of another partition`);
      previous = record.offset;
      records.push(record);
    }
    if (records.length !== count) {
      throw new DamagedFile(
        `the block at byte ${position} holds ${records.length} records, but says ${count}`,
      );
    }
    return records;
  }
}

/** Walks the records of one block. */
class RecordReader {
  readonly #data: Buffer;
  readonly #where: string;
  readonly #cursor = { position: 0 };

  constructor(data: Buffer, where: string) {
    this.#data = data;
    this.#where = where;
  }

  get isAtEnd(): boolean {
    return this.#cursor.position >= this.#data.length;
  }

  next(payload: PayloadScanner, schemaId: number | null): ArchivedRecord {
    const partition = this.#number(readInt);
    const offset = this.#number(readLong);
    const timestamp = this.#number(readLong);
    const key = this.#nullableBytes();
    const headers = this.#headers();
    const writtenId = this.#number(readInt);
    if (writtenId !== (schemaId ?? NO_SCHEMA_ID)) {
      throw new DamagedFile(
        `offset ${offset} is under schema ${writtenId}, the file under ${schemaId ?? 'none'}`,
      );
    }
    const record = { partition, offset, timestamp, key, headers, schemaId };
    if (schemaId === null) return { ...record, payload: this.#nullableBytes() };
    const from = this.#cursor.position;
    const end = payload.endOf(this.#data, from, this.#data.length);
    if (end < 0) throw new DamagedFile(`offset ${offset} cannot be decoded: ${payload.explainFault(from)}`);
    this.#cursor.position = end;
    return { ...record, payload: this.#data.subarray(from, end) };
  }

  #headers(): { key: string; value: Buffer | null }[] {
    const headers: { key: string; value: Buffer | null }[] = [];
    for (let count = this.#number(readLong); count !== 0; count = this.#number(readLong)) {
      if (count < 0 || count > this.#data.length) throw this.#damaged();
      for (let index = 0; index < count; index++) {
        headers.push({ key: this.#bytes().toString(), value: this.#nullableBytes() });
      }
    }
    return headers;
  }

  #nullableBytes(): Buffer | null {
    const branch = this.#number(readInt);
    if (branch === 0) return null;
    if (branch !== 1) throw this.#damaged();
    return this.#bytes();
  }

  #bytes(): Buffer {
    const size = this.#number(readLong);
    const from = this.#cursor.position;
    if (size < 0 || size > this.#data.length - from) throw this.#damaged();
    this.#cursor.position = from + size;
    return this.#data.subarray(from, from + size);
  }

  #number(read: typeof readLong): number {
    const value = read(this.#data, this.#cursor, this.#data.length);
    if (Number.isNaN(value)) throw this.#damaged();
    return value;
  }

  #damaged(): DamagedFile {
    return new DamagedFile(
      `${this.#where} holds no records of a segment (at its byte ${this.#cursor.position})`,
    );
  }
}

function readHeader(metadata: ReadonlyMap<string, Buffer>): SegmentHeader {
  const text = (key: string): string => metadata.get(key)?.toString() ?? '';
  const number = (key: string): number => (/^\d{1,19}$/.test(text(key)) ? Number(text(key)) : Number.NaN);
  const { format, topic, topicId, partition, first, last, schemaId, count, contentSha256 } = FILE_KEYS;
  if (!metadata.has(format)) throw new DamagedFile('an Avro file, but not a segment of this archive');
  if (number(format) !== SEGMENT_FORMAT) {
    throw new DamagedFile(
      `segment format ${text(format)} is not one that this release reads (${SEGMENT_FORMAT})`,
    );
  }
  const header: SegmentHeader = {
    topic: text(topic),
    topicId: text(topicId),
    partition: number(partition),
    first: number(first),
    last: number(last),
    schemaId: metadata.has(schemaId) ? number(schemaId) : null,
    count: number(count),
    contentSha256: text(contentSha256),
    schema: text('avro.schema'),
  };
  const numbers = [header.partition, header.first, header.last, header.count, header.schemaId ?? 0];
  if (numbers.every(Number.isSafeInteger)) return header;
  throw new DamagedFile('the header does not say which records the segment holds');
}

/** The type of the wrapper's last field. */
function valueType(schema: string): avsc.Type {
  try {
    const type = avsc.Type.forSchema(JSON.parse(schema) as avsc.Schema);
    const value =
      type instanceof avsc.types.RecordType && type.name === RECORD_NAME ? type.field('value') : undefined;
    if (value !== undefined) return value.type;
  } catch (error) {
    throw new DamagedFile(`the header's schema cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
  throw new DamagedFile('the header holds another schema than a segment has');
}
