/** One owner's rows out of the cold tier, in few requests. */
import type { ColdStore } from './cold-store.ts';
import { type ColdRow, EVENTS, type Owner } from './cold-table.ts';
import { filesOf, type ListedFile } from './file-list.ts';
import type { Manifest } from './manifest.ts';
import { ParquetReader } from './read-parquet.ts';

/** Months that are read at the same time. */
const MONTHS_AT_ONCE = 8;

/**
 * Every exported event of a user, month by month: what came of a message may lie in any month after it, and the first
 * recorded copy of an event in any at all. For each month the list of its files, and of each file that the user is in
 * (one; two while the month goes on) its metadata and the user's row groups.
 * @throws {Outage}
 * @throws {DamagedColdFile}
 */
export async function coldEventsOf(store: ColdStore, manifest: Manifest, user: Owner): Promise<ColdRow[]> {
  const months = Object.entries(manifest.events.months).sort(([a], [b]) => (a < b ? -1 : 1));
  const rows: ColdRow[][] = [];
  for (let from = 0; from < months.length; from += MONTHS_AT_ONCE) {
    const some = months.slice(from, from + MONTHS_AT_ONCE);
    const read = some.map(async ([, listed]) => {
      const files = filesOf(await store.readList(listed), user);
      return (await Promise.all(files.map((file) => rowsIn(store, file, user)))).flat();
    });
    rows.push(...(await Promise.all(read)));
  }
  return rows.flat();
}

async function rowsIn(store: ColdStore, file: ListedFile, user: Owner): Promise<ColdRow[]> {
  return ParquetReader.rowsOf(EVENTS, store.file(file), user);
}
