/** What a retention run works with. */
import type { ContainerClient } from '@azure/storage-blob';
import type { ClickHouseClient } from '@clickhouse/client';
import type { Config } from '../../config/schema.ts';
import { ColdStore } from '../cold/cold-store.ts';
import { createContainer } from '../common/blob/container.ts';
import { createClickHouse } from '../common/clickhouse/client.ts';
import type { Clock } from '../common/clock.ts';
import type { Logger } from '../common/logger.ts';

export interface RetentionContext {
  readonly config: Config;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly client: ClickHouseClient;
  readonly container: ContainerClient;
  readonly store: ColdStore;
}

/** To be closed by `context.client.close()`. */
export function createRetentionContext({
  config,
  logger,
  clock,
}: Pick<RetentionContext, 'config' | 'logger' | 'clock'>): RetentionContext {
  const container = createContainer(config);
  const store = new ColdStore(container, config.blob.prefix);
  return { config, logger, clock, client: createClickHouse(config), container, store };
}
