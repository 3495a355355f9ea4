/** What campaigns' reports are made with: a client for ClickHouse of their own, and what retention has noted. */
import type { Config } from '../../config/schema.ts';
import { createClickHouse } from '../common/clickhouse/client.ts';
import { readKeptSince } from './kept-since.ts';
import type { CampaignContext } from './make-report.ts';

/** Counting many millions of messages takes a while, and ClickHouse says nothing before it has done so. */
const LEAST_REQUEST_TIMEOUT_MS = 3_600_000;

/** A report asks for its messages, the hours of their events, the definition, whether there are events, and its groups. */
const CONNECTIONS_PER_REPORT = 5;

export interface CampaignContextOptions {
  /** That are made at one time. */
  readonly reports: number;
}

/** Does not connect: the first question does. */
export function openCampaignContext(
  config: Config,
  { reports }: CampaignContextOptions,
): { readonly context: CampaignContext; close(): Promise<void> } {
  const requestTimeoutMs = Math.max(config.clickhouse.requestTimeoutMs, LEAST_REQUEST_TIMEOUT_MS);
  const clickhouse = createClickHouse(
    { clickhouse: { ...config.clickhouse, requestTimeoutMs } },
    { maxOpenConnections: Math.max(1, reports) * CONNECTIONS_PER_REPORT },
  );
  return {
    context: {
      clickhouse,
      database: config.clickhouse.database,
      readKeptSince: (now) => readKeptSince(config, now),
    },
    close: () => clickhouse.close(),
  };
}
