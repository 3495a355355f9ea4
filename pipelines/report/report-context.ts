/** The clients that a report is made with. */
import type { Config } from '../../config/schema.ts';
import { topicNames } from '../../config/topics.ts';
import { createContainer } from '../common/blob/container.ts';
import { createClickHouse } from '../common/clickhouse/client.ts';
import type { Clock } from '../common/clock.ts';
import { WriterSchemas } from '../common/registry/writer-schemas.ts';
import type { RecordedBy } from './report.ts';
import type { ReportContext } from './user-report.ts';

/** A report only reads: it may ask again. */
const BLOB_TRIES = 3;

export interface ContextOptions {
  readonly clock: Clock;
  readonly isLocalOnly: boolean;
  /** To ClickHouse. */
  readonly maxOpenConnections?: number;
}

/**
 * Does not connect: the first requests do. The registry is asked only where there is something that ClickHouse does not
 * have yet.
 * @throws {UsageError} no account of Blob is configured, and it is not left out
 */
export function openReportContext(
  config: Config,
  { clock, isLocalOnly, maxOpenConnections }: ContextOptions,
): { readonly context: ReportContext; close(): Promise<void> } {
  const blob = isLocalOnly
    ? null
    : {
        place: { container: createContainer(config, { maxTries: BLOB_TRIES }), prefix: config.blob.prefix },
        config,
        schemas: new WriterSchemas({ settings: config.schemaRegistry, clock }),
      };
  const clickhouse = createClickHouse(config, maxOpenConnections === undefined ? {} : { maxOpenConnections });
  return {
    context: {
      clickhouse,
      database: config.clickhouse.database,
      blob,
      readClock: () => readRecordedBy(config),
    },
    close: async () => {
      await Promise.all([clickhouse.close(), blob?.schemas.close()]);
    },
  };
}

/** A report does not wait long for Kafka, which it needs for this alone. */
const KAFKA_TIMEOUT_MS = 3_000;

/** Whose clock Kafka's timestamps are, by how the topics are set now. */
async function readRecordedBy(config: Config): Promise<RecordedBy> {
  const names = Object.values(topicNames(config));
  const kafka = { ...config.kafka, requestTimeoutMs: KAFKA_TIMEOUT_MS };
  const { readTopicSettings } = await import('../../schemas/migrate/topics/topic-settings.ts');
  const settings = await readTopicSettings({ kafka }, names).catch(() => null);
  if (settings === null) return 'unknown';
  const isBrokers = (name: string) => settings.get(name)?.get('message.timestamp.type') === 'LogAppendTime';
  return names.every(isBrokers) ? 'broker' : 'producers';
}
