/** What generated scanners call for the rare or long cases. Each returns the position behind what it passed, or -1. */
import { isUtf8 } from 'node:buffer';
import { readInt, readLong } from './varint.ts';

/** What can be wrong with a payload. */
export const PAYLOAD_FAULTS = {
  truncated: 'the payload ends before the value does',
  bytes_left_over: 'bytes are left over behind the value',
  bad_number: 'a number takes more bytes than its type has',
  bad_length: 'a length is negative or reaches beyond the payload',
  bad_union_branch: 'a union has no branch of this index',
  bad_enum_symbol: 'an enum has no symbol of this index',
  bad_boolean: 'a boolean is neither 0 nor 1',
  bad_block: 'a block of an array or a map does not hold what it states',
  bad_utf8: 'a string is not UTF-8',
  too_deep: 'the value is nested too deep',
  too_many_empty_items: 'an array has too many items that take no byte',
} as const;

export type PayloadFault = keyof typeof PAYLOAD_FAULTS;

/** Nesting of a recursive type. Readers recurse, and their stacks end somewhere. */
const MAX_DEPTH = 100;

/** Items without a byte of their own (nulls, empty records) cost a sender nothing and a reader memory. */
const MAX_EMPTY_ITEMS = 1_000;

/** Passed to each generated function; reused from one payload to the next. */
export class ScanState {
  /** The last number read, and the cursor of reading it. */
  number = 0;
  position = 0;
  /** The event's own time, NaN when there is none. */
  time = Number.NaN;
  emptyItems = 0;
  fault: PayloadFault = 'truncated';
  faultPosition = 0;
  /** Index into the compiled scanner's paths. */
  faultSite = 0;

  fail(fault: PayloadFault, site: number, position: number): -1 {
    this.fault = fault;
    this.faultSite = site;
    this.faultPosition = position;
    return -1;
  }

  /** Reads a long into `number`. */
  long(source: Uint8Array, from: number, end: number, site: number): number {
    this.position = from;
    this.number = readLong(source, this, end);
    return Number.isNaN(this.number) ? this.#badNumber(end, site) : this.position;
  }

  /** Reads an int into `number`. */
  int(source: Uint8Array, from: number, end: number, site: number): number {
    this.position = from;
    this.number = readInt(source, this, end);
    return Number.isNaN(this.number) ? this.#badNumber(end, site) : this.position;
  }

  /** Reads a length into `number`, and makes sure that so many bytes follow. */
  length(source: Uint8Array, from: number, end: number, site: number): number {
    const at = this.long(source, from, end, site);
    if (at < 0) return -1;
    return this.number < 0 || this.number > end - at ? this.fail('bad_length', site, from) : at;
  }

  /** Reads an index into `number`. @param count how many there are */
  branch(source: Uint8Array, from: number, end: number, site: number, count: number): number {
    const at = this.int(source, from, end, site);
    return at < 0 || this.#isIndex(count) ? at : this.fail('bad_union_branch', site, from);
  }

  symbol(source: Uint8Array, from: number, end: number, site: number, count: number): number {
    const at = this.int(source, from, end, site);
    return at < 0 || this.#isIndex(count) ? at : this.fail('bad_enum_symbol', site, from);
  }

  /** A string that is not all ASCII. */
  utf8(source: Uint8Array, from: number, end: number, site: number): number {
    return isUtf8(source.subarray(from, end)) ? end : this.fail('bad_utf8', site, from);
  }

  /** @returns whether so many items can follow: known at once, before any reader would make room for them */
  items(count: number, site: number, position: number, end: number): boolean {
    if (count <= end - position + MAX_EMPTY_ITEMS) return true;
    this.fail('bad_block', site, position);
    return false;
  }

  emptyItem(site: number, position: number): number {
    this.emptyItems += 1;
    return this.emptyItems > MAX_EMPTY_ITEMS ? this.fail('too_many_empty_items', site, position) : position;
  }

  /** @returns whether a call may go this deep */
  enter(depth: number, site: number, position: number): boolean {
    if (depth <= MAX_DEPTH) return true;
    this.fail('too_deep', site, position);
    return false;
  }

  #isIndex(count: number): boolean {
    return this.number >= 0 && this.number < count;
  }

  #badNumber(end: number, site: number): -1 {
    return this.fail(this.position >= end ? 'truncated' : 'bad_number', site, this.position);
  }
}
