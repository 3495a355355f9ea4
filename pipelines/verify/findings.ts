/** Collects what `verify` finds: neighbouring records with one fault are one discrepancy, and what is listed is bounded. */
import type { ListedBlob } from '../archive/listing.ts';
import type { Discrepancy as ArchiveDiscrepancy } from '../archive/verify.ts';
import { type PartitionRef, partitionKey } from '../common/batch.ts';
import { VERIFY_CODES, type VerifyCode } from './codes.ts';

export interface Discrepancy extends Omit<ArchiveDiscrepancy, 'code' | 'topic'> {
  /** Null for what is of no one topic, such as a file of the cold tier. */
  readonly topic: string | null;
  readonly code: VerifyCode;
  /** Records, rows or letters concerned; null where only offsets can be told. */
  readonly records: number | null;
}

/** Records of a segment, as far as it says. */
export function recordsOf({ metadata }: ListedBlob): number | null {
  return metadata?.count ?? null;
}

/** Of one code in one partition: a table that was emptied must not fill the memory with its rows. */
const MOST_LISTED = 1_000;

export interface RecordFinding {
  readonly code: VerifyCode;
  readonly source: PartitionRef;
  readonly offset: number;
  readonly path?: string | null;
  /** What is particular about this very record: a clause behind the code's meaning. */
  readonly detail?: string;
}

interface Open {
  readonly key: string;
  /** Among those listed; -1 when it is not. */
  readonly index: number;
  discrepancy: Discrepancy;
}

export class Findings {
  readonly #listed: Discrepancy[] = [];
  readonly #counts = new Map<VerifyCode, number>();
  readonly #perPlace = new Map<string, number>();
  /** The last range of each code, as long as the next record may continue it. */
  readonly #open = new Map<string, Open>();

  /** All that are listed. */
  get discrepancies(): readonly Discrepancy[] {
    return this.#listed;
  }

  /** How many there are of each code, those that are not listed included. */
  get counts(): ReadonlyMap<VerifyCode, number> {
    return this.#counts;
  }

  get total(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
  }

  /** @returns its place in the list, or -1 */
  add(discrepancy: Discrepancy): number {
    const { code, topicId, partition } = discrepancy;
    this.#counts.set(code, (this.#counts.get(code) ?? 0) + 1);
    const place = `${code} ${topicId}/${partition}`;
    const listed = (this.#perPlace.get(place) ?? 0) + 1;
    this.#perPlace.set(place, listed);
    return listed <= MOST_LISTED ? this.#listed.push(discrepancy) - 1 : -1;
  }

  /** In the order of the offsets of a partition. */
  record({ code, source, offset, path = null, detail = '' }: RecordFinding): void {
    const key = `${code} ${partitionKey(source)} ${path} ${detail}`;
    const open = this.#open.get(code);
    if (open?.key === key && open.discrepancy.last === offset - 1) {
      const grown = { ...open.discrepancy, last: offset, records: (open.discrepancy.records ?? 0) + 1 };
      if (open.index >= 0) this.#listed[open.index] = grown;
      open.discrepancy = grown;
      return;
    }
    const message = explain(code, detail);
    const discrepancy = { code, ...source, first: offset, last: offset, records: 1, path, message };
    const index = this.add(discrepancy);
    this.#open.set(code, { key, index, discrepancy });
  }

  addAll(others: readonly RecordFinding[]): void {
    for (const one of others) this.record(one);
  }
}

/** Meaning, what is particular, remedy. */
export function explain(code: VerifyCode, detail = ''): string {
  const { meaning, remedy } = VERIFY_CODES[code];
  return `${detail === '' ? meaning : `${meaning.slice(0, -1)}: ${detail}.`} ${remedy}`;
}
