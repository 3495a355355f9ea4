/** The table schema_migrations: which files a database has, and with what text they were applied. */
import type { ClickHouseClient } from '@clickhouse/client';
import { asOutage } from '../../../pipelines/common/clickhouse/client.ts';
import { type Migration, onCluster, quoted, type SqlNames } from './migration-files.ts';

export interface AppliedMigration {
  readonly number: number;
  readonly name: string;
  readonly sha256: string;
  /** The program's version that applied it. */
  readonly program: string;
  /** For people, in UTC. */
  readonly appliedAt: string;
}

/** Empty also when there is no such database or table yet. */
export async function readApplied(
  clickhouse: ClickHouseClient,
  names: SqlNames,
): Promise<readonly AppliedMigration[]> {
  const tables = await select<{ name: string }>(
    clickhouse,
    "SELECT name FROM system.tables WHERE database = {database:String} AND name = 'schema_migrations'",
    { database: names.database },
  );
  if (tables.length === 0) return [];
  return select<AppliedMigration>(
    clickhouse,
    `SELECT number, name, sha256, program, toString(applied_at) AS appliedAt
     FROM {database:Identifier}.schema_migrations FINAL ORDER BY number`,
    { database: names.database },
  );
}

export async function databasesMissing(
  clickhouse: ClickHouseClient,
  { database, biDatabase }: SqlNames,
): Promise<readonly string[]> {
  const rows = await select<{ name: string }>(
    clickhouse,
    'SELECT name FROM system.databases WHERE name IN {names:Array(String)}',
    { names: [database, biDatabase] },
  );
  const found = new Set(rows.map(({ name }) => name));
  return [...new Set([database, biDatabase])].filter((name) => !found.has(name));
}

export async function createDatabase(
  clickhouse: ClickHouseClient,
  { name, names }: { readonly name: string; readonly names: SqlNames },
): Promise<void> {
  await run(clickhouse, `CREATE DATABASE IF NOT EXISTS ${quoted(name)} ${onCluster(names)}`);
}

/** Creates the table when it is the first, so that the record of a file is never older than the table it stands in. */
export async function recordApplied(
  clickhouse: ClickHouseClient,
  { migration, names, program }: { migration: Migration; names: SqlNames; program: string },
): Promise<void> {
  const table = `${quoted(names.database)}.schema_migrations`;
  const replicated = names.cluster === null ? '' : 'Replicated';
  await run(
    clickhouse,
    `CREATE TABLE IF NOT EXISTS ${table} ${onCluster(names)}
     (
         number     UInt32               COMMENT 'Number of the file',
         name       String               COMMENT 'Name of the file',
         sha256     String               COMMENT 'Of its text, hex',
         program    String               COMMENT 'Version of campaign-ledger that applied it',
         applied_at DateTime64(3, 'UTC') COMMENT 'When it was applied'
     )
     ENGINE = ${replicated}ReplacingMergeTree(applied_at) ORDER BY number
     SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
     COMMENT 'Which files of schemas/clickhouse this database has'`,
  );
  await run(
    clickhouse,
    `INSERT INTO ${table} (number, name, sha256, program, applied_at)
     SELECT {number:UInt32}, {name:String}, {sha256:String}, {program:String}, now64(3)`,
    { number: migration.number, name: migration.name, sha256: migration.sha256, program },
  );
}

export async function run(
  clickhouse: ClickHouseClient,
  query: string,
  parameters: Record<string, unknown> = {},
): Promise<void> {
  try {
    await clickhouse.command({ query, query_params: parameters });
  } catch (error) {
    throw asOutage(error);
  }
}

async function select<Row>(
  clickhouse: ClickHouseClient,
  query: string,
  parameters: Record<string, unknown>,
): Promise<Row[]> {
  try {
    const result = await clickhouse.query({ query, query_params: parameters, format: 'JSONEachRow' });
    return await result.json<Row>();
  } catch (error) {
    throw asOutage(error);
  }
}
