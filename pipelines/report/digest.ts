/** What tells whether two reports say the same: of records and profile versions, not of when they were made or from where. */
import { createHash, type Hash } from 'node:crypto';
import { canonicalJson, type JsonObject, type JsonValue } from '../profiles/fold/json-value.ts';
import type { ProfileToday, ReportedVersion, ReportHeader } from './report.ts';

/**
 * SHA-256 of all records in their order, then all profile versions in theirs, each as canonical JSON (keys in order, no
 * white space, numbers as profiles have them) with a line feed behind it. docs/report-format.md tells how to make it anew.
 */
export class ReportDigest {
  readonly #hash: Hash = createHash('sha256');

  /** A record by its canonical JSON, in pieces. */
  recordText(pieces: Iterable<string>): void {
    for (const _ of this.recordSteps(pieces));
  }

  /** The same, a piece a step: a record may be a long one. Nothing is taken but by the steps. */
  *recordSteps(pieces: Iterable<string>): Generator<void> {
    for (const piece of pieces) {
      this.#hash.update(piece);
      yield;
    }
    this.#hash.update('\n');
  }

  version(version: ReportedVersion): void {
    this.#hash.update(`${canonicalJson(version as unknown as JsonValue)}\n`);
  }

  /** `sha256:` and 64 hex digits. May be asked once. */
  get text(): string {
    return `sha256:${this.#hash.digest('hex')}`;
  }
}

/**
 * Tells whether the rest of a report is as it was written: SHA-256 of the header without this and then of the profile of
 * today, each as canonical JSON with a line feed behind it. Two reports that say the same seldom have it in common.
 */
export function headerDigest(
  header: Omit<ReportHeader, 'header_digest'> | JsonObject,
  today: ProfileToday | JsonValue,
): string {
  const { header_digest: _, ...rest } = header as JsonObject;
  const lines = [rest, today as unknown as JsonValue].map((value) => `${canonicalJson(value)}\n`);
  return `sha256:${createHash('sha256').update(lines.join('')).digest('hex')}`;
}
