/** Looks identities up in files of the cold tier by the rows of their owners. */
import { eachAtMost } from '../archive/each-at-most.ts';
import type { ColdStore } from '../cold/cold-store.ts';
import type { ColdTable } from '../cold/cold-table.ts';
import { type ListedFile, mayHold } from '../cold/file-list.ts';
import { ParquetReader } from '../cold/read-parquet.ts';

const FILES_AT_ONCE = 4;
/** Of each: some row groups, which take ten times as much when they are rows. */
const BYTES_AT_ONCE = 512 * 1024;

/** Where a row came from. */
export interface ColdPlace {
  readonly source: string;
  readonly offset: number;
  /** Milliseconds. */
  readonly recordedAt: number;
}

export interface LookUpOptions {
  readonly table: ColdTable;
  /** Of the identity, the first two those of the owner. */
  readonly columns: readonly string[];
  readonly files: readonly ListedFile[];
  readonly store: ColdStore;
  /** Told of a file that cannot be read; the others are. Throws what is no fault of the file. */
  readonly onFault: (error: unknown, file: ListedFile) => Promise<void>;
}

/**
 * Of each identity the row that was recorded first, in the order asked; null where there is none. Row groups that may have
 * rows of an owner are read once, however many owners share them.
 * @param identities texts as `columns` have them
 * @throws {Outage}
 */
export async function firstOfIdentities(
  identities: readonly (readonly string[])[],
  { table, columns, files, store, onFault }: LookUpOptions,
): Promise<(ColdPlace | null)[]> {
  const owners = new Map(
    identities.map(([tenant = '', user = '']) => [JSON.stringify([tenant, user]), [tenant, user] as const]),
  );
  const found = new Map<string, ColdPlace>();
  const wanted = [...columns, 'source', 'offset', 'recorded_at'];
  const at = wanted.map((column) => table.columns.findIndex((one) => one.name === column));
  const lookIn = async (file: ListedFile): Promise<void> => {
    const own = [...owners.values()].filter((owner) => mayHold(file, owner));
    if (own.length === 0) return;
    const asked = { owners: own, columns: wanted, bytesAtOnce: BYTES_AT_ONCE };
    for await (const rows of ParquetReader.eachOfMany(table, store.file(file), asked)) {
      for (const row of rows) {
        const values = at.map((index) => String(row[index]));
        const [recordedAt, offset, source = ''] = values.splice(-3).reverse();
        const place = { source, offset: Number(offset), recordedAt: Number(recordedAt) };
        const key = JSON.stringify(values);
        const known = found.get(key);
        if (known === undefined || isBefore(place, known)) found.set(key, place);
      }
    }
  };
  await eachAtMost(FILES_AT_ONCE, files, (file) =>
    lookIn(file).catch((error: unknown) => onFault(error, file)),
  );
  return identities.map((one) => found.get(JSON.stringify(one)) ?? null);
}

/** The order of `precedence` in the tables. */
function isBefore(a: ColdPlace, b: ColdPlace): boolean {
  if (a.recordedAt !== b.recordedAt) return a.recordedAt < b.recordedAt;
  const [[x = '', m], [y = '', n]] = [a.source.split('/'), b.source.split('/')];
  if (x !== y) return x < y;
  return Number(m) < Number(n) || (m === n && a.offset < b.offset);
}
