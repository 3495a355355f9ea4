/** The fields of a payload one by one, as far as they can be read: where each stands, and where reading ends. */
import { PAYLOAD_FAULTS, PayloadScanner } from '../common/avro/payload-scanner.ts';
import { FRAME_BYTES } from '../common/avro/wire-format.ts';
import {
  type AvroType,
  branchesOf,
  fieldsOf,
  logicalNameOf,
  parseWriterSchema,
} from '../common/transcode/avro-type.ts';
import { type Plain, readValueType, toPlain } from './avro-value.ts';

export interface PayloadField {
  readonly name: string;
  readonly type: AvroType;
  /** How many units of its number are a millisecond; null where it is no instant. */
  readonly unitsPerMs: number | null;
  /** First byte and the one behind the last, from the start of the value, its frame included. */
  readonly from: number;
  readonly to: number;
}

export interface PayloadFault {
  /** Dotted, as far down as the fault is; null for the payload as a whole. */
  readonly field: string | null;
  /** From the start of the value. */
  readonly byte: number;
  readonly detail: string;
}

export interface ReadPayload {
  readonly fields: readonly PayloadField[];
  /** Null when the payload is exactly one value of the schema. */
  readonly fault: PayloadFault | null;
}

/** Reads payloads of one writer's schema. */
export class PayloadFields {
  readonly #fields: readonly (Omit<PayloadField, 'from' | 'to'> & { readonly scanner: PayloadScanner })[];

  /** @param inlined the writer's schema @throws {TypeError} it is no record, or avsc cannot read it */
  constructor(inlined: unknown) {
    const type = readValueType(inlined);
    if (type.typeName !== 'record') throw new TypeError(`the schema is no record but ${type.typeName}`);
    const logical = fieldsOf(parseWriterSchema(inlined));
    this.#fields = fieldsOf(type).map((field, index) => ({
      name: field.name,
      type: field.type,
      unitsPerMs: unitsPerMs(logical[index]?.type),
      scanner: new PayloadScanner(field.type),
    }));
  }

  /** @param value framed */
  read(value: Buffer): ReadPayload {
    const fields: PayloadField[] = [];
    let at = FRAME_BYTES;
    for (const { scanner, ...field } of this.#fields) {
      const end = scanner.endOf(value, at, value.length);
      if (end < 0) {
        const { code, position, path } = scanner.fault;
        const { name } = field;
        const place =
          path === '' || path.startsWith('[') || path.startsWith('{') ? name + path : `${name}.${path}`;
        return { fields, fault: { field: place, byte: position, detail: PAYLOAD_FAULTS[code] } };
      }
      fields.push({ ...field, from: at, to: end });
      at = end;
    }
    if (at === value.length) return { fields, fault: null };
    const detail = `${value.length - at} ${PAYLOAD_FAULTS.bytes_left_over}`;
    return { fields, fault: { field: null, byte: at, detail } };
  }
}

/** The bytes have been scanned: avsc meets no length that leads it astray. */
export function plainField({ type, from, to }: PayloadField, value: Buffer): Plain {
  return toPlain(type, type.fromBuffer(value.subarray(from, to)));
}

/** ISO 8601; null where the field is no instant, is null, or names a time that no Date can hold. */
export function instantOf({ unitsPerMs }: PayloadField, plain: Plain): string | null {
  if (unitsPerMs === null || (typeof plain !== 'number' && typeof plain !== 'string')) return null;
  const date = new Date(Math.floor(Number(plain) / unitsPerMs));
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

const UNITS: Readonly<Record<string, number>> = {
  'timestamp-millis': 1,
  'timestamp-micros': 1_000,
  'timestamp-nanos': 1_000_000,
};

/** Of the type, or of a branch of its union. */
function unitsPerMs(type: AvroType | undefined): number | null {
  if (type === undefined) return null;
  const names = [type, ...branchesOf(type)].flatMap((one) => logicalNameOf(one) ?? []);
  return UNITS[names[0] ?? ''] ?? null;
}
