/** The parts of one running pipeline, as each of them sees the others. */
import type { KafkaAdmin } from '../kafka/admin.ts';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';
import type { RetrySettings } from '../retry.ts';
import type { Assignment } from './assignment.ts';
import type { Changes } from './changes.ts';
import type { Committer } from './committer.ts';
import type { Consumer } from './consumer.ts';
import type { Flusher } from './flusher.ts';
import type { Gatherer } from './gatherer.ts';
import type { Partition } from './partition.ts';
import type { BatchLimits, Pipeline, Timing } from './pipeline.ts';
import type { TopicIds } from './topic-ids.ts';

export interface RunnerParts {
  readonly pipeline: Pipeline;
  readonly limits: BatchLimits;
  readonly timing: Timing;
  readonly retry: RetrySettings;
  readonly admin: KafkaAdmin;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly consumer: Consumer;
  readonly changes: Changes;
  readonly gatherer: Gatherer;
  readonly flusher: Flusher;
  readonly committer: Committer;
  readonly assignment: Assignment;
  readonly topicIds: TopicIds;
  /** Finds out where these partitions begin, however long the sink is away. */
  resolve(partitions: readonly Partition[]): void;
}
