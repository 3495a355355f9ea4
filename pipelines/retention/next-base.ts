/** How far a user's changes may go, and what would stand for them. */
import type { NextOffsets } from '../cold/manifest.ts';
import type { FoldableHistory } from '../profiles/based-histories.ts';
import { changeHash } from '../profiles/bases.ts';
import { type FoldState, foldStart, inEffectOrder, NOTHING_FOLDED } from '../profiles/fold/fold-profile.ts';
import type { StoredChange } from '../profiles/histories.ts';

export interface NextBase {
  /** Milliseconds. All changes before it are in the cold tier. */
  readonly baseAt: number;
  /** The changes with which a fold of what was before `baseAt` may begin, and from what; whole instants. */
  readonly ordered: readonly StoredChange[];
  readonly state: FoldState;
  readonly fold: bigint;
  readonly hashes: ReadonlySet<string>;
}

export interface Limits {
  /** Milliseconds: only changes before it may go. */
  readonly horizon: number;
  /** By source, the offsets below which changes are in the cold tier. */
  readonly next: NextOffsets;
}

/**
 * The base lies at the last instant before the horizon: its changes stay, so that the version before it ends where it
 * says, and everything before it goes.
 * @returns null where nothing more may go
 */
export function nextBaseOf(
  { changes, base, isFromBase }: FoldableHistory & { readonly changes: readonly StoredChange[] },
  limits: Limits,
): NextBase | null {
  const ordered = inEffectOrder(changes);
  const baseAt = baseInstant(changes, { ordered, limits, least: base?.baseAt ?? null });
  if (baseAt === null) return null;
  const gone = changes.filter(({ changedAt }) => changedAt < baseAt);
  if (gone.length === 0) return null;
  const from = isFromBase && base !== null ? base : null;
  const end = ordered.findIndex(({ changedAt }) => changedAt >= baseAt);
  const before = ordered.slice(0, end);
  const { index, state } =
    before.length === 0
      ? { index: 0, state: from?.state ?? NOTHING_FOLDED }
      : foldStart(before, before.length - 1, from?.state);
  return {
    baseAt,
    ordered: before.slice(index),
    state,
    fold: (from?.fold ?? 0n) + sumOf(gone),
    hashes: new Set([...(from?.hashes ?? []), ...gone.map(({ changeId }) => changeHash(changeId))]),
  };
}

function sumOf(changes: readonly StoredChange[]): bigint {
  const greatest = new Map<string, bigint>();
  for (const { changeId, precedence } of changes) {
    const known = greatest.get(changeId);
    if (known === undefined || precedence > known) greatest.set(changeId, precedence);
  }
  return greatest.values().reduce((sum, precedence) => sum + precedence, 0n);
}

interface InstantOptions {
  readonly ordered: readonly StoredChange[];
  readonly limits: Limits;
  /** Where the base is now: what is before it may be gone. */
  readonly least: number | null;
}

/**
 * An instant with a version that has been folded, so that the one before it has its end. Before it there is nothing that
 * is not in the cold tier. Nor, as long as a base has not passed it already, any copy of a change that stays: all folds
 * of the user would have to read the cold tier.
 */
function baseInstant(
  changes: readonly StoredChange[],
  { ordered, limits: { horizon, next }, least }: InstantOptions,
): number | null {
  const isExported = ({ topicId, partition, offset }: StoredChange) =>
    offset < (next[`${topicId}/${partition}`] ?? 0);
  const firstUnexported = changes
    .filter((change) => !isExported(change))
    .reduce((first, { changedAt }) => Math.min(first, changedAt), Number.POSITIVE_INFINITY);
  const instants = ordered
    .filter(
      (change) => change.changedAt < horizon && change.changedAt <= firstUnexported && isExported(change),
    )
    .map(({ changedAt }) => changedAt);
  const last = instants.at(-1);
  const clear = lastClear(instants, changes);
  if (least === null) return clear;
  if (clear !== null && clear >= least) return clear;
  return last !== undefined && last >= least ? last : null;
}

/** The last instant with no change that has copies on both sides of it. */
function lastClear(instants: readonly number[], changes: readonly StoredChange[]): number | null {
  const spans = spansOf(changes);
  for (let bound = Number.POSITIVE_INFINITY; ; ) {
    const at = instants.findLast((instant) => instant <= bound);
    if (at === undefined) return null;
    const astride = spans.filter(([first, last]) => first < at && at <= last);
    if (astride.length === 0) return at;
    bound = Math.min(...astride.map(([first]) => first));
  }
}

/** Of each change that has copies at several instants, the first and the last. */
function spansOf(changes: readonly StoredChange[]): (readonly [first: number, last: number])[] {
  const spans = new Map<string, readonly [number, number]>();
  for (const { changeId, changedAt } of changes) {
    const [first, last] = spans.get(changeId) ?? [changedAt, changedAt];
    spans.set(changeId, [Math.min(first, changedAt), Math.max(last, changedAt)]);
  }
  return [...spans.values()].filter(([first, last]) => first < last);
}
