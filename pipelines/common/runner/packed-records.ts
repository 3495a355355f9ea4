/** Records that wait for their write, as bytes in few large buffers instead of many small objects. */
import type { KafkaRecord, RecordHeaders, Records } from '../batch.ts';
import type { TopicPartition } from '../kafka/admin.ts';
import type { RecordCursor } from '../record-cursor.ts';

/**
 * ```
 * ┌────────┬───────────┬──────────────┬────────────┬────────────────┬───────┬─────┬─────────┐
 * │ offset │ timestamp │ value length │ key length │ headers length │ value │ key │ headers │ next record …
 * │ double │ double    │ int32        │ int32      │ int32          │       │     │         │
 * └────────┴───────────┴──────────────┴────────────┴────────────────┴───────┴─────┴─────────┘
 * ```
 * Little endian; a length of -1 is a null. Each header is its name and its value, each with its length in front.
 */
const FIXED_BYTES = 28;
const TIMESTAMP_AT = 8;
const VALUE_LENGTH_AT = 16;
const KEY_LENGTH_AT = 20;
const HEADERS_LENGTH_AT = 24;
const LENGTH_BYTES = 4;

/** Bytes that a record takes beside its value, key and headers. */
export const RECORD_OVERHEAD_BYTES = FIXED_BYTES;

const NULL = -1;
/** Kafka's word for "no timestamp". */
const NO_TIMESTAMP = -1;

const SMALLEST_SLAB_BYTES = 16 * 1024;
const LARGEST_SLAB_BYTES = 1024 * 1024;

/**
 * Buffers of the largest size that hold no records now. Each new one counts as memory that the collector should look
 * for garbage in, which costs more than filling it.
 */
const idle: Buffer[] = [];
const MOST_IDLE = 64;

/** Keys up to here are copied in a loop: a call into the runtime costs more. */
const SHORT_BYTES = 24;

/** One buffer; records lie in `[0, end)`. */
interface Slab {
  readonly bytes: Buffer;
  readonly view: DataView;
  end: number;
}

const EMPTY: Slab = { bytes: Buffer.alloc(0), view: new DataView(new ArrayBuffer(0)), end: 0 };

/**
 * What the client hands out is six objects a record, some 1.3 KB. Kept until a batch is full, the garbage collector
 * copies all of them twice and then has to walk over them: a fifth of the processor's time. Copied here they die young,
 * and a record costs its own bytes.
 */
export class PackedRecords implements Records {
  readonly #of: TopicPartition;
  readonly #slabs: Slab[] = [];
  #current = EMPTY;
  #allocated = 0;
  #length = 0;
  #isReleased = false;

  /** Of one partition. */
  constructor({ topic, partition }: TopicPartition) {
    this.#of = { topic, partition };
  }

  get length(): number {
    return this.#length;
  }

  add(record: KafkaRecord): void {
    const { value, key: keyOrText, headers } = record;
    const key = typeof keyOrText === 'string' ? Buffer.from(keyOrText) : keyOrText;
    const valueLength = value === null ? 0 : value.length;
    const keyLength = key == null ? 0 : key.length;
    const packedHeaders = headers === undefined || headers.length === 0 ? null : packHeaders(headers);
    const headersLength = packedHeaders === null ? 0 : packedHeaders.length;
    const needed = FIXED_BYTES + valueLength + keyLength + headersLength;
    let slab = this.#current;
    if (slab.bytes.length - slab.end < needed) slab = this.#another(needed);
    const { bytes, view, end } = slab;
    view.setFloat64(end, record.offset, true);
    view.setFloat64(end + TIMESTAMP_AT, record.timestamp ?? NO_TIMESTAMP, true);
    view.setInt32(end + VALUE_LENGTH_AT, value === null ? NULL : valueLength, true);
    view.setInt32(end + KEY_LENGTH_AT, key == null ? NULL : keyLength, true);
    view.setInt32(end + HEADERS_LENGTH_AT, headersLength, true);
    let at = end + FIXED_BYTES;
    if (value !== null) bytes.set(value, at);
    at += valueLength;
    if (key != null) {
      if (keyLength > SHORT_BYTES) bytes.set(key, at);
      else for (let index = 0; index < keyLength; index += 1) bytes[at + index] = key[index] as number;
    }
    at += keyLength;
    if (packedHeaders !== null) bytes.set(packedHeaders, at);
    slab.end = at + headersLength;
    this.#length += 1;
  }

  /** Walks over the records where they lie. */
  cursor(): RecordCursor {
    if (this.#isReleased) throw new RangeError('the records were released');
    return new PackedCursor(this.#of, this.#slabs);
  }

  /** They are durable: nobody reads them any more, nor parts of them, and their memory serves others. */
  release(): void {
    this.#isReleased = true;
    for (const { bytes } of this.#slabs) {
      if (bytes.length === LARGEST_SLAB_BYTES && idle.length < MOST_IDLE) idle.push(bytes);
    }
    this.#slabs.length = 0;
    this.#current = EMPTY;
  }

  /** Makes an object of each record: for tests, and for the few that something is wrong with. */
  *[Symbol.iterator](): Generator<KafkaRecord, undefined> {
    for (const cursor = this.cursor(); cursor.next(); ) yield cursor.record();
  }

  #another(needed: number): Slab {
    // As much again as there is: few buffers for a busy partition, a small one for a quiet one.
    const usual = Math.max(SMALLEST_SLAB_BYTES, Math.min(LARGEST_SLAB_BYTES, this.#allocated));
    const bytes = takeSlab(Math.max(usual, needed));
    const slab = { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), end: 0 };
    this.#allocated += bytes.length;
    this.#slabs.push(slab);
    this.#current = slab;
    return slab;
  }
}

function takeSlab(size: number): Buffer {
  return (size === LARGEST_SLAB_BYTES ? idle.pop() : undefined) ?? Buffer.allocUnsafeSlow(size);
}

class PackedCursor implements RecordCursor {
  bytes = EMPTY.bytes;
  valueStart = 0;
  valueLength = NULL;
  keyStart = 0;
  keyLength = NULL;
  offset = -1;
  timestamp = NO_TIMESTAMP;
  readonly #of: TopicPartition;
  readonly #slabs: readonly Slab[];
  #slab = EMPTY;
  #slabIndex = -1;
  #headersStart = 0;
  /** Of the record, and so where the next one begins. */
  #end = 0;

  constructor(of: TopicPartition, slabs: readonly Slab[]) {
    this.#of = of;
    this.#slabs = slabs;
  }

  get keyBytes(): Buffer {
    return this.bytes;
  }

  get headers(): RecordHeaders | undefined {
    if (this.#headersStart === this.#end) return undefined;
    return unpackHeaders(this.#slab, { from: this.#headersStart, to: this.#end });
  }

  next(): boolean {
    if (this.#end >= this.#slab.end && !this.#nextSlab()) return false;
    const { view } = this.#slab;
    const at = this.#end;
    this.offset = view.getFloat64(at, true);
    this.timestamp = view.getFloat64(at + TIMESTAMP_AT, true);
    this.valueLength = view.getInt32(at + VALUE_LENGTH_AT, true);
    this.keyLength = view.getInt32(at + KEY_LENGTH_AT, true);
    this.valueStart = at + FIXED_BYTES;
    this.keyStart = this.valueStart + Math.max(0, this.valueLength);
    this.#headersStart = this.keyStart + Math.max(0, this.keyLength);
    this.#end = this.#headersStart + view.getInt32(at + HEADERS_LENGTH_AT, true);
    return true;
  }

  record(): KafkaRecord {
    if (this.#slabIndex < 0) throw new RangeError('there is no record yet');
    const { headers } = this;
    const record: KafkaRecord = {
      value: bytesAt(this.bytes, this.valueStart, this.valueLength),
      size: Math.max(0, this.valueLength),
      key: bytesAt(this.bytes, this.keyStart, this.keyLength),
      topic: this.#of.topic,
      partition: this.#of.partition,
      offset: this.offset,
      timestamp: this.timestamp,
    };
    if (headers !== undefined) record.headers = headers;
    return record;
  }

  #nextSlab(): boolean {
    const slab = this.#slabs[this.#slabIndex + 1];
    if (slab === undefined) return false;
    this.#slabIndex += 1;
    this.#slab = slab;
    this.bytes = slab.bytes;
    this.#end = 0;
    return true;
  }
}

/** @param length -1 for null */
function bytesAt(bytes: Buffer, start: number, length: number): Buffer | null {
  return length === NULL ? null : bytes.subarray(start, start + length);
}

function packHeaders(headers: RecordHeaders): Buffer {
  const pieces: Buffer[] = [];
  const add = (content: Buffer | null) => {
    const length = Buffer.allocUnsafe(LENGTH_BYTES);
    length.writeInt32LE(content === null ? NULL : content.length);
    pieces.push(length);
    if (content !== null) pieces.push(content);
  };
  for (const header of headers) {
    for (const name in header) {
      const value = header[name];
      add(Buffer.from(name));
      add(value == null ? null : typeof value === 'string' ? Buffer.from(value) : value);
    }
  }
  return Buffer.concat(pieces);
}

/** An object for each header, as the client gives them. */
function unpackHeaders({ bytes }: Slab, { from, to }: { from: number; to: number }): RecordHeaders {
  const headers: RecordHeaders = [];
  let at = from;
  const take = (): Buffer | null => {
    const length = bytes.readInt32LE(at);
    const start = at + LENGTH_BYTES;
    at = start + Math.max(0, length);
    return bytesAt(bytes, start, length);
  };
  while (at < to) {
    const name = String(take());
    // A header may be named `__proto__`.
    headers.push(Object.fromEntries([[name, take()]]) as RecordHeaders[number]);
  }
  return headers;
}
