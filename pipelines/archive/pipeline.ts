/** Every record of every topic, as it came, into Azure Blob. The archive keeps everything and judges nothing. */
import { topicNames } from '../../config/topics.ts';
import { createContainer } from '../common/blob/container.ts';
import { WriterSchemas } from '../common/registry/writer-schemas.ts';
import type { Pipeline, PipelineDependencies } from '../common/runner/pipeline.ts';
import { ArchiveSink, PIPELINE } from './archive-sink.ts';
import { SegmentSchemas } from './batch-schemas.ts';
import { GapRecords } from './gap-records.ts';
import { HeadStore } from './head.ts';
import { SegmentStore } from './segment-store.ts';

/**
 * For each batch of a partition:
 *
 *     head: intent [first..last]  ─►  a segment for each writer schema  ─►  head: next = last + 1
 *     (who loses this is fenced)      (who comes second finds it equal)
 *
 * @throws {UsageError} the configuration does not lead to a container
 */
export function createArchivePipeline({ config, logger, metrics, clock }: PipelineDependencies): Pipeline {
  const { prefix } = config.blob;
  const container = createContainer(config);
  const heads = new HeadStore(container, prefix);
  const gaps = new GapRecords(container, { prefix, heads });
  const registry = new WriterSchemas({ settings: config.schemaRegistry, clock });

  return {
    name: PIPELINE,
    topics: Object.values(topicNames(config)),
    flush: 'partition',
    sink: Object.assign(
      new ArchiveSink({
        heads,
        segments: new SegmentStore(container, prefix),
        schemas: new SegmentSchemas(registry),
        metrics,
        logger,
        close: () => registry.close(),
      }),
      { acceptGap: gaps.acceptGap.bind(gaps) },
    ),
  };
}
