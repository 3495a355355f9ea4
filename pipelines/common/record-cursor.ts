/** Walks over records where they lie: a loop over a hundred thousand of them makes no object for any. */
import type { KafkaRecord, RecordHeaders } from './batch.ts';

export interface RecordCursor {
  /** Goes on to the next record, the first one at the first call; false when there is none. */
  next(): boolean;
  /** Value and key of the record stand in it; all positions count from its start. */
  readonly bytes: Buffer;
  readonly valueStart: number;
  /** -1 for null. */
  readonly valueLength: number;
  /** The key may stand in a buffer of its own. */
  readonly keyBytes: Buffer;
  readonly keyStart: number;
  /** -1 for null. */
  readonly keyLength: number;
  readonly offset: number;
  /** Milliseconds since the epoch; -1 when the record has none. */
  readonly timestamp: number;
  /** Made anew at each question. */
  readonly headers: RecordHeaders | undefined;
  /** The record as an object of its own. */
  record(): KafkaRecord;
}

/** Records that know a quicker way than an object for each. */
interface Walkable {
  cursor(): RecordCursor;
}

export function cursorOver(records: Iterable<KafkaRecord>): RecordCursor {
  return isWalkable(records) ? records.cursor() : new ObjectCursor(records);
}

function isWalkable(records: Iterable<KafkaRecord>): records is Iterable<KafkaRecord> & Walkable {
  return 'cursor' in records && typeof records.cursor === 'function';
}

const EMPTY: Buffer = Buffer.alloc(0);

class ObjectCursor implements RecordCursor {
  bytes = EMPTY;
  readonly valueStart = 0;
  valueLength = -1;
  keyBytes = EMPTY;
  readonly keyStart = 0;
  keyLength = -1;
  offset = -1;
  timestamp = -1;
  readonly #records: Iterator<KafkaRecord>;
  #current: KafkaRecord | null = null;

  constructor(records: Iterable<KafkaRecord>) {
    this.#records = records[Symbol.iterator]();
  }

  get headers(): RecordHeaders | undefined {
    return this.#current?.headers;
  }

  next(): boolean {
    const { done, value: record } = this.#records.next();
    if (done === true) return false;
    const { value, key } = record;
    this.#current = record;
    this.bytes = value ?? EMPTY;
    this.valueLength = value === null ? -1 : value.length;
    this.keyBytes = key == null ? EMPTY : typeof key === 'string' ? Buffer.from(key) : key;
    this.keyLength = key == null ? -1 : this.keyBytes.length;
    this.offset = record.offset;
    this.timestamp = record.timestamp ?? -1;
    return true;
  }

  record(): KafkaRecord {
    if (this.#current === null) throw new RangeError('there is no record yet');
    return this.#current;
  }
}
