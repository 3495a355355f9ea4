/** Avro values as plain ones that people read and write in JSON and YAML, and back. */
import avsc from 'avsc';
import { bytesToJson, longToJson, losslessOptions } from '../common/avro/lossless.ts';
import { type AvroType, branchesOf, fieldsOf, isUnion } from '../common/transcode/avro-type.ts';

/**
 * Longs are numbers, or text beyond 2^53; bytes are text, or `{base64}` where they are none; unions are the value itself.
 */
export type Plain = null | boolean | number | string | readonly Plain[] | { readonly [name: string]: Plain };

/** @param inlined a writer's schema @throws when avsc cannot read it */
export function readValueType(inlined: unknown): AvroType {
  const options = losslessOptions({ wrapUnions: true });
  return avsc.Type.forSchema(inlined as avsc.Schema, options) as AvroType;
}

/** What avsc has read, in plain. */
export function toPlain(type: AvroType, value: unknown): Plain {
  if (isUnion(type)) {
    if (value === null) return null;
    const [[name, inner] = ['', null]] = Object.entries(value as Record<string, unknown>);
    const branch = branchesOf(type).find((one) => branchName(one) === name);
    return branch === undefined ? null : toPlain(branch, inner);
  }
  switch (type.typeName) {
    case 'record':
    case 'error':
      return plainObject(
        fieldsOf(type).map((field) => [
          field.name,
          toPlain(field.type, (value as Record<string, unknown>)[field.name]),
        ]),
      );
    case 'map':
      return plainObject(
        Object.entries(value as Record<string, unknown>).map(([key, item]) => [
          key,
          toPlain(itemType(type), item),
        ]),
      );
    case 'array':
      return (value as readonly unknown[]).map((item) => toPlain(itemType(type), item));
    case 'bytes':
    case 'fixed':
      return bytesToJson(value as Buffer);
    default:
      return typeof value === 'bigint' ? longToJson(value) : (value as Plain);
  }
}

/**
 * What avsc writes. Of a union's branches the first takes the value that can hold it.
 * @returns undefined when the type cannot hold the value
 */
export function fromPlain(type: AvroType, plain: Plain): unknown {
  if (isUnion(type)) return toBranch(type, plain);
  const value = convert(type, plain);
  return value !== undefined && type.isValid(value) ? value : undefined;
}

function toBranch(type: AvroType, plain: Plain): unknown {
  for (const branch of branchesOf(type)) {
    const value = fromPlain(branch, plain);
    if (value !== undefined) return value === null ? null : { [branchName(branch)]: value };
  }
  return undefined;
}

function convert(type: AvroType, plain: Plain): unknown {
  switch (type.typeName) {
    case 'long':
    case 'abstract:long':
      return typeof plain === 'number' || typeof plain === 'string' ? wholeNumber(plain) : undefined;
    case 'bytes':
    case 'fixed':
      return plainToBytes(plain);
    case 'array': {
      if (!Array.isArray(plain)) return undefined;
      const items = plain.map((item: Plain) => fromPlain(itemType(type), item));
      return items.includes(undefined) ? undefined : items;
    }
    case 'map': {
      if (!isObject(plain)) return undefined;
      const entries = Object.entries(plain).map(([key, item]) => [key, fromPlain(itemType(type), item)]);
      return entries.some(([, item]) => item === undefined) ? undefined : Object.fromEntries(entries);
    }
    case 'record':
    case 'error': {
      if (!isObject(plain)) return undefined;
      const fields = fieldsOf(type);
      if (Object.keys(plain).some((name) => !fields.some((field) => field.name === name))) return undefined;
      return Object.fromEntries(
        fields.map((field) => [
          field.name,
          Object.hasOwn(plain, field.name) ? fromPlain(field.type, plain[field.name] ?? null) : undefined,
        ]),
      );
    }
    default:
      return plain;
  }
}

/** Text of digits is what `toPlain` makes of a long beyond 2^53. */
function wholeNumber(plain: number | string): bigint | undefined {
  if (typeof plain === 'string') return /^-?\d{1,19}$/.test(plain) ? BigInt(plain) : undefined;
  return Number.isSafeInteger(plain) ? BigInt(plain) : undefined;
}

function plainToBytes(plain: Plain): Buffer | undefined {
  if (typeof plain === 'string') return Buffer.from(plain);
  const base64 = isObject(plain) ? plain.base64 : undefined;
  return typeof base64 === 'string' ? Buffer.from(base64, 'base64') : undefined;
}

function isObject(plain: Plain): plain is { readonly [name: string]: Plain } {
  return typeof plain === 'object' && plain !== null && !Array.isArray(plain);
}

/** `__proto__` is a name like any other. */
function plainObject(entries: readonly (readonly [string, Plain])[]): Plain {
  return Object.fromEntries(entries);
}

function branchName(type: AvroType): string {
  return type.branchName ?? type.typeName;
}

function itemType(type: AvroType): AvroType {
  const item = type.itemsType ?? type.valuesType;
  if (item === undefined) throw new TypeError(`${type.typeName} without items`);
  return item;
}
