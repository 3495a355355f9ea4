/** The HTTP side of a running process: /metrics for Prometheus, /healthz and /readyz for whatever supervises it. */
import fastify from 'fastify';
import type { Metrics } from './metrics.ts';

export interface Health {
  /** Why the process should be restarted, or null while it is alive. */
  unhealthy(): string | null;
  /** Why it should get no work yet (or no longer), or null when it is ready. */
  unready(): string | null;
}

export interface HealthServerOptions {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly metrics: Pick<Metrics, 'registry'>;
  readonly health: Health;
}

export interface HealthServer {
  readonly url: string;
  close(): Promise<void>;
}

/** @throws {Error} with code EADDRINUSE or the like when it cannot listen */
export async function startHealthServer({
  host,
  port,
  metrics,
  health,
}: HealthServerOptions): Promise<HealthServer> {
  const app = fastify({ logger: false, forceCloseConnections: true });
  app.get('/metrics', async (_request, reply) =>
    reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  );
  for (const [path, fault] of [
    ['/healthz', () => health.unhealthy()],
    ['/readyz', () => health.unready()],
  ] as const) {
    app.get(path, (_request, reply) => {
      const reason = fault();
      return reply
        .code(reason === null ? 200 : 503)
        .send(reason === null ? { status: 'ok' } : { status: 'unavailable', reason });
    });
  }
  const url = await app.listen({ host, port });
  return { url, close: () => app.close() };
}
