/** /v1/reports: having reports made, and getting them. */
import { hash } from 'node:crypto';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { shortened } from '../../common/shortened.ts';
import { principalOf, type Service } from '../app.ts';
import { assertKnown, type Given, idOf, invalid, textOf } from '../ask/given.ts';
import { type Asked, askedOf } from '../ask/report-ask.ts';
import { busy } from '../at-once.ts';
import { assertScope, type Principal, type Scope, tenantOf } from '../auth/principal.ts';
import { reportHeaders } from '../formats.ts';
import { jobView } from '../job-view.ts';
import { hasEnded, isJobId, type Job, newJobId, queuedJob, tenantMark } from '../jobs/job.ts';
import { endedJob, HOUR_MS } from '../jobs/job-runner.ts';
import type { HeldJob } from '../jobs/job-store.ts';
import { ROUTE_SCHEMAS } from '../open-api/open-api.ts';
import { notFound, Problem } from '../problems.ts';
import { requestSignal } from '../request-signal.ts';

const DEFAULT_LIMIT = 20;
const MOST_LIMIT = 100;
/** Seconds. */
const NOT_READY_RETRY_AFTER = 1;

const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;

export function jobRoutes(service: Service): FastifyPluginAsync {
  return async (app) => {
    app.post('/v1/reports', { schema: ROUTE_SCHEMAS.create }, async (request, reply) => {
      const principal = allowed(request, 'reports:create');
      assertNoQuery(request);
      const job = await create(service, wantedOf(request, principal));
      return reply.code(202).header('location', `/v1/reports/${job.id}`).send(jobView(job));
    });

    app.get('/v1/reports', { schema: ROUTE_SCHEMAS.list }, async (request) => {
      const principal = allowed(request, 'reports:read');
      const query = request.query as Given;
      assertKnown(query, ['tenant_id', 'limit', 'after']);
      const limit = limitOf(query);
      const after = textOf(query, 'after');
      if (after !== null && !isJobId(after)) throw invalid('after', 'is not what a page has given as next');
      const tenantId = tenantOf(principal, idOf(query, 'tenant_id'));
      const page = await service.store.page(tenantId, { limit, after });
      const now = service.clock.now();
      return { reports: page.jobs.map((job) => jobView(asOf(job, now))), next: page.next };
    });

    app.get('/v1/reports/:id', { schema: ROUTE_SCHEMAS.state }, async (request) => {
      const { job } = await found(service, request, 'reports:read');
      return jobView(job);
    });

    app.get('/v1/reports/:id/result', { schema: ROUTE_SCHEMAS.result }, async (request, reply) => {
      const { job } = await found(service, request, 'reports:read');
      return sendResult(service, job, reply);
    });

    app.delete('/v1/reports/:id', { schema: ROUTE_SCHEMAS.cancel }, async (request, reply) => {
      await cancel(service, request);
      return reply.code(204).send();
    });
  };
}

function limitOf(query: Given): number {
  const text = textOf(query, 'limit');
  if (text === null) return DEFAULT_LIMIT;
  const limit = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > MOST_LIMIT) throw invalid('limit', `is not a number from 1 to ${MOST_LIMIT}`);
  return limit;
}

function allowed(request: FastifyRequest, scope: Scope): Principal {
  const principal = principalOf(request);
  assertScope(principal, scope);
  return principal;
}

/** @throws {Problem} not_found for what is not there and for another tenant's, which is not even looked for */
async function found({ store, clock }: Service, request: FastifyRequest, scope: Scope): Promise<HeldJob> {
  const { tenants } = allowed(request, scope);
  assertNoQuery(request);
  const id = String((request.params as Given).id);
  if (!isJobId(id) || !tenants.some((tenant) => id.startsWith(`${tenantMark(tenant)}-`))) throw notFound();
  const held = await store.read(id);
  if (held === null || !tenants.includes(held.job.tenantId)) throw notFound();
  return { ...held, job: asOf(held.job, clock.now()) };
}

/** Whose time is over is over, also where nobody has cleared it away yet. */
function asOf(job: Job, now: number): Job {
  const isOver = hasEnded(job) && (job.expiresAt ?? 0) <= now && job.state !== 'expired';
  return isOver ? { ...job, state: 'expired', result: null } : job;
}

/** What is asked for stands in the body, or is the job's own: beside it nothing would have any effect. */
function assertNoQuery({ query }: FastifyRequest): void {
  const [name] = Object.keys(query as Given);
  if (name === undefined) return;
  const parameter = shortened(name);
  throw new Problem('invalid_request', `${parameter}: no parameters belong into this address`, { parameter });
}

interface Wanted {
  readonly principal: Principal;
  readonly tenantId: string;
  readonly asked: Asked;
  readonly idempotencyKey: string | null;
}

function wantedOf(request: FastifyRequest, principal: Principal): Wanted {
  const { body } = request;
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new Problem('invalid_request', 'the body has to be a JSON object, such as {"user_id": "u-1"}');
  const given = body as Given;
  const asked = askedOf(given);
  const key = request.headers['idempotency-key'];
  if (key !== undefined && (typeof key !== 'string' || !IDEMPOTENCY_KEY.test(key)))
    throw invalid('Idempotency-Key', 'has to be 1 to 255 printable ASCII characters without spaces');
  return {
    principal,
    asked,
    tenantId: tenantOf(principal, idOf(given, 'tenant_id')),
    idempotencyKey: key ?? null,
  };
}

async function create(service: Service, wanted: Wanted): Promise<Job> {
  const { store, clock, runner, settings } = service;
  const { principal, tenantId, asked, idempotencyKey } = wanted;
  const now = clock.now();
  const job = queuedJob({ id: newJobId(tenantId, now), tenantId, asked, askedBy: principal.id, now });
  const id = idempotencyKey === null ? job.id : await idOfKey(service, job, idempotencyKey);
  // Of a job that was asked for before, this is the answer, however many wait.
  const existing = id === job.id ? null : await store.read(id);
  if (existing !== null) return existing.job;
  if (runner.waiting >= settings.maxWaitingReports) throw busy();
  const named = { ...job, id };
  if (!(await store.create(named))) return (await store.read(id))?.job ?? named;
  runner.nudge();
  service.logger.info({ job: id, by: principal.id }, 'a report was asked for');
  return named;
}

/** @returns the id that the key has, from now on or from before */
async function idOfKey({ store, settings }: Service, job: Job, idempotencyKey: string): Promise<string> {
  const { askedBy, tenantId, ask, createdAt } = job;
  // Keys of different tokens have nothing to do with one another.
  const key = JSON.stringify([askedBy, idempotencyKey]);
  // No two kinds have the same parameters: what is asked for tells which one it is.
  const sha256 = hash('sha256', JSON.stringify([tenantId, ask]));
  const remembered = await store.remember(key, { id: job.id, sha256, createdAt });
  if (createdAt - remembered.createdAt >= settings.jobs.expireAfterHours * HOUR_MS) {
    await store.forget(key);
    return (await store.remember(key, { id: job.id, sha256, createdAt })).id;
  }
  if (remembered.sha256 !== sha256) {
    throw new Problem(
      'idempotency_mismatch',
      'this Idempotency-Key came with another request before: use a new key for a new request',
      { parameter: 'Idempotency-Key' },
    );
  }
  return remembered.id;
}

async function sendResult(
  { store, settings }: Service,
  { state, result, problem, kind, ask }: Job,
  reply: FastifyReply,
): Promise<FastifyReply> {
  if (state === 'queued' || state === 'running') {
    throw new Problem('not_ready', `the report is ${state}; its state says how far it is`, {
      retryAfter: NOT_READY_RETRY_AFTER,
    });
  }
  if (result === null)
    throw new Problem(
      'gone',
      `the report is ${state}${problem === null ? '' : ` (${problem.code}: ${problem.detail})`}`,
    );
  const { signal, [Symbol.dispose]: end } = requestSignal(reply, settings.requestTimeoutMs);
  const opened = await store.openResult(result.path, signal).finally(end);
  if (opened === null) throw new Problem('gone', 'the result was removed a moment ago');
  return reply
    .headers({
      ...reportHeaders(kind, ask.format),
      'content-length': String(opened.bytes),
      ...(result.digest === null ? {} : { 'report-digest': result.digest }),
    })
    .send(opened.body);
}

/** A worker somewhere hears of it at its next sign of life; its result is removed by it. */
async function cancel(service: Service, request: FastifyRequest): Promise<void> {
  const { store, runner, clock, settings, logger } = service;
  for (;;) {
    const held = await found(service, request, 'reports:create');
    const { job } = held;
    if (job.state === 'cancelled' || job.state === 'expired') return;
    const outcome = { state: 'cancelled', result: null } as const;
    const keptHours = settings.jobs.expireAfterHours;
    const cancelled = endedJob(job, outcome, { now: clock.now(), keptHours });
    if ((await store.replace(held, cancelled)) === null) continue;
    runner.cancelled(job.id);
    await store.removeResults(job.id);
    logger.info({ job: job.id, by: request.principal?.id }, 'a report was cancelled');
    return;
  }
}
