/** Folds a history that may not fit into memory: attributes are read piece by piece. */
import { type FoldedVersion, type FoldState, foldOrdered } from './fold/fold-profile.ts';
import { type Histories, placeOf, type StoredChange, type User } from './histories.ts';

/** Changes of one user, and bytes of their attributes, that are held at once: a whole history, or a piece of a large one. */
export const CHANGES_AT_ONCE = 20_000;
export const BYTES_AT_ONCE = 8 * 1024 * 1024;
export const HELD_AT_ONCE = { changes: CHANGES_AT_ONCE, bytes: BYTES_AT_ONCE };

/** Changes have left ClickHouse since it was read which there are: read that again. */
export class ChangesLeft extends Error {
  override readonly name = 'ChangesLeft';
}

export interface PiecesOptions {
  readonly user: User;
  readonly state: FoldState;
  /** Null where the changes have their attributes. */
  readonly attributesOf: Histories['readAttributes'] | null;
}

/**
 * Versions, piece by piece, each with its end. A piece is to be gone through before the next is asked for.
 * @param ordered whole instants, as `inEffectOrder` gives them
 * @throws {ChangesLeft}
 * @throws {Outage}
 */
export async function* foldInPieces(
  ordered: readonly StoredChange[],
  { user, state: begin, attributesOf }: PiecesOptions,
): AsyncGenerator<Iterable<FoldedVersion>> {
  let state = begin;
  for (let from = 0; from < ordered.length; ) {
    const to = endOfPiece(ordered, from);
    const piece = ordered.slice(from, to);
    const whole = attributesOf === null ? piece : await withAttributes(piece, { user, attributesOf });
    const next = ordered[to]?.changedAt ?? null;
    yield (function* () {
      for (const version of foldOrdered(whole, state)) {
        state = { profile: version.profile, versions: version.version };
        yield { ...version, validTo: version.validTo ?? next };
      }
    })();
    from = to;
  }
}

async function withAttributes(
  piece: readonly StoredChange[],
  { user, attributesOf }: { readonly user: User; readonly attributesOf: Histories['readAttributes'] },
): Promise<StoredChange[]> {
  const [first, last] = [piece[0] as StoredChange, piece.at(-1) as StoredChange];
  const texts = await attributesOf(user, first.changedAt, last.changedAt);
  return piece.map((change) => {
    const attributes = texts.get(placeOf(change));
    if (attributes === undefined) throw new ChangesLeft(`change ${change.changeId} has left`);
    return { ...change, attributes };
  });
}

/** As many whole instants as may be held at once, one at least. */
export function endOfPiece(ordered: readonly StoredChange[], from: number): number {
  let end = from;
  let bytes = 0;
  for (let at = from; at < ordered.length; at += 1) {
    const isInstantsEnd = ordered[at + 1]?.changedAt !== ordered[at]?.changedAt;
    bytes += ordered[at]?.bytes ?? 0;
    if (!isInstantsEnd) continue;
    if (end > from && (bytes > BYTES_AT_ONCE || at - from >= CHANGES_AT_ONCE)) break;
    end = at + 1;
  }
  return end;
}
