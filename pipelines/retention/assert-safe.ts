/** What must be so before retention does anything: that it knows what is in the cold tier, and that ClickHouse is whole. */
import type { ClickHouseClient } from '@clickhouse/client';
import type { ColdStore, HeldManifest } from '../cold/cold-store.ts';
import { assertReaches, readLetGo } from '../cold/let-go.ts';
import { DamagedColdFile } from '../cold/read-parquet.ts';
import { selectRows } from '../common/clickhouse/select.ts';
import { exportedIn } from '../profiles/cold-histories.ts';
import type { SourceState } from './confirmed.ts';
import { setBackText } from './reasons.ts';

/** ClickHouse has less than the cold tier. Nothing is lost, and nothing may go until it is whole again. */
export class ClickHouseBehind extends Error {
  override readonly name = 'ClickHouseBehind';
}

const MEND =
  'nothing was exported, let go, removed or restored. Restore the manifest from its versions, or from a copy of the account; docs/retention.md says what to do where there is none';

interface ManifestOptions {
  readonly client: ClickHouseClient;
  readonly database: string;
  readonly store: ColdStore;
}

/**
 * By a manifest that was deleted, or put back from long ago, files would be swept that are needed, and rows be taken for
 * exported that are not.
 * @throws {DamagedColdFile}
 * @throws {Outage}
 */
export async function assertManifest(
  { manifest, etag }: HeldManifest,
  { client, database, store }: ManifestOptions,
): Promise<void> {
  try {
    assertReaches(manifest, await readLetGo(client, database));
    await assertBasesKnown(client, exportedIn(manifest));
    if (etag === null)
      for await (const { path } of store.files())
        throw new DamagedColdFile(
          `tracking/manifest.json is gone, but there are files that it named, as ${path}`,
        );
  } catch (error) {
    if (!(error instanceof DamagedColdFile)) throw error;
    throw new DamagedColdFile(`${error.message}: ${MEND}`, { cause: error });
  }
}

async function assertBasesKnown(client: ClickHouseClient, exported: bigint): Promise<void> {
  const [[most] = ['0']] = await selectRows<readonly [string]>(
    client,
    'SELECT toString(max(exported)) FROM profile_bases',
    {},
  );
  if (BigInt(most) > exported)
    throw new DamagedColdFile('tracking/manifest.json is older than what profiles are based on');
}

/**
 * Of a day that is half there the rest would be taken for exported when it comes.
 * @throws {ClickHouseBehind}
 */
export function assertWhole(sources: readonly SourceState[]): void {
  const text = setBackText(sources);
  if (text === null) return;
  throw new ClickHouseBehind(
    `${text}: it was lost or set back, and what it lacks is still to come. Nothing was exported or let go. \`campaign-ledger archive restore --all\` brings it back, or the pipelines do by themselves where Kafka has it (\`campaign-ledger offsets list\`)`,
  );
}
