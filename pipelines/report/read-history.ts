/** Who a user was from when to when, out of whatever changes can be read. */
import { basesOf, foldsOn, type ProfileBase } from '../profiles/bases.ts';
import {
  foldOrdered,
  foldProfile,
  inEffectOrder,
  type ProfileChange,
  profileText,
} from '../profiles/fold/fold-profile.ts';
import type { ProfileHistory } from './profile-timeline.ts';
import type { ReportReader, UserKey } from './read-clickhouse.ts';

/** @param changes all there ever were, in any order and with copies */
export function wholeHistory(changes: readonly ProfileChange[]): ProfileHistory {
  return { versions: foldProfile(changes), knownFrom: null };
}

/** What stands for the changes of the user that have left ClickHouse; null: none have. @throws {Outage} */
export async function readBase({ clickhouse }: ReportReader, user: UserKey): Promise<ProfileBase | null> {
  const { signal } = new AbortController();
  for await (const [, base] of basesOf({ client: clickhouse, signal }, [[user]])) return base;
  return null;
}

/**
 * What ClickHouse alone can tell: from the base on, and nothing before it. Where a late change bears on what is before
 * the base, or a report is not to know all that the base knows, nothing can be told.
 */
export function localHistory(
  changes: readonly ProfileChange[],
  { base, isPartial }: { readonly base: ProfileBase; readonly isPartial: boolean },
): ProfileHistory {
  if (isPartial || !foldsOn(base, changes)) return { versions: [], knownFrom: Number.POSITIVE_INFINITY };
  const versions = Array.from(foldOrdered(inEffectOrder(changes), base.state), ({ profile, ...version }) => ({
    ...version,
    deleted: profile === null,
    attributes: profileText(profile),
  }));
  return { versions, knownFrom: base.baseAt };
}
