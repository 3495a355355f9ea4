/** The client for ClickHouse, with the settings on which durability rests. */
import { Agent as HttpsAgent } from 'node:https';
import {
  type ClickHouseClient,
  ClickHouseLogLevel,
  type ClickHouseSettings,
  createClient,
} from '@clickhouse/client';
import type { Config } from '../../../config/schema.ts';
import { readTls } from '../tls.ts';

export type { ClickHouseClient } from '@clickhouse/client';
export { asOutage, isRowFault } from './errors.ts';

/**
 * An insert answers when it is on disk, not when it is queued; every error arrives as a status and not in the middle
 * of a body; a batch may span any number of days; rows are not collapsed on their way in, which costs twice the CPU and
 * changes no answer. FINAL must not work partition by partition: copies of one event may lie in different days.
 */
export const CLICKHOUSE_SETTINGS: ClickHouseSettings = {
  async_insert: 0,
  wait_end_of_query: 1,
  max_partitions_per_insert_block: '0',
  optimize_on_insert: 0,
  do_not_merge_across_partitions_select_final: 0,
};

/**
 * On a cluster a majority of replicas has an insert before it is acknowledged, and a read sees every insert that was:
 * profiles are folded from what was stored a moment ago, wherever the balancer sends the question.
 * (ClickHouse docs, settings `insert_quorum` and `select_sequential_consistency`)
 */
export const CLUSTER_SETTINGS: ClickHouseSettings = {
  insert_quorum: 'auto',
  insert_quorum_parallel: 0,
  select_sequential_consistency: '1',
};

export interface ClickHouseOptions {
  /** More settings, or others, for every statement. */
  readonly settings?: ClickHouseSettings;
  /** The database that unqualified names are in; `clickhouse.database` when left out, none for null. */
  readonly database?: string | null;
  /** Sockets, and so statements at one time. */
  readonly maxOpenConnections?: number;
}

/** Does not connect: the first statement does. */
export function createClickHouse(
  config: Pick<Config, 'clickhouse'>,
  options: ClickHouseOptions = {},
): ClickHouseClient {
  const { clickhouse } = config;
  const { settings = {}, database = clickhouse.database, maxOpenConnections = 10 } = options;
  return createClient({
    url: clickhouse.url,
    username: clickhouse.username,
    password: clickhouse.password ?? '',
    ...(database === null ? {} : { database }),
    application: 'campaign-ledger',
    request_timeout: clickhouse.requestTimeoutMs,
    max_open_connections: maxOpenConnections,
    clickhouse_settings: {
      ...CLICKHOUSE_SETTINGS,
      ...(clickhouse.cluster === null ? {} : CLUSTER_SETTINGS),
      ...settings,
    },
    // Errors are thrown and logged once, by whoever knows what was being tried.
    log: { level: ClickHouseLogLevel.OFF },
    ...(clickhouse.url.startsWith('https:')
      ? {
          http_agent: new HttpsAgent({
            keepAlive: true,
            maxSockets: maxOpenConnections,
            ...readTls('clickhouse.tls', clickhouse.tls),
          }),
        }
      : {}),
  });
}
