/** One measurement's own names: a group, tables and a place in the container that no other measurement has. */
import { join } from 'node:path';
import { loadConfig } from '../../config/load.ts';
import type { Config } from '../../config/schema.ts';
import { topicNames } from '../../config/topics.ts';
import { type ClickHouseClient, createClickHouse } from '../../pipelines/common/clickhouse/client.ts';
import { readMigrations } from '../../schemas/migrate/clickhouse/migration-files.ts';
import { planTables } from '../../schemas/migrate/clickhouse/plan-tables.ts';

export interface TrialOptions {
  readonly configFile: string;
  /** Unique in the run; letters, digits and underscores. */
  readonly name: string;
  readonly logDir: string;
  readonly events: number;
  /** Which topic is read. */
  readonly role: 'feedback' | 'profiles';
  /** In front of the names of topics. */
  readonly topicPrefix?: string;
  /** Where child processes leave their V8 CPU profiles; null: none are taken. */
  readonly profileDir: string | null;
}

export class Trial implements AsyncDisposable {
  readonly config: Config;
  /** What makes the command line use this trial's names; everything else is as configured by default. */
  readonly env: Readonly<Record<string, string>>;
  /** In the trial's own database. */
  readonly clickhouse: ClickHouseClient;
  /** In none: for what does not need the tables. */
  readonly server: ClickHouseClient;
  readonly options: TrialOptions;

  private constructor(options: TrialOptions, { config, env }: Pick<Trial, 'config' | 'env'>) {
    this.options = options;
    this.config = config;
    this.env = env;
    this.clickhouse = createClickHouse(config);
    this.server = createClickHouse(config, { database: null });
  }

  static async create(options: TrialOptions): Promise<Trial> {
    const { configFile, name, topicPrefix = '', profileDir } = options;
    const env = {
      CAMPAIGN_LEDGER_KAFKA_GROUP_PREFIX: name,
      CAMPAIGN_LEDGER_KAFKA_TOPIC_PREFIX: topicPrefix,
      CAMPAIGN_LEDGER_CLICKHOUSE_DATABASE: name,
      CAMPAIGN_LEDGER_CLICKHOUSE_BI_DATABASE: `${name}_bi`,
      CAMPAIGN_LEDGER_BLOB_PREFIX: `${name}/`,
      CAMPAIGN_LEDGER_LOG_FORMAT: 'json',
    };
    const config = await loadConfig({ file: configFile, env });
    const profiling =
      profileDir === null
        ? {}
        : {
            NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profileDir} --cpu-prof-name=${name}-\${pid}.cpuprofile`,
          };
    return new Trial(options, { config, env: { ...env, ...profiling } });
  }

  get logFile(): string {
    return join(this.options.logDir, `${this.options.name}.log`);
  }

  get topic(): string {
    return topicNames(this.config)[this.options.role];
  }

  /** All of them, as `migrate` makes them. */
  async createTables(): Promise<void> {
    const options = { names: this.config.clickhouse, migrations: readMigrations(), program: 'bench' };
    for (const change of (await planTables(this.server, options)).changes) await change.apply();
  }

  async number(query: string, parameters: Record<string, unknown> = {}): Promise<number> {
    const answer = await this.clickhouse.query({
      query,
      query_params: parameters,
      format: 'JSONCompactEachRow',
    });
    const [[value] = []] = await answer.json<[string | number]>();
    return Number(value);
  }

  /** Tables of one trial would go on merging during the next. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { database, biDatabase } = this.config.clickhouse;
    for (const name of [biDatabase, database])
      await this.server.command({ query: `DROP DATABASE IF EXISTS ${name} SYNC` });
    await Promise.all([this.clickhouse.close(), this.server.close()]);
  }
}
