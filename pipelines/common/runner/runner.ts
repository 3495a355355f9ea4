/** Runs one pipeline: reads Kafka, gathers batches, has them written and committed, until it is told to drain. */
import { setTimeout as sleep } from 'node:timers/promises';
import type kafka from '@confluentinc/kafka-javascript';
import { topicNames } from '../../../config/topics.ts';
import { Outage } from '../errors.ts';
import { faultPoint } from '../fault-points.ts';
import type { TopicPartition } from '../kafka/admin.ts';
import { consumerSettings } from '../kafka/client-settings.ts';
import { retryOutage } from '../retry.ts';
import { Assignment } from './assignment.ts';
import { Changes } from './changes.ts';
import { judgeClientError, Repetition } from './client-errors.ts';
import { Committer } from './committer.ts';
import { Consumer } from './consumer.ts';
import { Flusher } from './flusher.ts';
import { Gatherer } from './gatherer.ts';
import type { Lane } from './lane.ts';
import type { Partition } from './partition.ts';
import type { RunnerParts } from './parts.ts';
import { DEFAULT_TIMING, type PipelineStatus, type RunningPipeline, type RunOptions } from './pipeline.ts';
import { Reader } from './reader.ts';
import { Readiness } from './readiness.ts';
import { resolvePartitions } from './resolver.ts';
import { TopicIds } from './topic-ids.ts';
import { Watch } from './watch.ts';

/** Parts of the time for shutting down: for writing and committing what is gathered, and for leaving the group. */
const DRAIN_SHARE = 0.6;
const LEAVE_SHARE = 0.1;

/** Returns at once; `finished` says how it went. */
export function runPipeline(options: RunOptions): RunningPipeline {
  const runner = new Runner(options);
  return { name: options.pipeline.name, finished: runner.run(), status: () => runner.status() };
}

class Runner {
  readonly #options: RunOptions;
  readonly #timing;
  readonly #logger;
  readonly #readiness: Readiness;
  /** Aborted when nothing may be waited for any more. */
  readonly #ended = new AbortController();
  #parts: RunnerParts | null = null;
  #reader: Reader | null = null;
  #watch: Watch | null = null;
  #fault: { readonly error: unknown } | null = null;
  readonly #said = new Repetition(60_000);

  constructor(options: RunOptions) {
    this.#options = options;
    this.#timing = { ...DEFAULT_TIMING, ...options.timing };
    this.#logger = options.logger.child({ pipeline: options.pipeline.name });
    this.#readiness = new Readiness({
      pipeline: options.pipeline.name,
      metrics: options.metrics,
      logger: this.#logger,
      groupProtocol: options.config.kafka.groupProtocol,
      unheardMs: this.#timing.unheardMs,
    });
  }

  status(): PipelineStatus {
    const reasons = [
      ...(this.#options.signal.aborted ? ['draining'] : []),
      ...this.#readiness.reasons(this.#parts?.assignment.all ?? null),
    ];
    return { unready: reasons.length === 0 ? null : reasons.join('; ') };
  }

  async run(): Promise<void> {
    const { pipeline, signal, config } = this.#options;
    try {
      const consumer = await this.#connect();
      if (consumer !== null) {
        const parts = this.#assemble(consumer);
        const reader = new Reader({ parts, failed: (error) => this.#clientFailed(error) });
        const watch = this.#createWatch(parts, reader);
        this.#parts = parts;
        this.#reader = reader;
        this.#watch = watch;
        watch.start();
        const drain = () => void this.#drain(parts, reader).catch((error: unknown) => this.#fail(error));
        if (signal.aborted) drain();
        else signal.addEventListener('abort', drain, { once: true });
        await reader.run().catch((error: unknown) => this.#fail(error));
        signal.removeEventListener('abort', drain);
        await this.#leave(parts, watch);
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      await Promise.race([
        pipeline.sink.close(),
        sleep(config.shutdownTimeoutMs * LEAVE_SHARE, undefined, { ref: false }),
      ]);
    }
    if (this.#fault !== null) throw this.#fault.error;
    this.#logger.info('pipeline ended');
  }

  /** Null when it was told to drain before a broker was found. */
  async #connect(): Promise<Consumer | null> {
    const { pipeline, config, signal } = this.#options;
    const settings = consumerSettings(config, { pipeline: pipeline.name });
    const events = {
      assigned: (partitions: readonly TopicPartition[]) => {
        this.#readiness.hasShare();
        this.#parts?.assignment.assigned(partitions);
      },
      revoked: (partitions: readonly TopicPartition[], isLost: boolean) => {
        if (isLost) this.#readiness.joins();
        void this.#parts?.assignment.revoked(partitions, isLost).catch((error: unknown) => this.#fail(error));
      },
      failed: (error: kafka.LibrdKafkaError) => this.#clientFailed(error),
    };
    try {
      return await retryOutage(
        async () => {
          const consumer = new Consumer(settings, { events, logger: this.#logger });
          await consumer.connect(pipeline.topics);
          this.#readiness.joins();
          this.#readiness.recovered();
          return consumer;
        },
        {
          retry: config.retry,
          signal,
          logger: this.#logger,
          what: 'connection to Kafka',
          onOutage: (outage) => this.#readiness.attemptFailed(outage),
        },
      );
    } catch (error) {
      if (signal.aborted) return null;
      throw error;
    }
  }

  #assemble(consumer: Consumer): RunnerParts {
    const { pipeline, limits, config, admin, metrics } = this.#options;
    const logger = this.#logger;
    const changes = new Changes(() => this.#reader?.wake());
    const topicIds = new TopicIds(admin, pipeline.topics);
    const committer = new Committer({ pipeline: pipeline.name, consumer, logger });
    const lanes = new Set<Lane>();
    const gatherer = new Gatherer({
      find: (topic, partition) => parts.assignment.find(topic, partition),
      wentBackwards: (partition, offset) => {
        if (partition.hasGoneBackwards) return;
        partition.hasGoneBackwards = true;
        logger.warn(
          { topic: partition.topic, partition: partition.partition, offset, expected: partition.readNext },
          'the client handed out an offset that was read already',
        );
        this.#watch?.suspect();
      },
      becameIdle: (partition) => committer.progressed(partition),
    });
    const flusher = new Flusher(
      {
        pipeline,
        limits,
        retry: config.retry,
        gatherer,
        topicIds,
        metrics,
        logger,
        events: {
          stored: (partition) => {
            faultPoint('before-commit', pipeline.name);
            committer.progressed(partition);
          },
          restart: (partitions, reason) => parts.assignment.restart(partitions, reason),
          stop: (partition, alarm) => parts.assignment.stop(partition, alarm),
          outage: (outage) => this.#readiness.attemptFailed(outage),
          recovered: () => this.#readiness.recovered(),
          hasRoom: () => {
            metrics.bufferedBytes.set(
              { pipeline: pipeline.name },
              gatherer.bufferedBytes + gatherer.replayBytes,
            );
            this.#reader?.wake();
          },
          failed: (error) => this.#fail(error),
        },
      },
      lanes,
    );
    const parts: RunnerParts = {
      pipeline,
      limits,
      timing: this.#timing,
      retry: config.retry,
      admin,
      logger,
      metrics,
      consumer,
      changes,
      gatherer,
      flusher,
      committer,
      topicIds,
      assignment: new Assignment({ pipeline, limits }, { parts: () => parts, lanes }),
      resolve: (partitions) => void this.#resolve(parts, partitions),
    };
    return parts;
  }

  #createWatch(parts: RunnerParts, reader: Reader): Watch {
    const { config, clock } = this.#options;
    const names = topicNames(config);
    const roles = Object.keys(names) as (keyof typeof names)[];
    return new Watch({
      parts,
      clock,
      retentionMs: new Map(roles.map((role) => [names[role], config.kafka.topics[role].retentionMs])),
      heldBackUntil: () => reader.heldBackUntil,
      reached: () => this.#readiness.reached(),
      outage: (outage) => this.#readiness.attemptFailed(outage),
      failed: (error) => this.#fail(error),
    });
  }

  async #resolve(parts: RunnerParts, partitions: readonly Partition[]): Promise<void> {
    try {
      const resolutions = await retryOutage(() => resolvePartitions(parts, partitions), {
        retry: parts.retry,
        signal: this.#ended.signal,
        logger: this.#logger,
        what: `start offsets of ${parts.pipeline.name}`,
        onOutage: (outage) => this.#readiness.attemptFailed(outage),
      });
      if (resolutions.length === 0) return;
      this.#readiness.recovered();
      parts.assignment.resolved(resolutions);
    } catch (error) {
      if (!this.#ended.signal.aborted) this.#fail(error);
    }
  }

  async #drain({ flusher, committer, pipeline }: RunnerParts, reader: Reader): Promise<void> {
    this.#logger.info('draining: what is gathered is written and committed, then the group is left');
    reader.drain();
    faultPoint('during-shutdown', pipeline.name);
    await Promise.race([
      flusher.drain().then(() => committer.settled()),
      sleep(this.#options.config.shutdownTimeoutMs * DRAIN_SHARE, undefined, { ref: false }),
    ]);
    this.#end();
  }

  async #leave({ assignment, changes, committer, consumer }: RunnerParts, watch: Watch): Promise<void> {
    this.#end();
    committer.stop();
    assignment.loseAll();
    changes.apply();
    const patience = this.#options.config.shutdownTimeoutMs * LEAVE_SHARE;
    await Promise.race([
      Promise.all([watch.stop(), consumer.close()]),
      sleep(patience, undefined, { ref: false }),
    ]);
  }

  /** Stops reading and waiting. */
  #end(): void {
    this.#ended.abort();
    this.#parts?.flusher.end();
    this.#reader?.stop();
  }

  #fail(error: unknown): void {
    if (this.#ended.signal.aborted && this.#fault === null) {
      // What was still under way fails because everything it needs is being closed. It is read again.
      this.#logger.debug({ err: error }, 'failed after the end');
      return;
    }
    if (this.#fault === null) {
      this.#fault = { error };
      this.#logger.fatal({ err: error }, 'the pipeline cannot go on');
    }
    this.#end();
  }

  #clientFailed(error: kafka.LibrdKafkaError): void {
    const fault = judgeClientError(error);
    if (fault === 'hopeless') {
      this.#fail(error);
      return;
    }
    const level = this.#said.isNews(error.message, performance.now()) ? 'warn' : 'debug';
    this.#logger[level]({ err: error }, 'the Kafka client reports an error');
    if (fault instanceof Outage) this.#readiness.away(fault);
    else if (fault === 'suspicious') this.#watch?.suspect();
  }
}
