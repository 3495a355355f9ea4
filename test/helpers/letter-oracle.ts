/** What must become of a record, and under which codes it may be refused: by the Avro specification and the rules, from nothing. */
import type { TopicRole } from '../../config/topics.ts';
import type { DeadLetterCodeName } from '../../pipelines/common/dead-letters/codes.ts';
import { readSchemaFile } from '../../schemas/migrate/subjects.ts';
import type { SeenRecord } from './kafka-witness.ts';

export type Verdict =
  | { readonly isGood: true; readonly value: Readonly<Record<string, unknown>> }
  /** Any of these is right: a record may have more than one fault. */
  | { readonly isGood: false; readonly codes: ReadonlySet<DeadLetterCodeName> };

const SCHEMA_FILES = {
  definitions: 'campaign-definition.avsc',
  delivery: 'delivery-event.avsc',
  feedback: 'feedback-event.avsc',
  profiles: 'profile-change.avsc',
} as const satisfies Record<TopicRole, string>;

const TIMES = ['updated_at', 'occurred_at', 'changed_at'] as const;
const IDS = ['tenant_id', 'campaign_id', 'user_id', 'message_id', 'event_id', 'change_id'] as const;
const EARLIEST = Date.UTC(2000, 0, 1);
const DAY_MS = 86_400_000;
const MOST_ID_BYTES = 1_024;
const MOST_DEPTH = 100;

/** @param schemaIds all that the registry has given out, each with the topic that it is for; null: for none of ours */
export class LetterOracle {
  readonly #schemaIds: ReadonlyMap<number, TopicRole | null>;
  readonly #schemas = new Map<TopicRole, RecordSchema>();

  constructor(schemaIds: ReadonlyMap<number, TopicRole | null>) {
    this.#schemaIds = schemaIds;
    for (const [role, file] of Object.entries(SCHEMA_FILES))
      this.#schemas.set(role as TopicRole, JSON.parse(readSchemaFile(file)) as RecordSchema);
  }

  verdict(role: TopicRole, { value, timestamp }: Pick<SeenRecord, 'value' | 'timestamp'>): Verdict {
    if (value === null) return refused('tombstone');
    if (value.length < 5 || value[0] !== 0) return refused('not_framed');
    const writer = this.#schemaIds.get(value.readUInt32BE(1));
    if (writer === undefined) return refused('unknown_schema_id');
    if (writer !== role) return refused('schema_not_ours');
    const schema = this.#schemas.get(role);
    if (schema === undefined) throw new Error(`no schema of ${role}`);
    const reading = read(schema, value.subarray(5));
    if (reading.faults.length > 0) return refused(...reading.faults);
    const codes = [
      ...(reading.isUtf8 ? [] : (['invalid_utf8'] as const)),
      ...ruleFaults(reading.value, timestamp),
      ...(role === 'profiles' ? changeFaults(reading.value) : []),
    ];
    return codes.length > 0 ? refused(...codes) : { isGood: true, value: reading.value };
  }
}

function refused(...codes: DeadLetterCodeName[]): Verdict {
  return { isGood: false, codes: new Set(codes) };
}

function ruleFaults(value: Readonly<Record<string, unknown>>, timestamp: number): DeadLetterCodeName[] {
  const codes: DeadLetterCodeName[] = [];
  for (const name of IDS) {
    if (value[name] === '') codes.push('empty_id');
    if (Buffer.byteLength(String(value[name] ?? '')) > MOST_ID_BYTES) codes.push('id_too_long');
  }
  for (const name of TIMES) {
    if (!(name in value)) continue;
    if (Number(value[name]) < EARLIEST) codes.push('time_too_early');
    if (Number(value[name]) > timestamp + DAY_MS) codes.push('time_too_late');
  }
  return codes;
}

function changeFaults({ op, attributes }: Readonly<Record<string, unknown>>): DeadLetterCodeName[] {
  if (op === 'UNKNOWN') return ['op_unknown'];
  if (typeof attributes !== 'string') return op === 'DELETE' ? [] : ['attributes_missing'];
  const codes: DeadLetterCodeName[] = [];
  // Brackets inside of texts count for nothing.
  if (mostOpen(attributes.replace(/"(?:[^"\\]|\\.)*"?/gs, '')) > MOST_DEPTH)
    codes.push('attributes_too_deep');
  try {
    const parsed: unknown = JSON.parse(attributes);
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
      codes.push('attributes_not_object');
  } catch {
    codes.push('attributes_not_object');
  }
  return codes;
}

function mostOpen(brackets: string): number {
  let open = 0;
  let most = 0;
  for (const one of brackets) {
    if (one === '{' || one === '[') open += 1;
    if (one === '}' || one === ']') open -= 1;
    most = Math.max(most, open);
  }
  return most;
}

type AvroSchema =
  | 'null'
  | 'string'
  | 'boolean'
  | 'double'
  | 'long'
  | { readonly type: 'long' }
  | { readonly type: 'map'; readonly values: AvroSchema }
  | { readonly type: 'enum'; readonly symbols: readonly string[] }
  | readonly AvroSchema[];

interface RecordSchema {
  readonly fields: readonly { readonly name: string; readonly type: AvroSchema }[];
}

interface Reading {
  readonly value: Readonly<Record<string, unknown>>;
  readonly isUtf8: boolean;
  /** Of the first place where it cannot be read on; none when it was read whole. */
  readonly faults: readonly DeadLetterCodeName[];
}

function read({ fields }: RecordSchema, bytes: Buffer): Reading {
  const reader = new SpecReader(bytes);
  const value: Record<string, unknown> = {};
  try {
    for (const { name, type } of fields) value[name] = reader.value(type);
    const faults = reader.isAtEnd ? [] : (['avro_bytes_left_over'] as const);
    return { value, isUtf8: reader.isUtf8, faults };
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    return { value, isUtf8: reader.isUtf8, faults: error.codes };
  }
}

class Unreadable extends Error {
  readonly codes: readonly DeadLetterCodeName[];
  constructor(...codes: DeadLetterCodeName[]) {
    super(codes.join());
    this.codes = codes;
  }
}

/** Apache Avro specification 1.12, "Binary Encoding", as it stands there. */
class SpecReader {
  readonly #bytes: Buffer;
  #at = 0;
  isUtf8 = true;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  value(schema: AvroSchema): unknown {
    if (isUnion(schema)) {
      const branch = schema[this.#index(schema.length)];
      return branch === undefined ? null : this.value(branch);
    }
    switch (typeof schema === 'string' ? schema : schema.type) {
      case 'null':
        return null;
      case 'string':
        return this.#string();
      case 'boolean': {
        const byte = this.#take(1n)[0] ?? 0;
        if (byte > 1) throw new Unreadable('avro_invalid');
        return byte === 1;
      }
      case 'double':
        return this.#take(8n).readDoubleLE();
      case 'long':
        return Number(this.#number(64));
      case 'enum': {
        const { symbols } = schema as { readonly symbols: readonly string[] };
        return symbols[this.#index(symbols.length)];
      }
      case 'map':
        return this.#map((schema as { readonly values: AvroSchema }).values);
    }
  }

  #index(count: number): number {
    const index = this.#number(32);
    if (index < 0n || index >= BigInt(count)) throw new Unreadable('avro_invalid');
    return Number(index);
  }

  #string(): string {
    const bytes = this.#take(this.#number(64));
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      this.isUtf8 = false;
      // An id that is no text is none that is empty or too long either, as far as its bytes go.
      return bytes.toString('latin1');
    }
  }

  #map(values: AvroSchema): object {
    const entries: [string, unknown][] = [];
    for (let count = this.#number(64); count !== 0n; count = this.#number(64)) {
      let end: number | null = null;
      if (count < 0n) {
        count = -count;
        const size = this.#number(64);
        this.#check(size);
        end = this.#at + Number(size);
      }
      for (let entry = 0n; entry < count; entry += 1n) entries.push([this.#string(), this.value(values)]);
      if (end !== null && end !== this.#at) throw new Unreadable('avro_invalid');
    }
    return Object.fromEntries(entries);
  }

  #take(size: bigint): Buffer {
    this.#check(size);
    this.#at += Number(size);
    return this.#bytes.subarray(this.#at - Number(size), this.#at);
  }

  #check(size: bigint): void {
    if (size < 0n) throw new Unreadable('avro_invalid');
    if (size > BigInt(this.#bytes.length - this.#at)) throw new Unreadable('avro_truncated');
  }

  /** Zigzag, seven bits a byte. */
  #number(bits: 32 | 64): bigint {
    const most = Math.ceil(bits / 7);
    let sum = 0n;
    for (let index = 0; index < most; index += 1) {
      const byte = BigInt(this.#take(1n)[0] ?? 0);
      sum |= (byte & 127n) << BigInt(7 * index);
      if (byte > 127n) continue;
      if (sum >> BigInt(bits) > 0n) throw new Unreadable('avro_invalid');
      return (sum >> 1n) ^ -(sum & 1n);
    }
    // Too long already, and it would have gone on.
    throw this.isAtEnd ? new Unreadable('avro_invalid', 'avro_truncated') : new Unreadable('avro_invalid');
  }
}

function isUnion(schema: AvroSchema): schema is readonly AvroSchema[] {
  return Array.isArray(schema);
}
