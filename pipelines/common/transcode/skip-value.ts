/** Passes over Avro values that we have no column for, checking them as strictly as those that we store. */
import { isUtf8 } from 'node:buffer';
import { type Cursor, readInt, readLong } from '../avro/varint.ts';
import type { DeadLetterCodeName } from '../dead-letters/codes.ts';
import { type AvroType, branchesOf, fieldsOf, underlying } from './avro-type.ts';

/** What the payload of an unread field looks like. Recursive types point back to themselves. */
export type Shape =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'boolean' | 'int' | 'long' | 'bytes' | 'string' }
  | { readonly kind: 'fixed'; readonly size: number }
  | { readonly kind: 'enum'; readonly count: number }
  | { readonly kind: 'union' | 'record'; parts: readonly Shape[] }
  | { readonly kind: 'array' | 'map'; item: Shape; isItemEmpty: boolean };

/** Values nested deeper than this are refused: the walk is recursive, and a stack ends somewhere. */
const MAX_DEPTH = 100;

/** @throws {TypeError} for a type that Avro does not have */
export function shapeOf(type: AvroType, known = new Map<AvroType, Shape>()): Shape {
  const plain = underlying(type);
  const seen = known.get(plain);
  if (seen !== undefined) return seen;
  const shape = emptyShape(plain);
  known.set(plain, shape);
  if (shape.kind === 'union') shape.parts = branchesOf(plain).map((branch) => shapeOf(branch, known));
  if (shape.kind === 'record') shape.parts = fieldsOf(plain).map((field) => shapeOf(field.type, known));
  if (shape.kind === 'array' || shape.kind === 'map') {
    const item = shape.kind === 'array' ? plain.itemsType : plain.valuesType;
    if (item === undefined) throw new TypeError(`${shape.kind} without items`);
    shape.item = shapeOf(item, known);
    shape.isItemEmpty = shape.kind === 'array' && takesNoByte(shape.item, new Set());
  }
  return shape;
}

function emptyShape(type: AvroType): Shape {
  switch (type.typeName) {
    case 'null':
      return { kind: 'nothing' };
    case 'boolean':
    case 'int':
    case 'long':
    case 'bytes':
    case 'string':
      return { kind: type.typeName };
    case 'float':
      return { kind: 'fixed', size: 4 };
    case 'double':
      return { kind: 'fixed', size: 8 };
    case 'fixed':
      return { kind: 'fixed', size: type.size ?? 0 };
    case 'enum':
      return { kind: 'enum', count: type.symbols?.length ?? 0 };
    case 'record':
    case 'error':
      return { kind: 'record', parts: [] };
    case 'array':
    case 'map':
      return { kind: type.typeName, item: { kind: 'nothing' }, isItemEmpty: false };
    case 'union:wrapped':
    case 'union:unwrapped':
      return { kind: 'union', parts: [] };
    default:
      throw new TypeError(`unknown Avro type ${type.typeName}`);
  }
}

/** Such items cost a sender nothing: a hostile count of them must not be walked one by one. */
function takesNoByte(shape: Shape, above: Set<Shape>): boolean {
  if (shape.kind === 'nothing') return true;
  if (shape.kind === 'fixed') return shape.size === 0;
  if (shape.kind !== 'record' || above.has(shape)) return false;
  above.add(shape);
  const isEmpty = shape.parts.every((part) => takesNoByte(part, above));
  above.delete(shape);
  return isEmpty;
}

/** One object serves many values. Work is bounded by the bytes there are, whatever the lengths in them say. */
export class ValueSkipper implements Cursor {
  /** Behind the value after `skip` returned true; at the fault after false. */
  position = 0;
  code: DeadLetterCodeName = 'avro_invalid';
  detail = '';

  skip(shape: Shape, source: Buffer, at: { from: number; end: number }): boolean {
    this.position = at.from;
    return this.#value(shape, source, at.end, 0);
  }

  #value(shape: Shape, source: Buffer, end: number, depth: number): boolean {
    if (depth > MAX_DEPTH) return this.#fail('avro_invalid', 'the value is nested too deep');
    switch (shape.kind) {
      case 'nothing':
        return true;
      case 'boolean':
        if (this.position >= end) return this.#truncated();
        if ((source[this.position] as number) > 1) return this.#fail('avro_invalid', 'not a boolean');
        this.position += 1;
        return true;
      case 'int':
        return this.#number(readInt(source, this, end), end);
      case 'long':
        return this.#number(readLong(source, this, end), end);
      case 'fixed':
        return this.#bytes(shape.size, end);
      case 'bytes':
        return this.#bytes(readLong(source, this, end), end);
      case 'string':
        return this.#string(source, end);
      case 'enum':
        return this.#index(readInt(source, this, end), shape.count, end) >= 0;
      case 'union': {
        const branch = this.#index(readInt(source, this, end), shape.parts.length, end);
        const chosen = shape.parts[branch];
        return chosen !== undefined && this.#value(chosen, source, end, depth + 1);
      }
      case 'record':
        return shape.parts.every((part) => this.#value(part, source, end, depth + 1));
      case 'array':
      case 'map':
        return this.#blocks(shape, source, end, depth);
    }
  }

  #blocks(
    { kind, item, isItemEmpty }: Shape & { kind: 'array' | 'map' },
    source: Buffer,
    end: number,
    depth: number,
  ): boolean {
    for (;;) {
      let count = readLong(source, this, end);
      if (!this.#number(count, end)) return false;
      if (count === 0) return true;
      let stop = -1;
      if (count < 0) {
        count = -count;
        const size = readLong(source, this, end);
        if (!this.#number(size, end)) return false;
        if (size < 0 || size > end - this.position) return this.#badLength(size);
        stop = this.position + size;
      }
      for (let index = 0; index < count && !isItemEmpty; index += 1) {
        if (kind === 'map' && !this.#string(source, end)) return false;
        if (!this.#value(item, source, end, depth + 1)) return false;
      }
      if (stop >= 0 && stop !== this.position)
        return this.#fail('avro_invalid', 'a block does not have the size that it states');
    }
  }

  #string(source: Buffer, end: number): boolean {
    const length = readLong(source, this, end);
    const from = this.position;
    if (!this.#bytes(length, end)) return false;
    if (isUtf8(source.subarray(from, this.position))) return true;
    this.position = from;
    return this.#fail('invalid_utf8', 'not UTF-8');
  }

  #bytes(length: number, end: number): boolean {
    if (!this.#number(length, end)) return false;
    if (length < 0 || length > end - this.position) return this.#badLength(length);
    this.position += length;
    return true;
  }

  #index(index: number, count: number, end: number): number {
    if (!this.#number(index, end)) return -1;
    if (index >= 0 && index < count) return index;
    this.#fail('avro_invalid', `no symbol or branch ${index}`);
    return -1;
  }

  #number(value: number, end: number): boolean {
    if (!Number.isNaN(value)) return true;
    return this.position >= end ? this.#truncated() : this.#fail('avro_invalid', 'a number too long');
  }

  #badLength(length: number): boolean {
    return length < 0
      ? this.#fail('avro_invalid', `a length of ${length}`)
      : this.#fail('avro_truncated', `a length of ${length} reaches beyond the end`);
  }

  #truncated(): boolean {
    return this.#fail('avro_truncated', 'the payload ends');
  }

  #fail(code: DeadLetterCodeName, detail: string): false {
    this.code = code;
    this.detail = detail;
    return false;
  }
}
