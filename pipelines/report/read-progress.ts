/** How far the pipelines have written each partition into ClickHouse. */
import type { PipelineName } from '../../config/schema.ts';
import { selectRows } from '../common/clickhouse/select.ts';
import type { ReportReader } from './read-clickhouse.ts';

export interface PipelinePosition {
  readonly topic: string;
  /** The next offset that it needs; what is below is durable. */
  readonly next: number;
}

/** By pipeline and partition (`<topic id>/<partition>`). */
export type PipelinePositions = Readonly<
  Partial<Record<PipelineName, ReadonlyMap<string, PipelinePosition>>>
>;

/** @throws {Outage} */
export async function readPositions({ clickhouse, database }: ReportReader): Promise<PipelinePositions> {
  const rows = await selectRows<readonly [PipelineName, string, string, string]>(
    clickhouse,
    `SELECT pipeline, concat(topic_id, '/', toString(partition)), any(topic), toString(argMax(next_offset, (epoch, next_offset)))
     FROM {database:Identifier}.progress
     GROUP BY pipeline, topic_id, partition`,
    { database },
  );
  const byPipeline = Map.groupBy(rows, ([pipeline]) => pipeline);
  return Object.fromEntries(
    [...byPipeline].map(([pipeline, some]) => [
      pipeline,
      new Map(some.map(([, source, topic, next]) => [source, { topic, next: Number(next) }])),
    ]),
  );
}
