/** Which version of one user's profile was valid at an instant. */
import type { ProfileVersion } from '../profiles/fold/fold-profile.ts';

export interface ProfileHistory {
  /** As `foldProfile` returns them, ordered by `validFrom`. */
  readonly versions: readonly ProfileVersion[];
  /**
   * Milliseconds: what was before this instant is not known here any more. Null: everything is; infinite: nothing is.
   */
  readonly knownFrom: number | null;
}

export type ProfileAt =
  | { readonly status: 'found'; readonly version: ProfileVersion }
  | { readonly status: 'none_yet' | 'deleted' | 'expired' };

/** A version holds from its `validFrom` (inclusive) to the next one's (exclusive), in milliseconds. */
export function profileAt({ versions, knownFrom }: ProfileHistory, instant: number): ProfileAt {
  if (knownFrom !== null && instant < knownFrom) return { status: 'expired' };
  let low = 0;
  let high = versions.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((versions[middle]?.validFrom ?? Number.POSITIVE_INFINITY) <= instant) low = middle + 1;
    else high = middle;
  }
  const version = versions[low - 1];
  if (version === undefined) return { status: 'none_yet' };
  return version.deleted ? { status: 'deleted' } : { status: 'found', version };
}
