/** One owner's rows out of the cold tier, in few requests. */
import { eachAtMost } from '../archive/each-at-most.ts';
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
 * recorded copy of an event in any at all. Hands them on as they come, in no order, and holds few of them. For each month the list of its files, and of each file that the user is in
 * (one; two while the month goes on) the user's row groups: two requests a month, or three.
 * @throws {Outage}
 * @throws {ColdBlobGone} it was replaced, and the manifest that is held is an old one; or somebody has deleted it
 * @throws {DamagedColdFile}
 */
export async function readColdEvents(
  store: ColdFiles,
  { events }: Pick<Manifest, 'events'>,
  { user, onRows }: { readonly user: Owner; readonly onRows: (rows: readonly ColdRow[]) => void },
): Promise<void> {
  await eachAtMost(MONTHS_AT_ONCE, Object.values(events.months), async (listed) => {
    for (const file of filesOf(await store.readList(listed), user))
      for await (const rows of ParquetReader.eachOf(EVENTS, store.file(file), user)) onRows(rows);
  });
}

/**
 * One owner's rows of one list of files: the list, and of each file that the owner is in (one; two while newer ones are
 * not yet brought together with older ones) the owner's row groups.
 * @param listed null: no file yet
 * @throws as `readColdEvents`
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
