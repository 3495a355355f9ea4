/** Which problem an error is, where it was none yet. */
import { DamagedArchive } from '../archive/find-batches.ts';
import { DamagedColdFile } from '../cold/read-parquet.ts';
import { OfflineBlob } from '../common/blob/offline.ts';
import { Outage } from '../common/errors.ts';
import { TooManyEvents } from '../report/user-report.ts';
import { Problem } from './problems.ts';

/** Seconds after which it is worth to ask again. */
const OUTAGE_RETRY_AFTER = 5;

const SERVICES: Readonly<Record<string, string>> = {
  clickhouse: 'ClickHouse',
  blob: 'Blob Storage',
  schemaRegistry: 'the schema registry',
  jwks: 'the identity provider, whose keys tell whether the token is good,',
};

/** The details of an error go to the log: they may name hosts, paths and users. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof Outage) {
    return new Problem(
      'unavailable',
      `${SERVICES[error.service] ?? error.service} is not available at the moment; ask again later`,
      { cause: error, retryAfter: OUTAGE_RETRY_AFTER },
    );
  }
  if (error instanceof OfflineBlob) {
    return new Problem(
      'offline',
      'a file that the report needs is in the archive tier: have the operator bring it back (`campaign-ledger report user --rehydrate`), which takes hours, and ask again',
      { cause: error },
    );
  }
  if (error instanceof DamagedArchive || error instanceof DamagedColdFile) {
    return new Problem(
      'damaged',
      'a file that the report needs is gone or damaged, so it would lack something: the log of the service names the file',
      { cause: error },
    );
  }
  if (error instanceof TooManyEvents) {
    return new Problem('too_large', `${error.message}: ask for the report with POST /v1/reports`, {
      cause: error,
    });
  }
  return (
    fastifyProblem(error) ?? new Problem('internal', 'the log of the service says more', { cause: error })
  );
}

/** Fastify's own refusals, of requests that no handler has seen. */
function fastifyProblem(error: unknown): Problem | null {
  const { code, statusCode } = error as { code?: unknown; statusCode?: unknown };
  if (typeof code !== 'string' || !code.startsWith('FST_')) return null;
  if (statusCode === 413)
    return new Problem('too_large', 'the body of the request is too large', { cause: error });
  if (statusCode === 415)
    return new Problem('invalid_request', 'the body has to be JSON: send Content-Type: application/json', {
      cause: error,
    });
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500)
    return new Problem('invalid_request', 'the body is not JSON, or the address is not well encoded', {
      cause: error,
    });
  return null;
}
