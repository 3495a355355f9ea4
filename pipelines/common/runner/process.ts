/** Several pipelines in one process: one registry of metrics, one health server, and one fate. */
import type { Registry } from 'prom-client';
import type { Config } from '../../../config/schema.ts';
import type { Clock } from '../clock.ts';
import { startHealthServer } from '../http-server.ts';
import { createAdmin } from '../kafka/admin.ts';
import type { Logger } from '../logger.ts';
import { createMetrics } from '../metrics.ts';
import type { CreatePipeline, RunningPipeline } from './pipeline.ts';
import { runPipeline } from './runner.ts';
import { boundYoungGeneration } from './young-generation.ts';

export interface ProcessContext {
  readonly config: Config;
  readonly logger: Logger;
  readonly clock: Clock;
}

export interface PipelineProcess {
  /** Resolves when every pipeline has drained; rejects with the first fault, after the others have drained. */
  readonly finished: Promise<void>;
  /** Of the health server; null when there is none. */
  readonly url: string | null;
  drain(): void;
}

/**
 * What runs beside the pipelines: resolves once the signal is aborted. It must not fail: it tells of its own faults.
 */
export type Companion = (options: {
  readonly registry: Registry;
  readonly signal: AbortSignal;
}) => Promise<void>;

/** Of the time for shutting down: after it, sinks no longer wait for services that are away. */
const PATIENCE_SHARE = 0.6;

/**
 * Of the time for shutting down, and never less than a second: how long a question to the cluster may take. Its thread
 * cannot be called back, and every write, look and end waits behind the question of the moment.
 */
const QUESTION_SHARE = 0.3;
const LEAST_QUESTION_MS = 1_000;

export async function startProcess(
  { config, logger, clock }: ProcessContext,
  creators: readonly CreatePipeline[],
  companions: readonly Companion[] = [],
): Promise<PipelineProcess> {
  boundYoungGeneration();
  const metrics = createMetrics({ withProcessMetrics: true });
  const draining = new AbortController();
  const givingUp = new AbortController();
  const pipelines = await Promise.all(
    creators.map((create) => create({ config, logger, metrics, clock, signal: givingUp.signal })),
  );
  const questionMs = Math.max(LEAST_QUESTION_MS, config.shutdownTimeoutMs * QUESTION_SHARE);
  const requestTimeoutMs = Math.min(config.kafka.requestTimeoutMs, questionMs);
  const admin = createAdmin({ kafka: { ...config.kafka, requestTimeoutMs } });
  const running: RunningPipeline[] = [];
  const unready = () =>
    running.flatMap(({ name, status }) => status().unready?.replace(/^/, `${name}: `) ?? []);
  const server =
    config.http.port === null
      ? null
      : await startHealthServer({
          host: config.http.host,
          port: config.http.port,
          metrics,
          // A pipeline that cannot go on ends the process: one that still answers is alive.
          health: { unhealthy: () => null, unready: () => unready().join('; ') || null },
        });
  if (server !== null) logger.info({ url: server.url }, 'metrics and health are served');

  const drain = () => {
    if (draining.signal.aborted) return;
    draining.abort();
    setTimeout(() => givingUp.abort(), config.shutdownTimeoutMs * PATIENCE_SHARE).unref();
  };
  for (const pipeline of pipelines) {
    const limits = config.pipelines[pipeline.name];
    running.push(
      runPipeline({ pipeline, limits, config, admin, logger, metrics, clock, signal: draining.signal }),
    );
  }
  const beside = companions.map((start) => start({ registry: metrics.registry, signal: draining.signal }));
  const finished = Promise.allSettled(
    [...running.map(({ finished: one }) => one), ...beside].map((one) =>
      one.catch((error: unknown) => {
        // The others end in good order; whoever supervises the process starts all of them again.
        drain();
        throw error;
      }),
    ),
  ).then(async (outcomes) => {
    givingUp.abort();
    await server?.close();
    admin.close();
    const fault = outcomes.find((outcome) => outcome.status === 'rejected');
    if (fault !== undefined) throw fault.reason;
  });
  return { finished, url: server?.url ?? null, drain };
}
