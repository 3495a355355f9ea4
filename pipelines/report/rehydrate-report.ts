/** Brings back every blob that one user's report would read, so that it is waited for once and not for each of them. */
import { findBatches } from '../archive/find-batches.ts';
import {
  offlineAmong,
  type Priority,
  type Rehydration,
  startRehydration,
} from '../archive/tiers/rehydrate.ts';
import { ColdStore } from '../cold/cold-store.ts';
import type { Owner } from '../cold/cold-table.ts';
import { filesOf } from '../cold/file-list.ts';
import type { UserKey } from './read-clickhouse.ts';
import { readPositions } from './read-progress.ts';
import { rangesBehind, readHeads } from './read-raw.ts';
import type { BlobContext, ReportContext } from './user-report.ts';

/**
 * May be called again at any time: what is on its way already is left alone.
 * @throws {Outage}
 * @throws {DamagedColdFile} or {DamagedArchive}: what is to be read cannot be found
 */
export async function rehydrateReport(
  context: ReportContext,
  blob: BlobContext,
  { user, priority }: { readonly user: UserKey; readonly priority: Priority },
): Promise<Rehydration> {
  const paths = [...(await coldPaths(blob, user)), ...(await rawPaths(context, blob))];
  const offline = await offlineAmong(blob.place, paths);
  return startRehydration(blob.place, offline, { priority, tier: 'Hot' });
}

async function coldPaths({ place }: BlobContext, { tenantId, userId }: UserKey): Promise<string[]> {
  const store = new ColdStore(place.container, place.prefix);
  const { events, profile_changes } = (await store.readManifest()).manifest;
  const user: Owner = [tenantId, userId];
  const paths: string[] = [];
  for (const listed of [...Object.values(events.months), profile_changes.files]) {
    if (listed === null) continue;
    paths.push(...filesOf(await store.readList(listed), user).map(({ path }) => path));
  }
  return paths;
}

async function rawPaths(context: ReportContext, blob: BlobContext): Promise<string[]> {
  const [heads, positions] = await Promise.all([readHeads(blob), readPositions(context)]);
  const wanted = rangesBehind(blob, { heads, positions });
  const paths: string[] = [];
  for (const [topic, ranges] of Map.groupBy(wanted, ({ source }) => source.topic))
    for (const { parts } of await findBatches(blob.place, topic, ranges))
      paths.push(...parts.map(({ path }) => path));
  return paths;
}
