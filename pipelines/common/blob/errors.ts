/** Azure Blob's errors, translated once. A lost condition (409, 412) is an answer and stays as it is. */
import { RestError } from '@azure/storage-blob';
import { isConnectionError, isOutageStatus } from '../connection-errors.ts';
import { Outage } from '../errors.ts';

/** Codes of the SDK's own HTTP pipeline: no answer came, or not in time. */
const CLIENT_CODES: ReadonlySet<string> = new Set(['REQUEST_SEND_ERROR', 'PARSE_ERROR']);

/** Refusals that say nothing of the blob: the account is busy, or somebody has to let us in. */
const REFUSALS: ReadonlySet<number> = new Set([401, 403]);

/** Translates what any call of the SDK may throw. An Outage, and what is none, come back as they are. */
export function asOutage(error: unknown): unknown {
  if (error instanceof Outage || !(error instanceof Error)) return error;
  if (error instanceof RestError) {
    const { statusCode, code } = error;
    const isOutage =
      statusCode === undefined
        ? CLIENT_CODES.has(code ?? '') || isConnectionError(error)
        : isOutageStatus(statusCode) || REFUSALS.has(statusCode);
    return isOutage ? outage(error) : error;
  }
  const isTimeout = error.name === 'AbortError' || error.name === 'TimeoutError';
  const isCredential = error.name === 'CredentialUnavailableError' || error.name === 'AuthenticationError';
  return isTimeout || isCredential || isConnectionError(error) ? outage(error) : error;
}

/** The service's own code, such as BlobAlreadyExists or ConditionNotMet; null for any other error. */
export function blobErrorCode(error: unknown): string | null {
  return error instanceof RestError ? (error.code ?? null) : null;
}

function outage(error: Error): Outage {
  // Only the first line: the SDK appends the request with its URL, and with that the SAS.
  return new Outage('blob', error.message.split('\n')[0] ?? error.name, { cause: error });
}
