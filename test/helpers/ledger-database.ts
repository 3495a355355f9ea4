/** Databases of a test's own on the shared stack, with all tables and views. */
import { randomUUID } from 'node:crypto';
import { loadConfig } from '../../config/load.ts';
import type { Config } from '../../config/schema.ts';
import { type ClickHouseClient, createClickHouse } from '../../pipelines/common/clickhouse/client.ts';
import { readMigrations } from '../../schemas/migrate/clickhouse/migration-files.ts';
import { planTables } from '../../schemas/migrate/clickhouse/plan-tables.ts';

export class LedgerDatabase implements AsyncDisposable {
  readonly config: Config;
  /** Of the tables; unqualified names are in it. */
  readonly database: string;
  /** Of the BI views. */
  readonly bi: string;
  readonly client: ClickHouseClient;

  private constructor(config: Config) {
    this.config = config;
    this.database = config.clickhouse.database;
    this.bi = config.clickhouse.biDatabase;
    this.client = createClickHouse(config);
  }

  static async create(configFile: string): Promise<LedgerDatabase> {
    const name = `test_${randomUUID().replaceAll('-', '')}`;
    const overrides = { clickhouse: { database: name, biDatabase: `${name}_bi` } };
    const ledger = new LedgerDatabase(await loadConfig({ file: configFile, overrides }));
    const options = { names: ledger.config.clickhouse, migrations: readMigrations(), program: 'test' };
    const client = createClickHouse(ledger.config, { database: null });
    for (const change of (await planTables(client, options)).changes) await change.apply();
    await client.close();
    return ledger;
  }

  async rows<Row = Record<string, unknown>>(
    query: string,
    query_params: Record<string, unknown> = {},
  ): Promise<Row[]> {
    const answer = await this.client.query({ query, query_params, format: 'JSONEachRow' });
    return answer.json<Row>();
  }

  async insert(table: string, values: readonly object[]): Promise<void> {
    if (values.length > 0) await this.client.insert({ table, values, format: 'JSONEachRow' });
  }

  /** What the merges in the background arrive at some day. */
  async mergeEverything(tables: readonly string[]): Promise<void> {
    for (const table of tables) await this.client.command({ query: `OPTIMIZE TABLE ${table} FINAL` });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of [this.bi, this.database]) {
      await this.client.command({ query: `DROP DATABASE IF EXISTS ${name}` });
    }
    await this.client.close();
  }
}
