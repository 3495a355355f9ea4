/** What the cold tier has of a user. */
import type { ArchivePlace } from '../archive/listing.ts';
import { coldEventsOf, coldRowsOf } from '../cold/cold-reader.ts';
import { ColdBlobGone, ColdStore } from '../cold/cold-store.ts';
import { type ColdRow, PROFILE_CHANGES } from '../cold/cold-table.ts';
import { assertReaches, readLetGo } from '../cold/let-go.ts';
import type { Manifest } from '../cold/manifest.ts';
import { DamagedColdFile } from '../cold/read-parquet.ts';
import { hasBase } from '../profiles/bases.ts';
import type { ReportReader, UserKey } from './read-clickhouse.ts';

export interface ColdRows {
  readonly events: readonly ColdRow[];
  readonly changes: readonly ColdRow[];
  /** The last day of which everything is exported; null: none. */
  readonly through: string | null;
  readonly months: number;
  /** Parquet files that were read. */
  readonly files: number;
  readonly requests: number;
  readonly bytes: number;
}

/**
 * To be asked after ClickHouse: a row that was not there any more had been exported before.
 * @throws {Outage}
 * @throws {DamagedColdFile} a blob is gone or not what was written: the report would lack rows
 */
export async function readCold(
  reader: ReportReader,
  { container, prefix }: ArchivePlace,
  user: UserKey,
): Promise<ColdRows> {
  const files = new Set<string>();
  let [requests, bytes] = [0, 0];
  const store = new ColdStore(container, prefix, (path, read) => {
    requests += 1;
    bytes += read;
    if (path.endsWith('.parquet')) files.add(path);
  });
  try {
    // Before the manifest, which is always replaced first.
    const letGo = await readLetGo(reader.clickhouse, reader.database);
    const held = await store.readManifest();
    assertReaches(held.manifest, letGo);
    const [manifest, rows] = await rowsOf(store, held.manifest, { reader, user }).catch(
      async (error: unknown) => {
        if (!(error instanceof ColdBlobGone)) throw error;
        // Files are brought together, and those that were are removed some time after: what took their place is read.
        const now = await store.readManifest();
        if (now.etag === held.etag) throw error;
        files.clear();
        return rowsOf(store, now.manifest, { reader, user });
      },
    );
    const { through, months } = manifest.events;
    return { ...rows, through, months: Object.keys(months).length, files: files.size, requests, bytes };
  } catch (error) {
    if (!(error instanceof DamagedColdFile)) throw error;
    throw new DamagedColdFile(
      `${error.message}: without it the report would lack what is only there; restore the blob from its versions, or from a copy of the account`,
      { cause: error },
    );
  }
}

async function rowsOf(
  store: ColdStore,
  manifest: Manifest,
  { reader, user }: { readonly reader: ReportReader; readonly user: UserKey },
): Promise<[Manifest, Pick<ColdRows, 'events' | 'changes'>]> {
  const owner = [user.tenantId, user.userId] as const;
  const [events, changes] = await Promise.all([
    coldEventsOf(store, manifest, owner),
    // By default they stay in ClickHouse for good, and nobody asks Blob for any.
    hasBase(reader.clickhouse, user).then((mayBe) =>
      mayBe ? coldRowsOf(store, PROFILE_CHANGES, { listed: manifest.profile_changes.files, owner }) : [],
    ),
  ]);
  return [manifest, { events, changes }];
}
