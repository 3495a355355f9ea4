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
function firstRecordedCopies<Change extends ProfileChange>(changes: readonly Change[]): Change[] {
  const first = new Map<string, Change>();
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

/** A version before its profile is made a text. */
export interface FoldedVersion extends Omit<ProfileVersion, 'deleted' | 'attributes'> {
  /** Null when deleted. */
  readonly profile: JsonObject | null;
}

/** What a fold has come to, for whoever folds a long history piece by piece. */
export interface FoldState {
  readonly profile: JsonObject | null;
  /** Versions so far. */
  readonly versions: number;
}

export const NOTHING_FOLDED: FoldState = { profile: emptyObject(), versions: 0 };

/** The changes that count, in the order in which they apply. */
export function inEffectOrder<Change extends ProfileChange>(changes: readonly Change[]): Change[] {
  return firstRecordedCopies(changes).sort(compareEffect);
}

/**
 * Where a fold may begin so that the versions from `ordered[index]` on come out right: at the last change before it that
 * leaves nothing of what came earlier. Always at the beginning of an instant.
 * @param ordered as `inEffectOrder` gives them; attributes are not looked at
 * @param before what the changes before `ordered` have come to
 */
export function foldStart(
  ordered: readonly ProfileChange[],
  index: number,
  before: FoldState = NOTHING_FOLDED,
): { readonly index: number; readonly state: FoldState } {
  let start = index;
  while (start > 0 && ordered[start]?.op === 'PATCH') start -= 1;
  while (start > 0 && ordered[start - 1]?.changedAt === ordered[start]?.changedAt) start -= 1;
  const earlier = new Set(ordered.slice(0, start).map(({ changedAt }) => changedAt));
  const profile = start === 0 ? before.profile : emptyObject();
  return { index: start, state: { profile, versions: before.versions + earlier.size } };
}

/**
 * Folds changes that are in order already into versions. Every distinct `changedAt` is a version, also when nothing
 * differs, so that a version never vanishes when a late change arrives. Changes at one instant make one version.
 * A patch with nothing before it, or after a delete, applies to `{}`.
 * @param ordered whole instants; as `inEffectOrder` gives them
 * @throws {TypeError | SyntaxError} when `attributes` is not the text of one JSON object (the pipeline never stores such)
 */
export function* foldOrdered(
  ordered: readonly ProfileChange[],
  { profile: before, versions }: FoldState = NOTHING_FOLDED,
): Generator<FoldedVersion> {
  let profile = before;
  let version = versions;
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
    version += 1;
    yield { version, validFrom, validTo: ordered[end]?.changedAt ?? null, profile, recordedAt, changeIds };
    start = end;
  }
}

/** The profile of a version as its one canonical text; `{}` when deleted. */
export function profileText(profile: JsonObject | null): string {
  return canonicalJson(profile ?? emptyObject());
}

/** Folds the changes of one user, in any order and with copies, into versions ordered by `validFrom`: see `foldOrdered`. */
export function foldProfile(changes: readonly ProfileChange[]): ProfileVersion[] {
  return Array.from(foldOrdered(inEffectOrder(changes)), ({ profile, ...version }) => ({
    ...version,
    deleted: profile === null,
    attributes: profileText(profile),
  }));
}
