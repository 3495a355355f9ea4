/** Runs the check once, or again and again, with what it needs of the services. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type CommandContext, EXIT, type ExitCode } from '../command-context.ts';
import { createContainer } from '../common/blob/container.ts';
import { createClickHouse } from '../common/clickhouse/client.ts';
import { endAtOnce } from '../common/end-at-once.ts';
import { onEndingSignals } from '../common/ending-signals.ts';
import { Outage } from '../common/errors.ts';
import { startHealthServer } from '../common/http-server.ts';
import { createAdmin } from '../common/kafka/admin.ts';
import { WriterSchemas } from '../common/registry/writer-schemas.ts';
import { retryOutage } from '../common/retry.ts';
import { boundYoungGeneration } from '../common/runner/young-generation.ts';
import { showProgress } from './show-progress.ts';
import { totalOf, type Verdict } from './verdict.ts';
import { type VerifyQuestion, verify } from './verify.ts';
import { createVerifyMetrics, lastCleanIn, writeMetricsFile } from './verify-metrics.ts';

/** Attempts after the first: a check that nobody waits for can begin again, one at a terminal should say what is away. */
const RETRIES = 5;

export interface RunOptions {
  readonly question: VerifyQuestion;
  /** Milliseconds between the ends of two checks and the beginnings of the next; null for one check alone. */
  readonly everyMs: number | null;
  readonly metricsFile: string | null;
  readonly print: (verdict: Verdict) => Promise<void>;
}

/** @throws {Outage} a service cannot be asked, and there is no next time */
export async function runVerify(context: CommandContext, options: RunOptions): Promise<ExitCode> {
  const { config, logger } = context;
  const { everyMs, metricsFile, print } = options;
  boundYoungGeneration();
  const metrics = createVerifyMetrics();
  if (metricsFile !== null) metrics.rememberClean(await lastCleanIn(metricsFile));
  const checkOnce = async (): Promise<ExitCode> => {
    try {
      const verdict = await checkWith(context, options.question);
      metrics.finished(verdict);
      await print(verdict);
      return totalOf(verdict) === 0 ? EXIT.ok : EXIT.discrepancy;
    } catch (error) {
      metrics.failed();
      throw error;
    } finally {
      if (metricsFile !== null) await writeMetricsFile(metricsFile, metrics);
    }
  };
  if (everyMs === null) return checkOnce();

  // It only reads: there is nothing to be brought to an end.
  const end = () => endAtOnce(EXIT.ok);
  onEndingSignals(['SIGTERM', 'SIGINT'], { first: end, second: end });
  if (config.http.port !== null) {
    const { host, port } = config.http;
    const health = { unhealthy: () => null, unready: () => null };
    const { url } = await startHealthServer({ host, port, metrics, health });
    logger.info({ url }, 'metrics and health are served');
  }
  for (;;) {
    await checkOnce().catch((error: unknown) => {
      if (!(error instanceof Outage)) throw error;
      logger.error({ service: error.service, reason: error.message }, 'the check could not come to an end');
    });
    await sleep(everyMs);
  }
}

/** One check with clients of its own. @throws {Outage} a service cannot be asked */
export async function checkWith(
  { config, logger, clock }: Pick<CommandContext, 'config' | 'logger' | 'clock'>,
  question: VerifyQuestion,
): Promise<Verdict> {
  const admin = createAdmin(config);
  const client = createClickHouse(config);
  const schemas = new WriterSchemas({ settings: config.schemaRegistry, clock });
  const { progress, finish } = showProgress(logger);
  try {
    const { retry: waits } = config;
    return await verify(
      {
        config,
        admin,
        client,
        schemas,
        clock,
        progress,
        container: createContainer(config, { maxTries: RETRIES + 1 }),
        prefix: config.blob.prefix,
        retry: (ask) => retryOutage(ask, { retry: waits, retries: RETRIES, logger, what: 'verify' }),
      },
      question,
    );
  } finally {
    finish();
    admin.close();
    await schemas.close();
    await client.close();
  }
}
