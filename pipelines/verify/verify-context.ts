/** What every part of a check works with. */
import type { Config } from '../../config/schema.ts';
import type { ArchivePlace } from '../archive/listing.ts';
import type { ClickHouseClient } from '../common/clickhouse/client.ts';
import type { Clock } from '../common/clock.ts';
import type { KafkaAdmin } from '../common/kafka/admin.ts';
import type { WriterSchemas } from '../common/registry/writer-schemas.ts';
import type { ColdTier } from './cold-tier.ts';
import type { Findings } from './findings.ts';

export interface VerifyContext extends ArchivePlace {
  readonly config: Config;
  readonly admin: KafkaAdmin;
  readonly client: ClickHouseClient;
  readonly schemas: WriterSchemas;
  readonly findings: Findings;
  readonly cold: ColdTier;
  readonly clock: Clock;
  /** Repeats a question through an outage, for a while. */
  readonly retry: <T>(ask: () => Promise<T>) => Promise<T>;
  readonly progress: Progress;
}

export interface Progress {
  /** @param known how many records there are to be checked, as far as it is known */
  begin(topic: string, known: number): void;
  records(count: number): void;
}
