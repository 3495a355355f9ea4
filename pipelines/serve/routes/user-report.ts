/** GET /v1/users/{user}/report: the answer at once, for users without many events. */
import { Readable } from 'node:stream';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { inPieces } from '../../common/pieces.ts';
import { FORMATS } from '../../report/report-output.ts';
import { makeUserReport, type UserReportResult } from '../../report/user-report.ts';
import { principalOf, type Service } from '../app.ts';
import { assertKnown, type Given, idOf } from '../ask/given.ts';
import { RANGE_PARAMETERS, type UserReportAsk, userReportAsk } from '../ask/user-report-ask.ts';
import type { AtOnce } from '../at-once.ts';
import { assertScope, tenantOf } from '../auth/principal.ts';
import { reportHeaders } from '../formats.ts';
import { ROUTE_SCHEMAS } from '../open-api/open-api.ts';
import { problemOf } from '../problem-of.ts';
import { notFound } from '../problems.ts';
import { ClientGone, requestSignal, untilAborted } from '../request-signal.ts';

interface Ask extends UserReportAsk {
  readonly tenantId: string;
}

export function userReportRoute(service: Service, inLine: AtOnce): FastifyPluginAsync {
  const { settings, metrics, clock } = service;
  return async (app) => {
    app.get('/v1/users/:user/report', { schema: ROUTE_SCHEMAS.userReport }, async (request, reply) => {
      const ask = askOf(request);
      const { signal, [Symbol.dispose]: end } = requestSignal(reply, settings.requestTimeoutMs);
      const began = clock.now();
      const ended = (outcome: string): void => {
        end();
        metrics.reports.inc({ how: 'at_once', outcome });
        metrics.reportSeconds.observe({ how: 'at_once' }, (clock.now() - began) / 1_000);
      };
      try {
        await inLine(() => answer(service, { ask, reply, signal }), signal);
        ended('ok');
      } catch (error) {
        ended(error instanceof ClientGone ? 'client_gone' : problemOf(error).code);
        // What has begun to be sent can only be cut off.
        if (reply.raw.headersSent || error instanceof ClientGone) reply.raw.destroy();
        else throw error;
      }
      return reply;
    });
  };
}

/** @throws {Problem} */
function askOf(request: FastifyRequest): Ask {
  const principal = principalOf(request);
  assertScope(principal, 'reports:read');
  const query = request.query as Given;
  assertKnown(query, ['tenant_id', ...RANGE_PARAMETERS]);
  const ask = userReportAsk({ ...query, user_id: (request.params as Given).user });
  return { ...ask, tenantId: tenantOf(principal, idOf(query, 'tenant_id')) };
}

interface Answering {
  readonly ask: Ask;
  readonly reply: FastifyReply;
  readonly signal: AbortSignal;
}

/** Ends when the last byte is on its way: until then the report takes its place. */
async function answer(service: Service, { ask, reply, signal }: Answering): Promise<void> {
  const { context, clock, settings, metrics } = service;
  const format = await FORMATS[ask.format]();
  const { tenantId, userId, from, to, by, knownAt } = ask;
  metrics.running.inc({ how: 'at_once' });
  try {
    const making = makeUserReport(context, {
      ...{ tenantId, userId, range: { from, to }, by, knownAt, generatedAt: clock.now() },
      ...{ signal, maxEvents: settings.syncMaxEvents },
    });
    const made = await untilAborted(making, signal, ({ document }) => document[Symbol.dispose]());
    using document = made.document;
    assertIsKnown(made);
    const pieces = inPieces(format(document));
    const first = pieces.next();
    const second = first.done === true ? first : pieces.next();
    reply.headers({ ...reportHeaders('user', ask.format), 'report-digest': document.header.digest });
    if (second.done === true) {
      reply.send(first.value ?? '');
      return;
    }
    const rest = function* () {
      yield first.value ?? '';
      yield second.value ?? '';
      yield* pieces;
    };
    const { promise: sent, resolve } = Promise.withResolvers<void>();
    reply.raw.once('close', resolve);
    reply.send(Readable.from(rest()));
    await sent;
    signal.throwIfAborted();
  } finally {
    metrics.running.dec({ how: 'at_once' });
  }
}

/** Nobody that is known: the same answer as for the users of somebody else. */
function assertIsKnown({ isKnownUser }: UserReportResult): void {
  if (!isKnownUser) throw notFound();
}
