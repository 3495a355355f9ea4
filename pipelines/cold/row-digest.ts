/** A checksum of rows that does not depend on their order: what went into files against what came out of a table. */
import { hash } from 'node:crypto';
import type { ColdRow, ColdValue } from './cold-table.ts';

const MASK = 0xffff_ffff_ffff_ffffn;

/** Sums 64 bits of each row's MD5, modulo 2^64: rows may come in any order and from any number of files. */
export class RowDigest {
  #sum = 0n;

  add(row: ColdRow): void {
    // Each value by itself: a replacer is called for every one within, and takes twice the time.
    const digest = hash('md5', JSON.stringify(row.map(plain)), 'buffer');
    this.#sum = (this.#sum + digest.readBigUInt64LE()) & MASK;
  }

  /** Of the rows of both. */
  merge(hex: string): void {
    this.#sum = (this.#sum + BigInt(`0x${hex}`)) & MASK;
  }

  /** 16 hex digits. */
  get hex(): string {
    return this.#sum.toString(16).padStart(16, '0');
  }
}

/** A map's entries have no order; JSON knows no 64-bit numbers and no infinities. */
function plain(value: ColdValue): unknown {
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (value === null || typeof value !== 'object') return value;
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flat();
}
