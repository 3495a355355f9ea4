/** The one place that knows what a profile version is: changes of one user in, versions out. */
import { canonicalJson, emptyObject, isJsonObject, type JsonObject, parseJson } from './json-value.ts';
import { applyMergePatch } from './merge-patch.ts';

export interface ProfileChange {
  readonly changeId: string;
  readonly op: 'SNAPSHOT' | 'PATCH' | 'DELETE';
  /** Milliseconds since the epoch, by the source of the change. */
  readonly changedAt: number;
  /** The source's own version number; null sorts before every number. */
  readonly sourceVersion: bigint | null;
  /** One JSON object as text; null for a DELETE. */
  readonly attributes: string | null;
  /** The Kafka timestamp in milliseconds, and where the change stood. */
  readonly recordedAt: number;
  readonly topicId: string;
  readonly partition: number;
  readonly offset: number;
}

export interface ProfileVersion {
  /** Place in the history as known now, from 1: for people. The identity is `validFrom`. */
  readonly version: number;
  /** Milliseconds, inclusive. */
  readonly validFrom: number;
  /** Milliseconds, exclusive; null while it is the newest. */
  readonly validTo: number | null;
  readonly deleted: boolean;
  /** Canonical JSON text of the whole profile; `{}` when deleted. */
  readonly attributes: string;
  /** When the last of its changes was recorded, in milliseconds. */
  readonly recordedAt: number;
  /** The changes of this instant, in the order in which they were applied. */
  readonly changeIds: readonly string[];
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function compareRecorded(a: ProfileChange, b: ProfileChange): number {
  return (
    a.recordedAt - b.recordedAt ||
    compareText(a.topicId, b.topicId) ||
    a.partition - b.partition ||
    a.offset - b.offset
  );
}

function compareSourceVersion(a: bigint | null, b: bigint | null): number {
  if (a === b) return 0;
  if (a === null) return -1;
  if (b === null) return 1;
  return a < b ? -1 : 1;
}

function compareEffect(a: ProfileChange, b: ProfileChange): number {
  return (
    a.changedAt - b.changedAt ||
    compareSourceVersion(a.sourceVersion, b.sourceVersion) ||
    compareRecorded(a, b)
  );
}

/** Of several copies of one change the first recorded. */
function firstRecordedCopies(changes: readonly ProfileChange[]): ProfileChange[] {
  const first = new Map<string, ProfileChange>();
  for (const change of changes) {
    const known = first.get(change.changeId);
    if (known === undefined || compareRecorded(change, known) < 0) first.set(change.changeId, change);
  }
  return [...first.values()];
}

function parseAttributes(change: ProfileChange): JsonObject {
  const value = parseJson(change.attributes ?? '{}');
  if (!isJsonObject(value))
    throw new TypeError(`change ${change.changeId}: attributes are not a JSON object`);
  return value;
}

/** The profile after one change; null means deleted. A snapshot is a patch on nothing, so its nulls mean absent. */
function applyChange(profile: JsonObject | null, change: ProfileChange): JsonObject | null {
  switch (change.op) {
    case 'SNAPSHOT':
      return applyMergePatch(undefined, parseAttributes(change));
    case 'PATCH':
      return applyMergePatch(profile ?? undefined, parseAttributes(change));
    case 'DELETE':
      return null;
  }
}

/**
 * Folds the changes of one user, in any order and with copies, into versions ordered by `validFrom`.
 * Every distinct `changedAt` is a version, also when nothing differs, so that a version never vanishes when a late
 * change arrives. Changes at one instant make one version. A patch with nothing before it, or after a delete, applies to `{}`.
 * @throws {TypeError | SyntaxError} when `attributes` is not the text of one JSON object (the pipeline never stores such)
 */
export function foldProfile(changes: readonly ProfileChange[]): ProfileVersion[] {
  const ordered = firstRecordedCopies(changes).sort(compareEffect);
  const versions: ProfileVersion[] = [];
  let profile: JsonObject | null = emptyObject();
  for (let start = 0; start < ordered.length; ) {
    const validFrom = ordered[start]?.changedAt ?? 0;
    let end = start;
    let recordedAt = Number.NEGATIVE_INFINITY;
    const changeIds: string[] = [];
    for (let change = ordered[end]; change?.changedAt === validFrom; change = ordered[++end]) {
      profile = applyChange(profile, change);
      recordedAt = Math.max(recordedAt, change.recordedAt);
      changeIds.push(change.changeId);
    }
    versions.push({
      version: versions.length + 1,
      validFrom,
      validTo: ordered[end]?.changedAt ?? null,
      deleted: profile === null,
      attributes: canonicalJson(profile ?? emptyObject()),
      recordedAt,
      changeIds,
    });
    start = end;
  }
  return versions;
}
