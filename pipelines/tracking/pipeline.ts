/** Delivery and feedback events, and the campaigns they belong to, on their way into ClickHouse. */
import { topicNames } from '../../config/topics.ts';
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
import { CAMPAIGN_COLUMNS, CAMPAIGN_ROWS, DELIVERY_ROWS, EVENT_COLUMNS, FEEDBACK_ROWS } from './rows.ts';

export function createTrackingPipeline(dependencies: PipelineDependencies): Pipeline {
  const { config, logger, metrics, clock, signal } = dependencies;
  const pipeline = 'tracking';
  const topics = topicNames(config);
  const limits = timeLimits(config);
  const client = createClickHouse(config);
  const schemas = new WriterSchemas({ settings: config.schemaRegistry, clock });
  const letters = new LetterProducer({ config, logger });
  const progress = new Progress({ pipeline, client, clock, signal });

  const encoders = new Map(
    [
      { topic: topics.delivery, spec: DELIVERY_ROWS },
      { topic: topics.feedback, spec: FEEDBACK_ROWS },
      { topic: topics.definitions, spec: CAMPAIGN_ROWS },
    ].map(({ topic, spec }) => [
      topic,
      new RecordEncoder({ pipeline, topic, spec, limits, schemas, metrics }),
    ]),
  );

  return {
    name: pipeline,
    topics: [...encoders.keys()],
    flush: 'together',
    sink: createClickHouseSink({
      pipeline,
      encoders,
      progress,
      metrics,
      chain: [
        storeRows({
          pipeline,
          client,
          signal,
          logger,
          table: 'campaigns',
          columns: sqlColumns(CAMPAIGN_COLUMNS),
          topics: new Set([topics.definitions]),
        }),
        storeRows({
          pipeline,
          client,
          signal,
          logger,
          table: 'events',
          columns: sqlColumns(EVENT_COLUMNS),
          topics: new Set([topics.delivery, topics.feedback]),
        }),
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
