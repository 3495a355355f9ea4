/** Generates the code that walks a payload of one schema. Only numbers reach the code: no name from a schema does. */
import type avsc from 'avsc';
import type { ScanState } from './scan-runtime.ts';

/** @returns the position behind the value, or -1 with the fault in the state */
export type GeneratedScan = (source: Uint8Array, view: DataView, from: number, end: number) => number;

export interface Generated {
  /** Function body; gets `S`, the state, and returns a GeneratedScan. */
  readonly code: string;
  /** Field path of each site that a fault can name. */
  readonly paths: readonly string[];
}

/** Schemas nested deeper than this by themselves are refused: readers recurse over them. */
const MAX_SCHEMA_DEPTH = 200;

type AnyType = avsc.Type & {
  readonly fields?: readonly { readonly name: string; readonly type: AnyType }[];
  readonly types?: readonly AnyType[];
  readonly symbols?: readonly string[];
  readonly itemsType?: AnyType;
  readonly valuesType?: AnyType;
  readonly size?: number;
};

/**
 * @param timeFields names of top-level fields, of which the first that is a long (or null or a long) is the event's time
 * @throws {RangeError} when the schema is nested too deep
 */
export function generateScan(type: avsc.Type, timeFields: readonly string[]): Generated {
  return new Generator(timeFields).generate(type as AnyType);
}

class Generator {
  readonly #paths: string[] = [];
  readonly #functions: string[] = [];
  readonly #shared = new Map<AnyType, number>();
  readonly #timeFields: readonly string[];
  #variables = 0;

  constructor(timeFields: readonly string[]) {
    this.#timeFields = timeFields;
  }

  generate(root: AnyType): Generated {
    for (const record of repeatedRecords(root)) this.#shared.set(record, this.#shared.size);
    for (const [record, index] of this.#shared) {
      const body = this.#record(record, { path: record.name ?? 'record', depth: 0, isRoot: false });
      this.#functions.push(
        `function R${index}(b,v,p,e,d){if(!S.enter(d,${this.#site(record.name ?? '')},p))return -1;${body}return p;}`,
      );
    }
    const body = this.#value(root, { path: '', depth: 0, isRoot: true });
    const code = `'use strict';${ASCII}${this.#functions.join('')}return function(b,v,p,e){const d=0;${body}return p;};`;
    return { code, paths: this.#paths };
  }

  #value(type: AnyType, at: Place): string {
    if (at.depth > MAX_SCHEMA_DEPTH)
      throw new RangeError(`the schema is nested deeper than ${MAX_SCHEMA_DEPTH}`);
    switch (type.typeName) {
      case 'null':
        return '';
      case 'boolean':
        return `if(p>=e)${this.#fail('truncated', at)}if(b[p]>1)${this.#fail('bad_boolean', at)}p++;`;
      case 'int':
        return this.#number('int', at);
      case 'long':
      case 'abstract:long':
        return this.#number('long', at);
      case 'float':
        return this.#fixed(4, at);
      case 'double':
        return this.#fixed(8, at);
      case 'fixed':
        return this.#fixed(type.size ?? 0, at);
      case 'bytes':
        return `${this.#length(at)}p+=n;}`;
      case 'string':
        return this.#string(at);
      case 'enum':
        return this.#index('symbol', type.symbols?.length ?? 0, at, '');
      case 'array':
        return this.#blocks(this.#value(type.itemsType as AnyType, inside(at, '[]')), at);
      case 'map': {
        const entry =
          this.#string(inside(at, '{key}')) + this.#value(type.valuesType as AnyType, inside(at, '{}'));
        return this.#blocks(entry, at);
      }
      case 'union:wrapped':
      case 'union:unwrapped':
        return this.#union(type.types ?? [], at);
      case 'record':
      case 'error':
        return this.#recordOrCall(type, at);
      default:
        throw new RangeError(`unknown Avro type ${type.typeName}`);
    }
  }

  #recordOrCall(type: AnyType, at: Place): string {
    const index = this.#shared.get(type);
    if (index === undefined) return this.#record(type, at);
    return `p=R${index}(b,v,p,e,d+1);if(p<0)return -1;`;
  }

  #record(type: AnyType, at: Place): string {
    const fields = type.fields ?? [];
    const time = at.isRoot
      ? fields.find(({ name, type }) => this.#timeFields.includes(name) && isTime(type))
      : undefined;
    return fields
      .map((field) => {
        const path = at.path === '' ? field.name : `${at.path}.${field.name}`;
        const code = this.#value(field.type, {
          path,
          depth: at.depth + 1,
          isRoot: false,
          isTime: field === time,
        });
        return code;
      })
      .join('');
  }

  #union(branches: readonly AnyType[], at: Place): string {
    const cases = branches.map((branch, index) => {
      const body = this.#value(branch, { ...at, depth: at.depth + 1, isRoot: false });
      return body === '' ? '' : `case ${index}:{${body}break;}`;
    });
    return this.#index('branch', branches.length, at, `switch(n){${cases.join('')}}`);
  }

  /** One byte in all but rare cases; else the state's method reads it. Leaves the index in `n` for `then`. */
  #index(method: 'branch' | 'symbol', count: number, at: Place, then: string): string {
    const site = this.#site(at.path);
    return (
      `{let n=p<e?b[p]:1;if((n&1)===0&&n<128&&n<${2 * count}){n>>=1;p++;}` +
      `else{p=S.${method}(b,p,e,${site},${count});if(p<0)return -1;n=S.number;}${then}}`
    );
  }

  #number(method: 'int' | 'long', at: Place): string {
    const site = this.#site(at.path);
    const read = `p=S.${method}(b,p,e,${site});if(p<0)return -1;`;
    return at.isTime === true ? `${read}S.time=S.number;` : `if(p<e&&b[p]<128)p++;else{${read}}`;
  }

  #fixed(size: number, at: Place): string {
    return size === 0 ? '' : `if(e-p<${size})${this.#fail('truncated', at)}p+=${size};`;
  }

  /** Opens a block in which `n` is a length that the payload has room for, and `p` stands behind it. */
  #length(at: Place): string {
    const site = this.#site(at.path);
    return (
      `{let n=p<e?b[p]:1;if((n&1)===0&&n<128&&(n>>1)<e-p){n>>=1;p++;}` +
      `else{p=S.length(b,p,e,${site});if(p<0)return -1;n=S.number;}`
    );
  }

  #string(at: Place): string {
    return (
      `${this.#length(at)}const q=p+n;` +
      `if(!A(b,v,p,q)){if(S.utf8(b,p,q,${this.#site(at.path)})<0)return -1;}p=q;}`
    );
  }

  /** Blocks of items, each with its count in front; a negative count is followed by the block's size in bytes. */
  #blocks(item: string, at: Place): string {
    const site = this.#site(at.path);
    const id = this.#variables++;
    const [count, stop, i, before] = [`c${id}`, `s${id}`, `i${id}`, `o${id}`];
    return (
      `for(;;){if(p<e&&b[p]===0){p++;break;}` +
      `p=S.long(b,p,e,${site});if(p<0)return -1;` +
      `let ${count}=S.number,${stop}=-1;if(${count}===0)break;` +
      `if(${count}<0){${count}=-${count};p=S.length(b,p,e,${site});if(p<0)return -1;${stop}=p+S.number;}` +
      `if(!S.items(${count},${site},p,e))return -1;` +
      `for(let ${i}=0;${i}<${count};${i}++){const ${before}=p;${item}` +
      `if(p===${before}&&S.emptyItem(${site},p)<0)return -1;}` +
      `if(${stop}>=0&&p!==${stop})${this.#fail('bad_block', at)}}`
    );
  }

  #fail(fault: ScanState['fault'], at: Place): string {
    return `return S.fail('${fault}',${this.#site(at.path)},p);`;
  }

  #site(path: string): number {
    if (this.#paths.at(-1) !== path) this.#paths.push(path);
    return this.#paths.length - 1;
  }
}

interface Place {
  readonly path: string;
  readonly depth: number;
  /** True for the outermost record, whose fields may be the event's time. */
  readonly isRoot: boolean;
  readonly isTime?: boolean;
}

function inside(at: Place, step: string): Place {
  return { path: at.path + step, depth: at.depth + 1, isRoot: false };
}

function isTime(type: AnyType): boolean {
  if (type.typeName === 'long' || type.typeName === 'abstract:long') return true;
  return (type.types ?? []).some(isTime);
}

/** Records used more than once, or inside themselves: they become functions. All others are written where they stand. */
function repeatedRecords(root: AnyType): Set<AnyType> {
  const seen = new Set<AnyType>();
  const repeated = new Set<AnyType>();
  const visit = (type: AnyType, depth: number): void => {
    if (depth > MAX_SCHEMA_DEPTH)
      throw new RangeError(`the schema is nested deeper than ${MAX_SCHEMA_DEPTH}`);
    if (type.fields !== undefined) {
      if (seen.has(type)) {
        repeated.add(type);
        return;
      }
      seen.add(type);
      for (const field of type.fields) visit(field.type, depth + 1);
    }
    for (const child of [type.itemsType, type.valuesType, ...(type.types ?? [])]) {
      if (child !== undefined) visit(child, depth + 1);
    }
  };
  visit(root, 0);
  return repeated;
}

/** Four bytes at a time; eight in nine strings of real events are ASCII. `q - p` may be 0. */
const ASCII =
  'function A(b,v,p,q){let a=0;for(;p+4<=q;p+=4)a|=v.getUint32(p,true);for(;p<q;p++)a|=b[p];return (a&0x80808080)===0;}';
