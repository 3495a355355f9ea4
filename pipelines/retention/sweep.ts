/** Removes files of the cold tier that no list names any more, once nobody can still be reading them. */
import type { ColdStore } from '../cold/cold-store.ts';
import type { ListedFiles, Manifest } from '../cold/manifest.ts';
import { faultPoint } from '../common/fault-points.ts';

export interface SweepOptions {
  readonly store: ColdStore;
  /** Milliseconds. */
  readonly now: number;
  readonly graceMs: number;
}

/**
 * Only for whoever holds the lock: a file that is being written is in no list yet. What is younger than the grace time
 * stays, whatever it is.
 * @returns the number of files removed
 * @throws {Outage}
 * @throws {DamagedColdFile} a list cannot be read: then nothing is removed
 */
export async function sweepColdTier(
  manifest: Manifest,
  { store, now, graceMs }: SweepOptions,
): Promise<number> {
  const needed = new Set<string>();
  for (const listed of listsOf(manifest)) {
    needed.add(listed.list);
    for (const { path } of (await store.readList(listed)).files) needed.add(path);
  }
  let removed = 0;
  for await (const { path, modifiedAt } of store.files()) {
    if (needed.has(path) || now - modifiedAt < graceMs) continue;
    await store.remove(path);
    removed += 1;
    faultPoint('file-removed', 'retention');
  }
  return removed;
}

function listsOf({ events, profile_changes, campaigns }: Manifest): ListedFiles[] {
  const others = [profile_changes.files, campaigns.files].filter((files) => files !== null);
  return [...Object.values(events.months), ...others];
}
