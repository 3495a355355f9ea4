/** What ClickHouse lets go because the cold tier has it, as the table itself says: see retention/ttl-gate.ts. */
import { selectRows } from '../common/clickhouse/select.ts';
import type { ReportReader } from './read-clickhouse.ts';

const EXPORTED = /occurred_at\)\s*<=\s*toDate\('(\d{4}-\d{2}-\d{2})'\)\)?\s*AND\s*\(?offset\s*</i;

/**
 * @returns the last day of which rows may have gone, `2026-08-03`; null: none
 * @throws {Outage}
 */
export async function readLetGoThrough({ clickhouse, database }: ReportReader): Promise<string | null> {
  const rows = await selectRows<readonly [string]>(
    clickhouse,
    `SELECT create_table_query FROM system.tables WHERE database = {database:String} AND name = 'events'`,
    { database },
  );
  return EXPORTED.exec(rows[0]?.[0] ?? '')?.[1] ?? null;
}
