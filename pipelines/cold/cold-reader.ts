/** One owner's rows out of the cold tier, in few requests. */
import type { ColdStore } from './cold-store.ts';
import { type ColdRow, type ColdTable, EVENTS, type Owner } from './cold-table.ts';
import { filesOf } from './file-list.ts';
import type { ListedFiles, Manifest } from './manifest.ts';
import { ParquetReader } from './read-parquet.ts';

/** What reading takes of a store. */
export type ColdFiles = Pick<ColdStore, 'readList' | 'file'>;

/** Months that are read at the same time. */
const MONTHS_AT_ONCE = 8;

/**
 * Every exported event of a user, month by month: what came of a message may lie in any month after it, and the first
 * recorded copy of an event in any at all. For each month the list of its files, and of each file that the user is in
 * (one; two while the month goes on) the user's row groups: two requests a month, or three.
 * @throws {Outage}
 * @throws {ColdBlobGone} it was replaced, and the manifest that is held is an old one; or somebody has deleted it
 * @throws {DamagedColdFile}
 */
export async function coldEventsOf(store: ColdFiles, manifest: Manifest, user: Owner): Promise<ColdRow[]> {
  const months = Object.entries(manifest.events.months).sort(([a], [b]) => (a < b ? -1 : 1));
  const rows: ColdRow[][] = [];
  for (let from = 0; from < months.length; from += MONTHS_AT_ONCE) {
    const some = months.slice(from, from + MONTHS_AT_ONCE);
    const read = some.map(([, listed]) => coldRowsOf(store, EVENTS, { listed, owner: user }));
    rows.push(...(await Promise.all(read)));
  }
  return rows.flat();
}

/**
 * One owner's rows of one list of files: the list, and of each file that the owner is in (one; two while newer ones are
 * not yet brought together with older ones) the owner's row groups.
 * @param listed null: no file yet
 * @throws as `coldEventsOf`
 */
export async function coldRowsOf(
  store: ColdFiles,
  table: ColdTable,
  { listed, owner }: { readonly listed: ListedFiles | null; readonly owner: Owner },
): Promise<ColdRow[]> {
  if (listed === null) return [];
  const files = filesOf(await store.readList(listed), owner);
  const rows = await Promise.all(files.map((file) => ParquetReader.rowsOf(table, store.file(file), owner)));
  return rows.flat();
}
