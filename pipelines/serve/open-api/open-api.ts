/** What the routes take and answer, as OpenAPI 3.1 says it. The requests themselves are checked in ask/, with clearer words. */
import { PROGRAM } from '../../report/program.ts';
import { REPORT_KINDS, type ReportKind } from '../ask/report-ask.ts';
import { contentTypeOf, FORMAT_NAMES } from '../formats.ts';
import { PROBLEMS, type ProblemCode } from '../problems.ts';
import { ASKS } from './asks.ts';
import { JOBS } from './jobs.ts';
import { REPORTS } from './reports.ts';
import { asRef, objectOf, text } from './schema-parts.ts';

const PROBLEM = objectOf(
  {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { type: 'string', enum: Object.keys(PROBLEMS) },
    detail: { type: 'string' },
    request_id: text('Stands in the log of the service, and in the header x-request-id of the answer.'),
    parameter: text('Which one of the request’s parameters is at fault.'),
  },
  {
    description: 'RFC 9457. `code` stays the same over releases; `detail` is for people.',
    required: ['type', 'title', 'status', 'code', 'detail', 'request_id'],
  },
);

const SCHEMAS = { ...JOBS, problem: PROBLEM, ...REPORTS };

/** For @fastify/swagger. */
export const OPEN_API = {
  openapi: '3.1.0',
  info: {
    title: 'campaign-ledger',
    description:
      'Reports on what a user got from campaigns, what they did with it, and who they were each time; and on what came of a campaign. docs/http-api.md tells it with examples.',
    version: PROGRAM.replace(/^.*\//, ''),
  },
  components: {
    schemas: SCHEMAS,
    securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
  },
} as const;

/** In each route's schema: the answers that are problems. */
function problems(...codes: readonly ProblemCode[]): Record<string, object> {
  const byStatus = Map.groupBy(codes, (code) => PROBLEMS[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, some]) => [
      String(status),
      {
        description: some.map((code) => `${code}: ${PROBLEMS[code].title}.`).join(' '),
        content: { 'application/problem+json': { schema: asRef('problem') } },
      },
    ]),
  );
}

const EVERYWHERE = ['unauthorized', 'insufficient_scope', 'rate_limited', 'internal', 'unavailable'] as const;

const json = (description: string, schema: object, more: object = {}) => ({
  description,
  content: { 'application/json': { schema } },
  ...more,
});

/** In every format that a report of these kinds has. */
function reports(...kinds: readonly ReportKind[]): object {
  const names = new Set(kinds.flatMap((kind) => FORMAT_NAMES[kind]));
  const documents = kinds.map((kind) => asRef(`${kind}_report`));
  const document = documents.length === 1 ? documents[0] : { oneOf: documents };
  return {
    description: 'The report, in the format that was asked for.',
    content: Object.fromEntries(
      [...names].map((name) => [
        contentTypeOf(name).replace(/;.*/, ''),
        { schema: name === 'json' ? document : { type: 'string' } },
      ]),
    ),
  };
}

const security = [{ token: [] }];
const byId = {
  type: 'object',
  properties: { id: text('Of the job.') },
  required: ['id'],
};
const { kind: _kind, user_id: user, ...QUERY } = ASKS.user.properties;

export const ROUTE_SCHEMAS = {
  create: {
    operationId: 'createReport',
    summary: 'Have a report made (scope reports:create)',
    security,
    headers: {
      type: 'object',
      properties: {
        'idempotency-key': text(
          'The same key with the same body, of the same token, is the same job: safe to send again.',
          { minLength: 1, maxLength: 255 },
        ),
      },
    },
    body: { oneOf: [ASKS.user, ASKS.campaign] },
    response: {
      202: json('It is in the queue, or was already.', asRef('job'), {
        headers: { location: { schema: { type: 'string' }, description: 'Where its state is to be seen.' } },
      }),
      ...problems(...EVERYWHERE, 'invalid_request', 'not_found', 'too_large', 'busy', 'idempotency_mismatch'),
    },
  },
  state: {
    operationId: 'getReport',
    summary: 'How far a report is (scope reports:read)',
    security,
    params: byId,
    response: {
      200: json('The job.', asRef('job')),
      ...problems(...EVERYWHERE, 'invalid_request', 'not_found', 'too_large'),
    },
  },
  list: {
    operationId: 'listReports',
    summary: 'The tenant’s jobs, newest first (scope reports:read)',
    security,
    querystring: {
      type: 'object',
      properties: {
        tenant_id: QUERY.tenant_id,
        limit: { type: 'integer', minimum: 1, maximum: 100, default: 20, description: 'Jobs on a page.' },
        after: text('`next` of the page before.'),
      },
    },
    response: {
      200: json('A page of them.', {
        type: 'object',
        required: ['reports', 'next'],
        properties: {
          reports: { type: 'array', items: asRef('job') },
          next: { type: ['string', 'null'], description: 'What to ask for the next page with.' },
        },
      }),
      ...problems(...EVERYWHERE, 'invalid_request', 'not_found'),
    },
  },
  result: {
    operationId: 'getReportResult',
    summary: 'The report itself (scope reports:read)',
    security,
    params: byId,
    response: {
      200: reports(...REPORT_KINDS),
      ...problems(...EVERYWHERE, 'invalid_request', 'not_found', 'not_ready', 'gone', 'too_large'),
    },
  },
  cancel: {
    operationId: 'cancelReport',
    summary: 'End a job, and remove its result (scope reports:create)',
    security,
    params: byId,
    response: {
      204: { description: 'It is over, or was already.', type: 'null' },
      ...problems(...EVERYWHERE, 'invalid_request', 'not_found', 'too_large'),
    },
  },
  userReport: {
    operationId: 'getUserReport',
    summary: 'The report of a user without many events, at once (scope reports:read)',
    security,
    params: {
      type: 'object',
      required: ['user'],
      properties: { user },
    },
    querystring: { type: 'object', properties: QUERY },
    response: {
      200: reports('user'),
      ...problems(
        ...EVERYWHERE,
        ...(['invalid_request', 'not_found', 'offline', 'too_large', 'damaged', 'busy', 'timeout'] as const),
      ),
    },
  },
  health: {
    operationId: 'health',
    summary: 'Whether the process is alive',
    response: {
      200: json('It is.', {
        type: 'object',
        required: ['status'],
        properties: { status: { type: 'string', enum: ['ok'] } },
      }),
    },
  },
} as const;
