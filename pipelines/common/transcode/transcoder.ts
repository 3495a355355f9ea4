/** Turns Avro payloads into RowBinary rows, checking them on the way, without building an object for any good record. */
import { readLong } from '../avro/varint.ts';
import type { DeadLetterCodeName } from '../dead-letters/codes.ts';
import type { Fault } from '../dead-letters/fault.ts';
import type { RecordCursor } from '../record-cursor.ts';
import { ABSENT, exactLong, PayloadReader } from './payload-reader.ts';
import { encodeText, TextCopier, writeBytes, writeInt64, writeLength } from './row-binary.ts';
import type { RowChunks } from './row-chunks.ts';
import { type ColumnKind, MAX_ID_BYTES, type RowSpec, type RowView } from './row-spec.ts';
import type { TimeLimits } from './time-limits.ts';
import type { WriterPlan } from './writer-plan.ts';

/** From the year 2200 on, the sort key that lets the first recorded copy win would run out of bits. */
const LATEST_KAFKA_TIME = Date.UTC(2200, 0, 1) - 1;

/** The ends of ClickHouse's DateTime64(3). */
const FIRST_DATETIME64 = Date.UTC(1900, 0, 1);
const LAST_DATETIME64 = Date.UTC(2300, 0, 1) - 1;

/** Serves one topic after another record; holds the row last written for whoever wants to look at it. */
export class Transcoder implements RowView {
  /** Time of the row last written, in milliseconds. */
  eventTime = 0;
  readonly #spec: RowSpec;
  readonly #limits: TimeLimits;
  readonly #reader: PayloadReader;
  readonly #copier = new TextCopier();
  readonly #kinds: readonly ColumnKind[];
  readonly #constants: readonly Buffer[];
  readonly #columnOf: ReadonlyMap<string, number>;
  #plan: WriterPlan | null = null;

  constructor(spec: RowSpec, limits: TimeLimits) {
    this.#spec = spec;
    this.#limits = limits;
    this.#reader = new PayloadReader(spec.columns.length);
    this.#kinds = spec.columns.map(({ kind }) => kind);
    this.#constants = spec.columns.map(({ name }) => encodeText(spec.constants?.[name] ?? ''));
    this.#columnOf = new Map(spec.columns.map(({ name }, index) => [name, index]));
  }

  /**
   * Appends the row of one record, or leaves `rows` as it was.
   * @param record framed, written with the schema that the plan is of
   * @param source `<topic id>/<partition>` as `encodeText` gives it
   * @returns what is wrong with the record, or null
   */
  write(
    rows: RowChunks,
    record: RecordCursor,
    { plan, source }: { plan: WriterPlan; source: Buffer },
  ): Fault | null {
    const recordedAt = record.timestamp;
    const value = record.bytes;
    if (!(recordedAt >= 0 && recordedAt <= LATEST_KAFKA_TIME)) return kafkaTimeUnusable(recordedAt);
    const reader = this.#reader;
    const problem = reader.read(plan, record);
    if (problem !== null) return problem;
    rows.reserve(record.valueLength + plan.slack);

    const { starts, ends, numbers } = reader;
    const { chunk, view } = rows;
    const copier = this.#copier;
    copier.source = value;
    copier.target = chunk;
    const kinds = this.#kinds;
    let at = rows.position;
    for (let column = 0; column < kinds.length; column += 1) {
      const start = starts[column] as number;
      const end = ends[column] as number;
      switch (kinds[column]) {
        case 'id': {
          if (start === end)
            return this.#fault('empty_id', column, start === ABSENT ? 'is null' : 'is empty');
          if (end - start > MAX_ID_BYTES)
            return this.#fault('id_too_long', column, `has ${end - start} bytes`);
          at = writeLength(chunk, at, end - start);
          if (!copier.copy(start, end, at)) return this.#fault('invalid_utf8', column, 'is not UTF-8');
          at += end - start;
          break;
        }
        case 'textOrNull':
          if (start === ABSENT) {
            chunk[at++] = 1;
            break;
          }
          chunk[at++] = 0;
          at = writeLength(chunk, at, end - start);
          if (!copier.copy(start, end, at)) return this.#fault('invalid_utf8', column, 'is not UTF-8');
          at += end - start;
          break;
        case 'text':
          if (start === ABSENT) return this.#fault('field_null', column, 'is null');
          at = writeLength(chunk, at, end - start);
          if (!copier.copy(start, end, at)) return this.#fault('invalid_utf8', column, 'is not UTF-8');
          at += end - start;
          break;
        case 'symbol': {
          if (start === ABSENT) return this.#fault('field_null', column, 'is null');
          const encoded = plan.symbols[column]?.encoded[numbers[column] as number];
          if (encoded === undefined) return this.#fault('avro_invalid', column, 'has no such symbol');
          at = writeBytes(chunk, at, encoded);
          break;
        }
        case 'time': {
          if (start === ABSENT) return this.#fault('time_missing', column, 'is null');
          const time = numbers[column] as number;
          if (!(time >= this.#limits.earliest))
            return this.#fault('time_too_early', column, `is ${iso(time)}`);
          if (time > recordedAt + this.#limits.maxFutureMs)
            return this.#fault('time_too_late', column, `is ${iso(time)}, recorded at ${iso(recordedAt)}`);
          this.eventTime = time;
          at = writeInt64(view, at, time);
          break;
        }
        case 'planOrNull': {
          chunk[at++] = start === ABSENT ? 1 : 0;
          if (start === ABSENT) break;
          const time = Math.max(FIRST_DATETIME64, Math.min(LAST_DATETIME64, numbers[column] as number));
          at = writeInt64(view, at, time);
          break;
        }
        case 'booleanOrFalse':
          chunk[at++] = start === ABSENT ? 0 : (numbers[column] as number);
          break;
        case 'doubleOrNull':
          chunk[at++] = start === ABSENT ? 1 : 0;
          if (start === ABSENT) break;
          view.setFloat64(at, numbers[column] as number, true);
          at += 8;
          break;
        case 'longOrNull':
          chunk[at++] = start === ABSENT ? 1 : 0;
          if (start === ABSENT) break;
          view.setBigInt64(at, exactLong(value, start, end), true);
          at += 8;
          break;
        case 'textMap': {
          const entries = start === ABSENT ? 0 : (numbers[column] as number);
          at = writeLength(chunk, at, entries);
          if (entries > 0) at = this.#copyMap(start, end, at);
          if (at < 0) return this.#fault('invalid_utf8', column, 'has a key or value that is not UTF-8');
          break;
        }
        case 'constant':
          at = writeBytes(chunk, at, this.#constants[column] as Buffer);
          break;
        case 'source':
          at = writeBytes(chunk, at, source);
          break;
        case 'offset':
          at = writeInt64(view, at, record.offset);
          break;
        case 'recordedAt':
          at = writeInt64(view, at, recordedAt);
          break;
      }
    }
    this.#plan = plan;
    const refusal = this.#spec.judge?.(this) ?? null;
    if (refusal !== null) return { code: refusal.code, reason: `field ${refusal.column} ${refusal.detail}` };
    rows.position = at;
    return null;
  }

  text(column: string): string | null {
    const index = this.#columnOf.get(column) ?? -1;
    const { starts, ends, numbers } = this.#reader;
    if ((starts[index] ?? ABSENT) === ABSENT) return null;
    const symbols = this.#plan?.symbols[index] ?? null;
    return symbols === null
      ? this.#copier.source.toString('utf8', starts[index], ends[index])
      : (symbols.names[numbers[index] as number] ?? null);
  }

  time(column: string): number {
    return this.#reader.numbers[this.#columnOf.get(column) ?? -1] ?? Number.NaN;
  }

  /** True when the row last written stands under its own user's key. Compares bytes: it is asked for every record. */
  hasKey({ keyBytes, keyStart, keyLength }: RecordCursor): boolean {
    if (keyLength < 0) return false;
    const [first, second] = this.#spec.key;
    const end = keyStart + keyLength;
    const slash = this.#matches(keyBytes, { from: keyStart, end }, first);
    if (slash < 0 || slash === end || keyBytes[slash] !== SLASH) return false;
    return this.#matches(keyBytes, { from: slash + 1, end }, second) === end;
  }

  /** The symbol of the row last written, when our schema does not have it. */
  unknownSymbol(column: number): string | null {
    const symbols = this.#plan?.symbols[column];
    const index = this.#reader.numbers[column] as number;
    return symbols?.isUnknown[index] === true ? (symbols.names[index] ?? null) : null;
  }

  /** @returns the position behind the column's text in the key, or -1 where they differ */
  #matches(key: Buffer, { from, end }: { from: number; end: number }, column: string): number {
    const index = this.#columnOf.get(column) ?? -1;
    const start = this.#reader.starts[index] as number;
    const length = (this.#reader.ends[index] as number) - start;
    const { source } = this.#copier;
    if (end - from < length) return -1;
    for (let at = 0; at < length; at += 1) if (key[from + at] !== source[start + at]) return -1;
    return from + length;
  }

  /** The blocks in `[start, end)` have been walked before: their lengths are right. @returns -1 for invalid UTF-8 */
  #copyMap(start: number, end: number, position: number): number {
    const copier = this.#copier;
    const reader = this.#reader;
    const { source, target } = copier;
    let at = position;
    reader.position = start;
    while (reader.position < end) {
      let count = readLong(source, reader, end);
      if (count < 0) {
        count = -count;
        readLong(source, reader, end);
      }
      for (let text = 0; text < 2 * count; text += 1) {
        const length = readLong(source, reader, end);
        at = writeLength(target, at, length);
        if (!copier.copy(reader.position, reader.position + length, at)) return -1;
        at += length;
        reader.position += length;
      }
    }
    return at;
  }

  #fault(code: DeadLetterCodeName, column: number, detail: string): Fault {
    return { code, reason: `field ${this.#spec.columns[column]?.name} ${detail}` };
  }
}

const SLASH = 0x2f;

function kafkaTimeUnusable(timestamp: number): Fault {
  const what =
    timestamp < 0 ? 'the record has no Kafka timestamp' : `its Kafka timestamp is ${iso(timestamp)}`;
  return { code: 'kafka_time_unusable', reason: what };
}

/** For messages: also of times that no Date can hold. */
function iso(time: number): string {
  return Math.abs(time) <= 8.64e15 ? new Date(time).toISOString() : `${time} ms`;
}
