/** The HTTP application: what holds for every route. The routes themselves are in routes/. */
import type { Socket } from 'node:net';
import rateLimit from '@fastify/rate-limit';
import swagger from '@fastify/swagger';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Config } from '../../config/schema.ts';
import type { Clock } from '../common/clock.ts';
import type { Logger } from '../common/logger.ts';
import type { ReportContext } from '../report/user-report.ts';
import { atOnce } from './at-once.ts';
import type { Authenticator } from './auth/authenticate.ts';
import type { Principal } from './auth/principal.ts';
import type { JobRunner } from './jobs/job-runner.ts';
import type { JobStore } from './jobs/job-store.ts';
import { OPEN_API, ROUTE_SCHEMAS } from './open-api/open-api.ts';
import { problemOf } from './problem-of.ts';
import { notFound, PROBLEM_TYPE, Problem } from './problems.ts';
import { REQUEST_ID_HEADER, requestIdOf } from './request-id.ts';
import { ClientGone } from './request-signal.ts';
import { jobRoutes } from './routes/jobs.ts';
import { userReportRoute } from './routes/user-report.ts';
import type { ServeMetrics } from './serve-metrics.ts';

export interface Service {
  readonly settings: Config['serve'];
  readonly context: ReportContext;
  readonly store: JobStore;
  readonly runner: Pick<JobRunner, 'waiting' | 'nudge' | 'cancelled'>;
  readonly authenticator: Authenticator;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: ServeMetrics;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Null: nobody that is known; `authFault` says why. */
    principal: Principal | null;
    authFault: unknown;
    /** Monotonic, in milliseconds. */
    beganAt: number;
  }
}

/** In the address, an id of the greatest length with every byte escaped, and what is too long is to be told so. */
const MOST_PARAMETER_LENGTH = 16 * 1024;

/** Nothing that is answered may be kept by a cache, guessed to be a page, or shown in somebody else's. */
const HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
} as const;

export async function createApp(service: Service): Promise<FastifyInstance> {
  const { settings, authenticator } = service;
  const app = fastify({
    // Its own lines hold addresses, and with them the ids of users.
    logger: false,
    forceCloseConnections: 'idle',
    bodyLimit: settings.maxBodyBytes,
    requestTimeout: settings.requestTimeoutMs,
    connectionTimeout: settings.requestTimeoutMs * 2,
    genReqId: requestIdOf,
    requestIdHeader: false,
    routerOptions: { maxParamLength: MOST_PARAMETER_LENGTH },
    frameworkErrors: (error, request, reply) => void sendProblem(problemOf(error), request, reply),
    clientErrorHandler: answerBrokenRequest,
    exposeHeadRoutes: false,
  });
  // Requests are checked by the routes, whose words say what to do. Answers are made here: nothing has to be filtered.
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  app.decorateRequest('principal', null);
  app.decorateRequest('authFault', null);
  app.decorateRequest('beganAt', 0);

  await app.register(swagger, { openapi: OPEN_API as never });
  app.addHook('onRequest', async (request, reply) => {
    request.beganAt = performance.now();
    reply.headers({ ...HEADERS, [REQUEST_ID_HEADER]: request.id });
    await authenticator.authenticate(request.headers.authorization).then(
      (principal) => {
        request.principal = principal;
      },
      (error: unknown) => {
        request.authFault = error;
      },
    );
  });
  await app.register(rateLimit, {
    max: settings.rateLimit.maxRequests,
    timeWindow: settings.rateLimit.windowMs,
    keyGenerator: ({ principal, ip }) => (principal === null ? `address ${ip}` : `token ${principal.id}`),
    errorResponseBuilder: (_request, { after }) =>
      new Problem('rate_limited', `so many requests are not allowed; the next one is in ${after}`),
  });
  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error);
    tell(service, { request, problem, error });
    return sendProblem(problem, request, reply);
  });
  app.setNotFoundHandler({ preHandler: app.rateLimit() }, () => {
    throw new Problem('not_found', 'there is no such address, or not for this method; see /openapi.json');
  });
  app.addHook('onResponse', async (request, reply) => record(service, request, reply));

  app.get('/healthz', { schema: ROUTE_SCHEMAS.health, config: { rateLimit: false } }, async () => ({
    status: 'ok',
  }));
  app.get('/openapi.json', { schema: { hide: true } as object }, async () => app.swagger());
  await app.register(jobRoutes(service));
  await app.register(userReportRoute(service, atOnce(settings)));
  await app.ready();
  return app;
}

/** @throws {Problem} unauthorized, or why it cannot be said who it is */
export function principalOf({ principal, authFault }: FastifyRequest): Principal {
  if (principal !== null) return principal;
  throw authFault ?? notFound();
}

function sendProblem(problem: Problem, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return reply
    .code(problem.statusCode)
    .headers({ ...HEADERS, [REQUEST_ID_HEADER]: request.id, ...problem.headers })
    .removeHeader('content-disposition')
    .type(PROBLEM_TYPE)
    .send(JSON.stringify(problem.body(request.id)));
}

interface Told {
  readonly request: FastifyRequest;
  readonly problem: Problem;
  readonly error: unknown;
}

function tell({ logger, metrics }: Service, { request, problem, error }: Told): void {
  if (error instanceof ClientGone) return;
  const { code } = problem;
  const facts = { requestId: request.id, route: routeOf(request), code };
  const cause = error instanceof Problem ? error.cause : error;
  if (code === 'unavailable') {
    metrics.outages.inc({ service: (error as { service?: string }).service ?? 'unknown' });
    logger.warn({ ...facts, reason: (error as Error).message }, 'a request could not be answered');
  } else if (code === 'internal' || code === 'damaged' || code === 'offline')
    logger.error({ ...facts, err: cause }, 'a request could not be answered');
}

function record({ logger, metrics }: Service, request: FastifyRequest, reply: FastifyReply): void {
  const route = routeOf(request);
  const { method, id: requestId, principal } = request;
  const status = reply.statusCode;
  const ms = Math.round(performance.now() - request.beganAt);
  metrics.requests.inc({ route, status: String(status) });
  metrics.requestSeconds.observe({ route }, ms / 1_000);
  const facts = { requestId, method, route, status, ms, by: principal?.id ?? null };
  if (route === '/healthz') logger.debug(facts, 'answered');
  else logger.info(facts, 'answered');
}

/** Its pattern: the address itself says whose report it is. */
const routeOf = (request: FastifyRequest): string => request.routeOptions.url ?? 'none';

/** What Node's parser refuses reaches no hook: there is a socket and nothing else. */
function answerBrokenRequest(error: Error & { code?: string }, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const problem =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? new Problem('too_large', 'address and headers of a request may have 16 KiB together', {
          cause: error,
        })
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? new Problem('timeout', 'the request did not arrive in time', { cause: error })
        : new Problem('invalid_request', 'it is not HTTP', { cause: error });
  const requestId = requestIdOf({ headers: {} });
  const body = JSON.stringify(problem.body(requestId));
  const headers = {
    ...HEADERS,
    [REQUEST_ID_HEADER]: requestId,
    'content-type': PROBLEM_TYPE,
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${problem.statusCode} ${problem.code}\r\n${lines.join('')}\r\n${body}`);
}
