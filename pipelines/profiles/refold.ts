/** Which versions of a user have to be written again because of some changes, and what may never lose against them. */
import { type FoldState, foldStart, inEffectOrder, NOTHING_FOLDED } from './fold/fold-profile.ts';
import type { StoredChange } from './histories.ts';

export interface Refold {
  /**
   * Grows with what is known: the sum of precedence over the changes that count. Of two folds of one user the one that
   * knew more has the greater, so that a late write of the other changes nothing.
   */
  readonly fold: bigint;
  /** The changes that count, in order. */
  readonly ordered: readonly StoredChange[];
  /** Where in them folding begins, and from what. */
  readonly start: number;
  readonly state: FoldState;
  /** Versions before this instant are as they were. */
  readonly writeFrom: number;
  /** Instants that stand in the history, but that a copy recorded earlier took away: there is no such version. */
  readonly withdrawn: readonly number[];
}

/** What changes that are no longer at hand have come to. */
export interface FoldBase {
  /** Their sum of precedence. */
  readonly fold: bigint;
  readonly state: FoldState;
}

const FROM_NOTHING: FoldBase = { fold: 0n, state: NOTHING_FOLDED };

/**
 * A change bears on the versions from its time on, and on the end of the one before. Of a change with several copies
 * that is the earliest time that any copy says, for whichever of them counted until now.
 *
 * Whoever stores a change folds afterwards, from a history that holds it. So of all folds that write one version again
 * the greatest knows every change that bears on that version, and the others lose against it: it is enough that each
 * writes what its own changes bear on, however late it does.
 * @param history every copy of every change of one user; with a base, of those that it does not stand for, and as
 *   `foldsOn` demands it
 * @returns null when none of the changes is in the history
 */
export function planRefold(
  history: readonly StoredChange[],
  changeIds: ReadonlySet<string>,
  base: FoldBase = FROM_NOTHING,
): Refold | null {
  const precedences = new Map<string, bigint>();
  let affectedFrom = Number.POSITIVE_INFINITY;
  for (const { changeId, changedAt, precedence } of history) {
    const known = precedences.get(changeId);
    if (known === undefined || precedence > known) precedences.set(changeId, precedence);
    if (changedAt < affectedFrom && changeIds.has(changeId)) affectedFrom = changedAt;
  }
  if (affectedFrom === Number.POSITIVE_INFINITY) return null;
  const ordered = inEffectOrder(history);
  const before = ordered.findLast(({ changedAt }) => changedAt < affectedFrom);
  const writeFrom = before?.changedAt ?? affectedFrom;
  const first = ordered.findIndex(({ changedAt }) => changedAt >= writeFrom);
  const { index: start, state } = foldStart(ordered, first < 0 ? ordered.length : first, base.state);
  const instants = new Set(ordered.map(({ changedAt }) => changedAt));
  const withdrawn = new Set(
    history.map(({ changedAt }) => changedAt).filter((at) => at >= affectedFrom && !instants.has(at)),
  );
  let { fold } = base;
  for (const precedence of precedences.values()) fold += precedence;
  return { fold, ordered, start, state, writeFrom, withdrawn: [...withdrawn] };
}
