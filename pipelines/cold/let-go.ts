/** What ClickHouse lets go as being in the cold tier, as the table itself says (see retention/ttl-gate.ts), held against the manifest. */
import type { ClickHouseClient } from '@clickhouse/client';
import { selectRows } from '../common/clickhouse/select.ts';
import { COLD_FOLDER } from './cold-store.ts';
import type { Extent } from './exported.ts';
import type { Manifest } from './manifest.ts';
import { DamagedColdFile } from './read-parquet.ts';

const THROUGH = /occurred_at\)\s*<=\s*toDate\('(\d{4}-\d{2}-\d{2})'\)\)?\s*AND\s*\(?offset\s*</i;
const NEXT = /\boffset\s*<\s*transform\(source,\s*\[([^\]]*)\],\s*\[([^\]]*)\]/i;

/** Rows that may have gone; through null: none. @throws {Outage} */
export async function readLetGo(client: ClickHouseClient, database: string): Promise<Extent> {
  const rows = await selectRows<readonly [string]>(
    client,
    `SELECT create_table_query FROM system.tables WHERE database = {database:String} AND name = 'events'`,
    { database },
  );
  const text = rows[0]?.[0] ?? '';
  const through = THROUGH.exec(text)?.[1] ?? null;
  const [, sources = '', offsets = ''] = NEXT.exec(text) ?? [];
  const next = offsets.match(/\d+/g)?.map(Number) ?? [];
  const names = Array.from(sources.matchAll(/'([^']*)'/g), ([, name = '']) => name);
  return { through, next: Object.fromEntries(names.map((name, index) => [name, next[index] ?? 0])) };
}

/**
 * A manifest that was deleted, or put back from long ago, looks like a cold tier that was never filled.
 * @param letGo read before the manifest, which is always replaced first
 * @throws {DamagedColdFile}
 */
export function assertReaches({ events }: Pick<Manifest, 'events'>, letGo: Extent): void {
  if (letGo.through === null) return;
  const where = `${COLD_FOLDER}manifest.json`;
  if (letGo.through > (events.through ?? '')) {
    const state = events.through === null ? 'is gone, or names no day' : `ends at ${events.through}`;
    throw new DamagedColdFile(
      `ClickHouse lets go events of days up to ${letGo.through} as being in the cold tier, but ${where} ${state}`,
    );
  }
  for (const [source, offset] of Object.entries(letGo.next)) {
    const known = events.next[source] ?? 0;
    if (offset > known)
      throw new DamagedColdFile(
        `ClickHouse lets go events of ${source} up to offset ${offset} as being in the cold tier, but ${where} knows of it up to ${known}`,
      );
  }
}
