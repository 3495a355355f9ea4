/** What can go wrong, as it is told to whoever asked: problem+json (RFC 9457) with a stable code. */

/** docs/http-api.md has a row for each. */
export const PROBLEMS = {
  invalid_request: { status: 400, title: 'The request cannot be understood' },
  unauthorized: { status: 401, title: 'There is no token, or none that is good here' },
  insufficient_scope: { status: 403, title: 'The token may not do this' },
  not_found: { status: 404, title: 'There is no such thing' },
  offline: { status: 409, title: 'A part of the archive has to be brought back first' },
  not_ready: { status: 409, title: 'The report is not made yet' },
  gone: { status: 410, title: 'There is no result, and there will be none' },
  too_large: { status: 413, title: 'That is too much at once' },
  idempotency_mismatch: { status: 422, title: 'The Idempotency-Key was used for another request' },
  unknown_attribute: { status: 422, title: 'No recipient has the attribute' },
  rate_limited: { status: 429, title: 'Too many requests' },
  internal: { status: 500, title: 'An error of the service' },
  damaged: { status: 500, title: 'A part of the archive is damaged' },
  busy: { status: 503, title: 'Too many reports wait already' },
  unavailable: { status: 503, title: 'A service that reports need is away' },
  timeout: { status: 504, title: 'It took too long' },
} as const satisfies Record<string, { readonly status: number; readonly title: string }>;

export type ProblemCode = keyof typeof PROBLEMS;

/** As it is written. */
export interface ProblemBody {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ProblemCode;
  readonly detail: string;
  readonly request_id: string;
  /** Which one of the request's parameters is at fault. */
  readonly parameter?: string;
}

export interface ProblemOptions extends ErrorOptions {
  readonly parameter?: string;
  /** Seconds. */
  readonly retryAfter?: number;
  /** Further headers of the answer. */
  readonly headers?: Readonly<Record<string, string>>;
}

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** The message is for whoever asked: it says what to do, and holds neither addresses nor secrets. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly code: ProblemCode;
  readonly parameter: string | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: ProblemCode, detail: string, options: ProblemOptions = {}) {
    super(detail, options);
    this.code = code;
    this.parameter = options.parameter;
    const { retryAfter, headers = {} } = options;
    this.headers = retryAfter === undefined ? headers : { ...headers, 'retry-after': String(retryAfter) };
  }

  /** Of the HTTP answer; under this name Fastify and its plugins look for it. */
  get statusCode(): number {
    return PROBLEMS[this.code].status;
  }

  body(requestId: string): ProblemBody {
    const { code, message: detail, parameter } = this;
    const { status, title } = PROBLEMS[code];
    return {
      type: `urn:campaign-ledger:problem:${code}`,
      title,
      status,
      code,
      detail,
      request_id: requestId,
      ...(parameter === undefined ? {} : { parameter }),
    };
  }
}

/** One text for what is not there and for what somebody else's is: nobody can tell one from the other. */
export const notFound = (): Problem =>
  new Problem('not_found', 'it does not exist, or this token may not know of it');
