/** What the routes take and answer, as OpenAPI 3.1 says it. The requests themselves are checked in report-ask.ts, with clearer words. */
import userReport from '../../schemas/report/user-report.schema.json' with { type: 'json' };
import { PROGRAM } from '../report/program.ts';
import { contentTypeOf, FORMAT_NAMES } from './formats.ts';
import { JOB_STATES } from './jobs/job.ts';
import { PROBLEMS, type ProblemCode } from './problems.ts';

const text = (description: string, more: object = {}) => ({ type: 'string', description, ...more });
const time = { type: ['string', 'null'], format: 'date-time' } as const;
const asRef = (name: string) => ({ $ref: `#/components/schemas/${name}` });

const TIME =
  'A day (2026-08-01, which is 00:00 UTC) or an instant with its zone (2026-08-01T09:30:00+02:00).';
const id = (description: string) => text(description, { minLength: 1, maxLength: 1024 });

const ASK = {
  user_id: id('Whose report. Any text of at most 1,024 bytes.'),
  tenant_id: id('Whose user; may be left out where the token is good for one tenant only.'),
  from: text(`Messages sent at or after this time. ${TIME}`),
  to: text(`Messages sent before this time. ${TIME}`),
  by: text('What of a message has to lie in the range: when it was sent, or any event of it.', {
    enum: ['send', 'interaction'],
    default: 'send',
  }),
  known_at: text(`Only what had been recorded by then. ${TIME}`),
  format: text('Of the answer.', { enum: [...FORMAT_NAMES], default: 'json' }),
};

const JOB = {
  type: 'object',
  required: [
    ...[
      'id',
      'kind',
      'state',
      'tenant_id',
      'user_id',
      'from',
      'to',
      'by',
      'known_at',
      'format',
      'created_at',
    ],
    ...['started_at', 'finished_at', 'expires_at', 'progress', 'result', 'problem', 'href'],
  ],
  properties: {
    id: text('Names the job.'),
    kind: { type: 'string', enum: ['user'] },
    state: { type: 'string', enum: [...JOB_STATES] },
    tenant_id: { type: 'string' },
    user_id: { type: 'string' },
    from: time,
    to: time,
    by: ASK.by,
    known_at: time,
    format: ASK.format,
    created_at: { type: 'string', format: 'date-time' },
    started_at: time,
    finished_at: time,
    expires_at: { ...time, description: 'When the result will be removed; null while there is none.' },
    progress: {
      type: 'object',
      required: ['events_read', 'records'],
      properties: { events_read: { type: 'integer' }, records: { type: 'integer' } },
    },
    result: {
      type: ['object', 'null'],
      required: ['href', 'bytes', 'digest'],
      properties: {
        href: { type: 'string' },
        bytes: { type: 'integer' },
        digest: text('Of the report: the same for two reports that say the same.'),
      },
    },
    problem: {
      type: ['object', 'null'],
      description: 'Why it failed.',
      required: ['code', 'detail'],
      properties: { code: { type: 'string', enum: Object.keys(PROBLEMS) }, detail: { type: 'string' } },
    },
    href: { type: 'string' },
  },
};

const PROBLEM = {
  type: 'object',
  description: 'RFC 9457. `code` stays the same over releases; `detail` is for people.',
  required: ['type', 'title', 'status', 'code', 'detail', 'request_id'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { type: 'string', enum: Object.keys(PROBLEMS) },
    detail: { type: 'string' },
    request_id: text('Stands in the log of the service, and in the header x-request-id of the answer.'),
    parameter: text('Which one of the request’s parameters is at fault.'),
  },
};

const { $schema: _dialect, $id: _id, $defs: definitions, ...report } = userReport;

/** In OpenAPI's own place for schemas, under names that say whose they are. */
function moved<T>(schema: T): T {
  return JSON.parse(
    JSON.stringify(schema).replaceAll('"#/$defs/', '"#/components/schemas/user_report_'),
  ) as T;
}

const SCHEMAS = {
  job: JOB,
  problem: PROBLEM,
  user_report: moved(report),
  ...Object.fromEntries(
    Object.entries(definitions).map(([name, schema]) => [`user_report_${name}`, moved(schema)]),
  ),
};

/** For @fastify/swagger. */
export const OPEN_API = {
  openapi: '3.1.0',
  info: {
    title: 'campaign-ledger',
    description:
      'Reports on what a user got from campaigns, what they did with it, and who they were each time. docs/http-api.md tells it with examples.',
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

const REPORT = {
  description: 'The report, in the format that was asked for.',
  content: Object.fromEntries(
    FORMAT_NAMES.map((name) => [
      contentTypeOf(name).replace(/;.*/, ''),
      { schema: name === 'json' ? asRef('user_report') : { type: 'string' } },
    ]),
  ),
};

const security = [{ token: [] }];
const byId = {
  type: 'object',
  properties: { id: text('Of the job.') },
  required: ['id'],
};
const { user_id: _user, ...QUERY } = ASK;

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
    body: {
      type: 'object',
      required: ['user_id'],
      additionalProperties: false,
      properties: { kind: { type: 'string', enum: ['user'], default: 'user' }, ...ASK },
    },
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
    response: { 200: json('The job.', asRef('job')), ...problems(...EVERYWHERE, 'not_found') },
  },
  list: {
    operationId: 'listReports',
    summary: 'The tenant’s jobs, newest first (scope reports:read)',
    security,
    querystring: {
      type: 'object',
      properties: {
        tenant_id: ASK.tenant_id,
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
    response: { 200: REPORT, ...problems(...EVERYWHERE, 'not_found', 'not_ready', 'gone') },
  },
  cancel: {
    operationId: 'cancelReport',
    summary: 'End a job, and remove its result (scope reports:create)',
    security,
    params: byId,
    response: {
      204: { description: 'It is over, or was already.', type: 'null' },
      ...problems(...EVERYWHERE, 'not_found'),
    },
  },
  userReport: {
    operationId: 'getUserReport',
    summary: 'The report of a user without many events, at once (scope reports:read)',
    security,
    params: {
      type: 'object',
      required: ['user'],
      properties: { user: ASK.user_id },
    },
    querystring: { type: 'object', properties: QUERY },
    response: {
      200: REPORT,
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
