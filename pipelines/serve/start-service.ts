/** `serve` as a running service: connections, jobs, HTTP, and the server of its metrics. */
import type { AddressInfo } from 'node:net';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Config } from '../../config/schema.ts';
import { openCampaignContext } from '../campaign-report/campaign-context.ts';
import { createContainer } from '../common/blob/container.ts';
import type { Clock } from '../common/clock.ts';
import { startHealthServer } from '../common/http-server.ts';
import type { Logger } from '../common/logger.ts';
import { createApp } from './app.ts';
import { openAuthenticator } from './auth/authenticate.ts';
import { JobRunner } from './jobs/job-runner.ts';
import { JobStore } from './jobs/job-store.ts';
import { ofEachKind, ReportThreads, smallOnesHere } from './jobs/make-result.ts';
import { openReportSource } from './report-source.ts';
import { createServeMetrics } from './serve-metrics.ts';

export interface ServiceContext {
  readonly config: Config;
  readonly logger: Logger;
  readonly clock: Clock;
}

export interface RunningService {
  readonly url: string;
  /** Of the server of metrics and health; null when there is none. */
  readonly metricsUrl: string | null;
  /** Answers what was asked, and gives jobs back to the queue. */
  close(): Promise<void>;
}

/**
 * @throws {UsageError} nobody could ask for anything
 * @throws {Error} with code EADDRINUSE or the like when it cannot listen
 */
export async function startService({ config, logger, clock }: ServiceContext): Promise<RunningService> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const metrics = createServeMetrics(registry);
  const authenticator = await openAuthenticator(config.serve.auth, { clock, logger });
  const source = openReportSource(config, clock);
  // Writing is tried once: a second try would hear that the first one's condition does not hold any more.
  const place = { container: createContainer(config), prefix: config.blob.prefix };
  const store = new JobStore(place.container, place.prefix);
  const threads = new ReportThreads(config);
  const here = { context: source.context, place, clock };
  const { serve: settings } = config;
  const campaigns = openCampaignContext(config, { reports: settings.jobs.maxConcurrent });
  const make = ofEachKind(smallOnesHere(here, { maxEvents: settings.syncMaxEvents, large: threads.make }), {
    context: campaigns.context,
    place,
    clock,
  });
  const runner = new JobRunner({ config, store, make, clock, logger, metrics });
  const app = await createApp({
    ...{ settings, context: source.context, store, runner, authenticator },
    ...{ clock, logger, metrics },
  });
  const health =
    config.http.port === null
      ? null
      : await startHealthServer({
          ...{ host: config.http.host, port: config.http.port, metrics: { registry } },
          health: { unhealthy: () => null, unready: () => runner.outage?.message ?? null },
        });
  if (health !== null) logger.info({ url: health.url }, 'metrics and health are served');
  await app.listen({ host: settings.host, port: settings.port });
  const { address, family, port } = app.server.address() as AddressInfo;
  const url = `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  logger.info({ url }, 'reports are served');
  runner.start();
  return {
    url,
    metricsUrl: health?.url ?? null,
    async close() {
      await Promise.all([app.close(), runner.close()]);
      await Promise.all([source.close(), campaigns.close(), threads.close(), health?.close()]);
      authenticator[Symbol.dispose]();
    },
  };
}
