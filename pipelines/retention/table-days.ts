/** What ClickHouse holds of each day, and how much space everything takes. */
import type { ClickHouseClient } from '@clickhouse/client';
import type { Extent } from '../cold/exported.ts';
import { selectRows } from '../common/clickhouse/select.ts';

/** Bytes on disk by day of `events`, oldest first. */
export interface TableSizes {
  readonly days: readonly { readonly day: string; readonly rows: number; readonly bytes: number }[];
  /** Of all tables of the database, as `system.parts` counts active parts. */
  readonly bytes: number;
}

/**
 * Rows of a day that are not to go: the first of them in each source. Of a day without such all rows may go.
 */
export interface Unconfirmed {
  readonly day: string;
  /** `<topic id>/<partition>` */
  readonly source: string;
  readonly offset: number;
  readonly rows: number;
}

/** @throws {Outage} */
export async function readSizes(client: ClickHouseClient, database: string): Promise<TableSizes> {
  const rows = await selectRows<readonly [string, string, string, string]>(
    client,
    `SELECT table, if(table = 'events', partition, '') AS day, toString(sum(rows)), toString(sum(bytes_on_disk))
     FROM system.parts WHERE active AND database = {database:String}
     GROUP BY table, day ORDER BY table, day`,
    { database },
  );
  const days = rows
    // What is left of a part that was emptied stands there for some minutes.
    .filter(([table, , count]) => table === 'events' && count !== '0')
    .map(([, day, count, bytes]) => ({
      day: `${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6, 8)}`,
      rows: Number(count),
      bytes: Number(bytes),
    }));
  return { days, bytes: rows.reduce((sum, [, , , bytes]) => sum + Number(bytes), 0) };
}

/**
 * @param through the last day to look at
 * @throws {Outage}
 */
export async function readUnconfirmed(
  client: ClickHouseClient,
  { through, next }: Extent,
): Promise<Unconfirmed[]> {
  if (through === null) return [];
  const sources = Object.keys(next).sort();
  const rows = await selectRows<readonly [string, string, string, string]>(
    client,
    `SELECT toString(toDate(occurred_at)) AS day, source, toString(min(offset)), toString(count())
     FROM events
     WHERE toDate(occurred_at) <= {through:Date}
       AND NOT offset < transform(source, {sources:Array(String)}, {next:Array(UInt64)}, 0)
     GROUP BY day, source ORDER BY day, source`,
    // An array without elements has no type that transform could take.
    {
      through,
      sources: sources.length === 0 ? [''] : sources,
      next: sources.length === 0 ? [0] : sources.map((source) => next[source] ?? 0),
    },
  );
  return rows.map(([day, source, offset, count]) => ({
    day,
    source,
    offset: Number(offset),
    rows: Number(count),
  }));
}
