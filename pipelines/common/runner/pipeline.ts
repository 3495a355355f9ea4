/** What a pipeline is to the runner, and what the runner is given to run it. */
import type { Config, PipelineName } from '../../../config/schema.ts';
import type { Clock } from '../clock.ts';
import type { KafkaAdmin } from '../kafka/admin.ts';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';
import type { Sink } from '../sink.ts';

export interface Pipeline {
  readonly name: PipelineName;
  /** Names as in Kafka, prefix included. */
  readonly topics: readonly string[];
  readonly sink: Sink;
  /**
   * `partition`: each partition is written by itself, several at a time (a segment belongs to one partition).
   * `together`: all partitions are written in one call, one call at a time (few large inserts).
   */
  readonly flush: 'partition' | 'together';
}

/** What `create<Name>Pipeline` in `pipelines/<name>/pipeline.ts` is given. */
export interface PipelineDependencies {
  readonly config: Config;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** Aborted when the process must give up whatever it still waits for. */
  readonly signal: AbortSignal;
}

export type CreatePipeline = (dependencies: PipelineDependencies) => Pipeline | Promise<Pipeline>;

export interface BatchLimits {
  readonly maxBatchRecords: number;
  readonly maxBatchBytes: number;
  /** Milliseconds from the gathering of a batch's first record to its write. */
  readonly flushIntervalMs: number;
  readonly maxBufferedBytes: number;
}

/** Milliseconds, all of them monotonic: a clock that jumps moves none. Tests shorten them. */
export interface Timing {
  /** Between two looks at watermarks, topic ids and stalled partitions. */
  readonly checkMs: number;
  /** Between two looks at a stopped partition, so that a repair takes effect without a restart. */
  readonly reexamineMs: number;
  /** A partition that has more to read but hands out nothing for so long is started again. */
  readonly stallMs: number;
  /** How long a revoked partition may keep the group waiting for its write in flight. */
  readonly releaseMs: number;
  /** How long the buffers may be full before reading is paused, so that the group is still polled. */
  readonly pauseAfterMs: number;
  /**
   * The broker-side protocol says nothing to a member for which there is no partition: a member that Kafka answers, and
   * that has heard nothing for so long, has none. Two heartbeats at the brokers' default.
   */
  readonly unheardMs: number;
}

export const DEFAULT_TIMING: Timing = {
  checkMs: 5_000,
  reexamineMs: 30_000,
  stallMs: 30_000,
  releaseMs: 3_000,
  pauseAfterMs: 500,
  unheardMs: 10_000,
};

export interface RunOptions {
  readonly pipeline: Pipeline;
  readonly limits: BatchLimits;
  readonly config: Config;
  readonly admin: KafkaAdmin;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** Aborted to drain: what is gathered is written and committed, then the group is left. */
  readonly signal: AbortSignal;
  readonly timing?: Partial<Timing>;
}

export interface PipelineStatus {
  /** Why it should get no work yet or no longer; null when it is ready. */
  readonly unready: string | null;
}

export interface RunningPipeline {
  readonly name: string;
  /** Resolves when it has drained after `signal`; rejects with the fault that ended it. */
  readonly finished: Promise<void>;
  status(): PipelineStatus;
}
