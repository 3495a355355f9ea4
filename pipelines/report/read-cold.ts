/** What the cold tier has of a user. */
import type { ArchivePlace } from '../archive/listing.ts';
import { coldRowsOf, readColdEvents } from '../cold/cold-reader.ts';
import { ColdBlobGone, ColdStore, type HeldManifest } from '../cold/cold-store.ts';
import { type ColdRow, PROFILE_CHANGES } from '../cold/cold-table.ts';
import type { Extent } from '../cold/exported.ts';
import { assertReaches } from '../cold/let-go.ts';
import type { Manifest } from '../cold/manifest.ts';
import { DamagedColdFile } from '../cold/read-parquet.ts';
import type { UserKey } from './read-clickhouse.ts';

export interface ColdRows {
  readonly events: number;
  readonly changes: readonly ColdRow[];
  /** The last day of which everything is exported; null: none. */
  readonly through: string | null;
  readonly months: number;
  /** Paths of the Parquet files that were read, in order. */
  readonly files: readonly string[];
  readonly requests: number;
  readonly bytes: number;
}

export interface ColdQuestion {
  readonly user: UserKey;
  /** What ClickHouse lets go, asked before. */
  readonly letGo: Extent;
  /** Whether any changes of the user's profile may have left ClickHouse, asked after they were read. */
  readonly hasBase: () => Promise<boolean>;
  /** Handed events as they come, in no order; some may come twice. */
  readonly onEvents: (rows: readonly ColdRow[]) => void;
  /** Reads the manifest, no earlier than it is asked for, and maybe for others as well; it then counts in no report. */
  readonly manifest?: () => Promise<HeldManifest>;
}

/**
 * To be asked after ClickHouse: a row that was not there any more had been exported before.
 * @throws {Outage}
 * @throws {DamagedColdFile} a blob is gone or not what was written: the report would lack rows
 */
export async function readCold(
  { container, prefix }: ArchivePlace,
  { user, letGo, hasBase, onEvents, manifest: readManifest }: ColdQuestion,
): Promise<ColdRows> {
  const files = new Set<string>();
  let [requests, bytes, events] = [0, 0, 0];
  const store = new ColdStore(container, prefix, (path, read) => {
    requests += 1;
    bytes += read;
    if (path.endsWith('.parquet')) files.add(path);
  });
  const owner = [user.tenantId, user.userId] as const;
  const readAll = async (manifest: Manifest): Promise<readonly ColdRow[]> => {
    files.clear();
    events = 0;
    const onRows = (rows: readonly ColdRow[]): void => {
      events += rows.length;
      onEvents(rows);
    };
    const readChanges = async (): Promise<readonly ColdRow[]> => {
      const { files: listed } = manifest.profile_changes;
      // By default they stay in ClickHouse for good, and nobody asks Blob for any.
      if (listed === null || !(await hasBase())) return [];
      return coldRowsOf(store, PROFILE_CHANGES, { listed, owner });
    };
    const [changes] = await Promise.all([
      readChanges(),
      readColdEvents(store, manifest, { user: owner, onRows }),
    ]);
    return changes;
  };
  try {
    let { manifest, etag } = await (readManifest?.() ?? store.readManifest());
    assertReaches(manifest, letGo);
    const changes = await readAll(manifest).catch(async (error: unknown) => {
      if (!(error instanceof ColdBlobGone)) throw error;
      // Files are brought together, and those that were are removed some time after: what took their place is read.
      const before = etag;
      ({ manifest, etag } = await store.readManifest());
      if (etag === before) throw error;
      return readAll(manifest);
    });
    const { through, months } = manifest.events;
    const read = { files: [...files].sort(), requests, bytes };
    return { ...read, events, changes, through, months: Object.keys(months).length };
  } catch (error) {
    if (!(error instanceof DamagedColdFile)) throw error;
    throw new DamagedColdFile(
      `${error.message}: without it the report would lack what is only there; restore the blob from its versions, or from a copy of the account`,
      { cause: error },
    );
  }
}
