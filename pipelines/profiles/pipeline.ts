/** Profile changes on their way into ClickHouse: stored as they came, then folded into the versions of their users. */
import type { Config } from '../../config/schema.ts';
import { topicNames } from '../../config/topics.ts';
import type { ColdStore } from '../cold/cold-store.ts';
import { createClickHouse } from '../common/clickhouse/client.ts';
import { createClickHouseSink } from '../common/clickhouse-sink/clickhouse-sink.ts';
import { storeRows } from '../common/clickhouse-sink/insert-step.ts';
import { Progress } from '../common/clickhouse-sink/progress.ts';
import { RecordEncoder } from '../common/clickhouse-sink/record-encoder.ts';
import { LetterProducer } from '../common/dead-letters/letter-producer.ts';
import { sendDeadLetters } from '../common/dead-letters/letter-step.ts';
import { WriterSchemas } from '../common/registry/writer-schemas.ts';
import type { Pipeline, PipelineDependencies } from '../common/runner/pipeline.ts';
import { sqlColumns } from '../common/transcode/row-spec.ts';
import { timeLimits } from '../common/transcode/time-limits.ts';
import { foldProfiles } from './fold-step.ts';
import { CHANGE_COLUMNS, CHANGE_ROWS } from './rows.ts';

export function createProfilesPipeline(dependencies: PipelineDependencies): Pipeline {
  const { config, logger, metrics, clock, signal } = dependencies;
  const pipeline = 'profiles';
  const topic = topicNames(config).profiles;
  const client = createClickHouse(config);
  const schemas = new WriterSchemas({ settings: config.schemaRegistry, clock });
  const letters = new LetterProducer({ config, logger });
  const progress = new Progress({ pipeline, client, clock, signal });
  const cold = openOnce(config);
  const folding = foldProfiles({ pipeline, client, signal, cold });
  const encoder = new RecordEncoder({
    pipeline,
    topic,
    spec: CHANGE_ROWS,
    limits: timeLimits(config),
    schemas,
    metrics,
  });

  return {
    name: pipeline,
    topics: [topic],
    flush: 'together',
    sink: createClickHouseSink({
      pipeline,
      encoders: new Map([[topic, encoder]]),
      onRow: folding.onRow,
      progress,
      metrics,
      chain: [
        storeRows({
          pipeline,
          client,
          signal,
          logger,
          table: 'profile_changes',
          columns: sqlColumns(CHANGE_COLUMNS),
          topics: new Set([topic]),
        }),
        folding.step,
        sendDeadLetters({ pipeline, producer: letters, clock, metrics, logger }),
        progress.record(),
      ],
      close: async () => {
        await letters.close();
        await schemas.close();
        await client.close();
      },
    }),
  };
}

/** Most processes never need it: neither its libraries nor its rights. */
function openOnce(config: Config): () => Promise<ColdStore> {
  let opened: Promise<ColdStore> | null = null;
  const open = async () => {
    const [{ ColdStore: Store }, { createContainer }] = await Promise.all([
      import('../cold/cold-store.ts'),
      import('../common/blob/container.ts'),
    ]);
    return new Store(createContainer(config), config.blob.prefix);
  };
  return () => {
    opened ??= open();
    return opened;
  };
}
