/** Removes files of the cold tier that no list names any more, once nobody can still be reading them. */
import { isDeepStrictEqual } from 'node:util';
import type { ColdStore, HeldManifest } from '../cold/cold-store.ts';
import type { ListedFiles, Manifest } from '../cold/manifest.ts';
import { faultPoint } from '../common/fault-points.ts';

export interface SweepOptions {
  readonly store: ColdStore;
  /** Milliseconds. */
  readonly now: number;
  readonly graceMs: number;
}

export interface Swept {
  /** The manifest that stands now. */
  readonly held: HeldManifest;
  readonly removed: number;
}

/**
 * Only for whoever holds the lock: a file that is being written is in no list yet. A file stays for the grace time after
 * it was first seen to be needed no more: whoever began to read before may go on.
 * @throws {Outage}
 * @throws {Fenced}
 * @throws {DamagedColdFile} a list cannot be read: then nothing is removed
 */
export async function sweepColdTier(
  held: HeldManifest,
  { store, now, graceMs }: SweepOptions,
): Promise<Swept> {
  const { manifest } = held;
  const needed = new Set<string>();
  for (const listed of listsOf(manifest)) {
    needed.add(listed.list);
    for (const { path } of (await store.readList(listed)).files) needed.add(path);
  }
  const unneeded: Record<string, number> = {};
  let removed = 0;
  for await (const { path } of store.files()) {
    if (needed.has(path)) continue;
    const since = manifest.unneeded[path];
    if (since === undefined || now - since < graceMs) {
      unneeded[path] = since ?? now;
      continue;
    }
    await store.remove(path);
    removed += 1;
    faultPoint('file-removed', 'retention');
  }
  if (isDeepStrictEqual(unneeded, manifest.unneeded)) return { held, removed };
  return { held: await store.replaceManifest(held, { ...manifest, unneeded }), removed };
}

function listsOf({ events, profile_changes, campaigns }: Manifest): ListedFiles[] {
  const others = [profile_changes.files, campaigns.files].filter((files) => files !== null);
  return [...Object.values(events.months), ...others];
}
