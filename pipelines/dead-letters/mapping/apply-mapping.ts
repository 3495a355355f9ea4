/** Applies the rules of a mapping file to one value, field by field: what no rule names keeps its very bytes. */

import { longToJson } from '../../common/avro/lossless.ts';
import { frameOf, schemaIdOf } from '../../common/avro/wire-format.ts';
import type { AvroType } from '../../common/transcode/avro-type.ts';
import { fromPlain, type Plain } from '../avro-value.ts';
import { type PayloadField, type PayloadFields, plainField } from '../payload-fields.ts';
import type { MappingRule } from './mapping-file.ts';

/** A rule that is meant for the record and cannot be carried out; the message says which and why. */
export class MappingFault extends Error {
  override readonly name = 'MappingFault';
}

export interface MappedRecord {
  /** With the configured prefix. */
  readonly topic: string;
  readonly code: string;
  readonly value: Buffer;
}

/** @returns null when no such schema can be read: unknown to the registry, or no record */
export type FieldsOfSchema = (schemaId: number) => Promise<PayloadFields | null>;

/**
 * From top to bottom, each rule on what those before it have left.
 * @returns the value itself when no rule is meant for it
 * @throws {MappingFault}
 * @throws {Outage} a schema cannot be asked for
 */
export async function applyMapping(
  rules: readonly MappingRule[],
  { topic, code, value: original }: MappedRecord,
  fieldsOf: FieldsOfSchema,
): Promise<Buffer> {
  let value = original;
  for (const [index, { when, then }] of rules.entries()) {
    const schemaId = schemaIdOf(value);
    if (when.topic !== undefined && !when.topic.includes(topic)) continue;
    if (when.code !== undefined && !when.code.includes(code)) continue;
    if (when.schemaId !== undefined && when.schemaId !== schemaId) continue;
    if (when.fields !== undefined) {
      const known = schemaId === null ? null : await fieldsOf(schemaId);
      if (known === null || !hasFields(known, value, when.fields)) continue;
    }
    const rule = `rule ${index + 1} of the mapping`;
    if (then.schemaId !== undefined) value = withSchemaId(value, then.schemaId);
    if ([then.set, then.multiply, then.replaceSymbol].every((change) => change === undefined)) continue;
    const id = schemaIdOf(value);
    const known = id === null ? null : await fieldsOf(id);
    if (known === null) throw new MappingFault(`${rule}: the schema of the value is not known`);
    value = change({ rule, schemaId: id, value, fields: readAll(known, { rule, value }) }, then);
  }
  return value;
}

/** The payload under another schema id; a value without a frame gets one. */
export function withSchemaId(value: Buffer, schemaId: number): Buffer {
  const frame = frameOf(schemaId);
  return Buffer.concat([frame, schemaIdOf(value) === null ? value : value.subarray(frame.length)]);
}

/** Equality of the fields that can be read: one behind a fault is no match. */
function hasFields(known: PayloadFields, value: Buffer, wanted: Readonly<Record<string, Plain>>): boolean {
  const { fields } = known.read(value);
  return Object.entries(wanted).every(([name, plain]) => {
    const field = fields.find((one) => one.name === name);
    return field !== undefined && isEqual(plainField(field, value), plain);
  });
}

function readAll(
  known: PayloadFields,
  { rule, value }: { rule: string; value: Buffer },
): readonly PayloadField[] {
  const { fields, fault } = known.read(value);
  if (fault === null) return fields;
  const place = fault.field === null ? '' : `field ${fault.field}, `;
  throw new MappingFault(`${rule}: the value cannot be read: ${place}byte ${fault.byte}: ${fault.detail}`);
}

interface Subject {
  readonly rule: string;
  readonly schemaId: number | null;
  readonly value: Buffer;
  readonly fields: readonly PayloadField[];
}

function change(
  subject: Subject,
  { set = {}, multiply = {}, replaceSymbol = {} }: MappingRule['then'],
): Buffer {
  const { rule, schemaId, value, fields } = subject;
  const named = [set, multiply, replaceSymbol].flatMap((part) => Object.keys(part));
  const unknown = named.find((name) => !fields.some((field) => field.name === name));
  if (unknown !== undefined) throw new MappingFault(`${rule}: schema ${schemaId} has no field ${unknown}`);
  const parts = fields.map((field) => {
    const { name, type, from, to } = field;
    const bytes = value.subarray(from, to);
    if (!named.includes(name)) return bytes;
    let plain = Object.hasOwn(set, name) ? (set[name] ?? null) : plainField(field, value);
    if (Object.hasOwn(multiply, name)) plain = multiplied(plain, multiply[name] ?? 1, { rule, name });
    if (Object.hasOwn(replaceSymbol, name) && typeof plain === 'string') {
      const symbols = replaceSymbol[name] ?? {};
      plain = Object.hasOwn(symbols, plain) ? (symbols[plain] ?? plain) : plain;
    }
    return encode(type, plain, { rule, name });
  });
  return Buffer.concat([value.subarray(0, fields[0]?.from ?? value.length), ...parts]);
}

interface Where {
  readonly rule: string;
  readonly name: string;
}

/** Null stays null. Division rounds down, as a time in micros becomes the millisecond that it is in. */
function multiplied(plain: Plain, factor: number, { rule, name }: Where): Plain {
  if (plain === null) return null;
  const isWhole =
    typeof plain === 'number' ? Number.isSafeInteger(plain) : /^-?\d{1,19}$/.test(String(plain));
  if (typeof plain === 'number' && !isWhole) return plain * factor;
  if (typeof plain === 'object' || !isWhole)
    throw new MappingFault(`${rule}: field ${name} is ${JSON.stringify(plain)}, which is no number`);
  const whole = BigInt(plain);
  if (Number.isSafeInteger(factor)) return longToJson(whole * BigInt(factor));
  const divisor = BigInt(Math.round(1 / factor));
  const rest = ((whole % divisor) + divisor) % divisor;
  return longToJson((whole - rest) / divisor);
}

function encode(type: AvroType, plain: Plain, { rule, name }: Where): Buffer {
  const value = fromPlain(type, plain);
  if (value === undefined)
    throw new MappingFault(`${rule}: field ${name} cannot hold ${JSON.stringify(plain)}`);
  return type.toBuffer(value);
}

function isEqual(a: Plain, b: Plain): boolean {
  if (typeof a === 'number' || typeof b === 'number') return String(a) === String(b);
  return JSON.stringify(a) === JSON.stringify(b);
}
