/** Finds the values of a payload, field by field in the writer's order, without building any of them. */
import { type Cursor, MAX_LONG_BYTES, readInt, readLong } from '../avro/varint.ts';
import { FRAME_BYTES } from '../avro/wire-format.ts';
import type { DeadLetterCodeName } from '../dead-letters/codes.ts';
import type { Fault } from '../dead-letters/fault.ts';
import type { RecordCursor } from '../record-cursor.ts';
import { ValueSkipper } from './skip-value.ts';
import {
  READ_BOOLEAN,
  READ_DOUBLE,
  READ_FLOAT,
  READ_INT,
  READ_LONG,
  READ_MAP,
  READ_NULL,
  READ_SYMBOL,
  READ_TEXT,
  READ_TIME,
  READ_UNION,
  REFUSE,
  SKIP,
  type WriterPlan,
} from './writer-plan.ts';

/** In `starts`: the writer wrote no value for the column, or null. */
export const ABSENT = -1;

/** Where the values of the payload last read stand, by column. */
export class PayloadReader implements Cursor {
  /** First byte of a text, of a map's blocks or of a long; ABSENT without a value. */
  readonly starts: Int32Array;
  /** Behind its last byte. */
  readonly ends: Int32Array;
  /** A time in milliseconds, a double, a symbol's index, 0 or 1 for a boolean, the number of a map's entries. */
  readonly numbers: Float64Array;
  position = 0;
  readonly #skipper = new ValueSkipper();
  #plan: WriterPlan | null = null;

  constructor(columns: number) {
    this.starts = new Int32Array(columns);
    this.ends = new Int32Array(columns);
    this.numbers = new Float64Array(columns);
  }

  /** Reads the payload behind the frame, which must be exactly one value. @returns what is wrong with it, or null */
  read(plan: WriterPlan, { bytes, valueStart, valueLength }: RecordCursor): Fault | null {
    const problem = this.#walk(plan, bytes, {
      from: valueStart + FRAME_BYTES,
      end: valueStart + valueLength,
    });
    if (problem === null) return null;
    const { code, step, at, detail } = problem;
    const field = step === null ? '' : `field ${plan.fields[step / 3]}, `;
    return { code, reason: `${field}byte ${at - valueStart}: ${detail}` };
  }

  #walk(plan: WriterPlan, value: Buffer, { from, end }: { from: number; end: number }): Problem | null {
    const { steps, unions, shapes } = plan;
    const { starts, ends, numbers } = this;
    if (plan !== this.#plan) this.#forget(plan);
    let at = from;
    for (let step = 0; step < steps.length; step += 3) {
      let read = steps[step] as number;
      let argument = steps[step + 2] as number;
      const column = steps[step + 1] as number;
      if (read === READ_UNION) {
        const branches = unions[argument] as Int32Array;
        const branch = this.#index(value, at, end);
        if (Number.isNaN(branch)) return this.#badNumber(step, end);
        at = this.position;
        if (branch < 0 || 2 * branch >= branches.length)
          return problem(step, { code: 'avro_invalid', at, detail: `the union has no branch ${branch}` });
        read = branches[2 * branch] as number;
        argument = branches[2 * branch + 1] as number;
      }
      switch (read) {
        case READ_TEXT: {
          const length = this.#length(value, at, end);
          if (Number.isNaN(length)) return this.#badNumber(step, end);
          at = this.position;
          if (length < 0 || length > end - at) return badLength(step, { length, at });
          starts[column] = at;
          at += length;
          ends[column] = at;
          break;
        }
        case READ_SYMBOL: {
          const index = this.#index(value, at, end);
          if (Number.isNaN(index)) return this.#badNumber(step, end);
          at = this.position;
          const count = plan.symbols[column]?.names.length ?? 0;
          if (index < 0 || index >= count)
            return problem(step, { code: 'avro_invalid', at, detail: `the enum has no symbol ${index}` });
          starts[column] = at;
          numbers[column] = index;
          break;
        }
        case READ_NULL:
          starts[column] = ABSENT;
          ends[column] = ABSENT;
          break;
        case READ_TIME:
        case READ_LONG:
        case READ_INT: {
          this.position = at;
          const number = read === READ_INT ? readInt(value, this, end) : readLong(value, this, end);
          if (Number.isNaN(number)) return this.#badNumber(step, end);
          starts[column] = at;
          ends[column] = this.position;
          numbers[column] =
            read === READ_TIME && argument > 1
              ? wholeMilliseconds(value, { from: at, to: this.position, number, perMillisecond: argument })
              : number;
          at = this.position;
          break;
        }
        case READ_BOOLEAN: {
          if (at >= end) return truncated(step, at);
          const bit = value[at] as number;
          if (bit > 1) return problem(step, { code: 'avro_invalid', at, detail: `the boolean is ${bit}` });
          starts[column] = at;
          numbers[column] = bit;
          at += 1;
          break;
        }
        case READ_FLOAT:
        case READ_DOUBLE: {
          const size = read === READ_FLOAT ? 4 : 8;
          if (end - at < size) return truncated(step, end);
          starts[column] = at;
          numbers[column] = size === 4 ? value.readFloatLE(at) : value.readDoubleLE(at);
          at += size;
          break;
        }
        case READ_MAP: {
          starts[column] = at;
          if (at < end && value[at] === 0) {
            at += 1;
            numbers[column] = 0;
          } else {
            const fault = this.#map(value, { step, column, at, end });
            if (fault !== null) return fault;
            at = this.position;
          }
          ends[column] = at;
          break;
        }
        case SKIP:
        case REFUSE: {
          const skipper = this.#skipper;
          const shape = shapes[argument];
          if (shape !== undefined && !skipper.skip(shape, value, { from: at, end }))
            return problem(step, { code: skipper.code, at: skipper.position, detail: skipper.detail });
          if (read === REFUSE)
            return problem(step, {
              code: 'schema_not_ours',
              at,
              detail: 'its branch of the union cannot be stored',
            });
          at = skipper.position;
          break;
        }
      }
    }
    if (at < end)
      return {
        code: 'avro_bytes_left_over',
        step: null,
        at,
        detail: `${end - at} bytes are left over behind the record`,
      };
    return null;
  }

  /** Every step sets its column: those without a step stay as they are set here. */
  #forget(plan: WriterPlan): void {
    this.#plan = plan;
    this.starts.fill(ABSENT);
    this.ends.fill(ABSENT);
  }

  /** Of a branch or a symbol; else as `#length`. */
  #index(value: Buffer, at: number, end: number): number {
    const first = at < end ? (value[at] as number) : 1;
    if ((first & 129) === 0) {
      this.position = at + 1;
      return first >> 1;
    }
    this.position = at;
    return readInt(value, this, end);
  }

  /** One byte in all but rare cases. Leaves `position` behind it; NaN when it is no number. */
  #length(value: Buffer, at: number, end: number): number {
    const first = at < end ? (value[at] as number) : 1;
    if ((first & 129) === 0) {
      this.position = at + 1;
      return first >> 1;
    }
    this.position = at;
    return readLong(value, this, end);
  }

  /** Walks the blocks of a map of texts: counts the entries and checks every length. */
  #map(
    value: Buffer,
    { step, column, at, end }: { step: number; column: number; at: number; end: number },
  ): Problem | null {
    this.position = at;
    let entries = 0;
    for (;;) {
      let count = readLong(value, this, end);
      if (Number.isNaN(count)) return this.#badNumber(step, end);
      if (count === 0) break;
      let stop = -1;
      if (count < 0) {
        count = -count;
        const size = readLong(value, this, end);
        if (Number.isNaN(size)) return this.#badNumber(step, end);
        if (size < 0 || size > end - this.position)
          return badLength(step, { length: size, at: this.position });
        stop = this.position + size;
      }
      // Key and value: each entry has two lengths, so that a hostile count ends with the bytes.
      for (let text = 0; text < 2 * count; text += 1) {
        const length = readLong(value, this, end);
        if (Number.isNaN(length)) return this.#badNumber(step, end);
        if (length < 0 || length > end - this.position) return badLength(step, { length, at: this.position });
        this.position += length;
      }
      if (stop >= 0 && stop !== this.position)
        return problem(step, {
          code: 'avro_invalid',
          at: this.position,
          detail: 'a block does not have the size that it states',
        });
      entries += count;
    }
    this.numbers[column] = entries;
    return null;
  }

  #badNumber(step: number, end: number): Problem {
    return this.position >= end
      ? truncated(step, end)
      : problem(step, { code: 'avro_invalid', at: this.position, detail: 'a number is too long' });
  }
}

/** Rounds down, so that an instant stays within the millisecond that it is in. */
function wholeMilliseconds(
  value: Buffer,
  { from, to, number, perMillisecond }: { from: number; to: number; number: number; perMillisecond: number },
): number {
  if (Number.isSafeInteger(number)) {
    // Dividing first would round up just below a whole millisecond.
    const rest = ((number % perMillisecond) + perMillisecond) % perMillisecond;
    return (number - rest) / perMillisecond;
  }
  const exact = exactLong(value, from, to);
  const unit = BigInt(perMillisecond);
  return Number((exact - (((exact % unit) + unit) % unit)) / unit);
}

/** A long with all its 64 bits. The bytes have been checked. */
export function exactLong(value: Buffer, from: number, to: number): bigint {
  let bits = 0n;
  for (let at = Math.min(to, from + MAX_LONG_BYTES) - 1; at >= from; at -= 1)
    bits = (bits << 7n) | BigInt((value[at] as number) & 127);
  return (bits >> 1n) ^ -(bits & 1n);
}

/** A fault while its field is only the number of a step, and its byte that of the buffer. */
interface Problem {
  readonly code: DeadLetterCodeName;
  /** Null for the payload as a whole. */
  readonly step: number | null;
  readonly at: number;
  readonly detail: string;
}

function problem(step: number, rest: Omit<Problem, 'step'>): Problem {
  return { ...rest, step };
}

function truncated(step: number, at: number): Problem {
  return { code: 'avro_truncated', step, at, detail: 'the payload ends' };
}

function badLength(step: number, { length, at }: { length: number; at: number }): Problem {
  return length < 0
    ? { code: 'avro_invalid', step, at, detail: `a length of ${length}` }
    : { code: 'avro_truncated', step, at, detail: `a length of ${length} reaches beyond the end` };
}
