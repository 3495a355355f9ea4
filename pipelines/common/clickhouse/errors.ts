/** ClickHouse's errors, translated once: what is an outage, and what the rows themselves can be blamed for. */
import { ClickHouseError } from '@clickhouse/client';
import { isConnectionError } from '../connection-errors.ts';
import { Outage } from '../errors.ts';

/**
 * The server cannot do it now, or not for us: the rows are not at fault, and the same statement will succeed once
 * somebody or something has put it right. Permissions and missing tables are among them, because a dead letter made
 * while they last would be a lie. (names of ErrorCodes.cpp)
 */
const OUTAGES: ReadonlySet<string> = new Set([
  // overloaded
  'MEMORY_LIMIT_EXCEEDED',
  'CANNOT_ALLOCATE_MEMORY',
  'TOO_MANY_PARTS',
  'TOO_MANY_SIMULTANEOUS_QUERIES',
  'TIMEOUT_EXCEEDED',
  'TOO_SLOW',
  'QUOTA_EXCEEDED',
  'NO_FREE_CONNECTION',
  'CANNOT_SCHEDULE_TASK',
  'DEADLOCK_AVOIDED',
  'SERVER_OVERLOADED',
  'RESOURCE_LIMIT_EXCEEDED',
  'TOO_MANY_MUTATIONS',
  'USER_SESSION_LIMIT_EXCEEDED',
  'HTTP_CONNECTION_LIMIT_REACHED',
  'RECEIVED_ERROR_TOO_MANY_REQUESTS',
  // going down, coming up, or cut off
  'ABORTED',
  'QUERY_WAS_CANCELLED',
  'QUERY_WAS_CANCELLED_BY_CLIENT',
  'THREAD_WAS_CANCELED',
  'ASYNC_LOAD_CANCELED',
  'SOCKET_TIMEOUT',
  'CANNOT_READ_FROM_SOCKET',
  'CANNOT_WRITE_TO_SOCKET',
  'NETWORK_ERROR',
  'DNS_ERROR',
  'ALL_CONNECTION_TRIES_FAILED',
  'UNFINISHED',
  'SYSTEM_ERROR',
  // the disk
  'NOT_ENOUGH_SPACE',
  'CANNOT_READ_FROM_FILE_DESCRIPTOR',
  'CANNOT_WRITE_TO_FILE_DESCRIPTOR',
  'CANNOT_FSYNC',
  'CANNOT_OPEN_FILE',
  'CANNOT_CREATE_DIRECTORY',
  // replicas and Keeper
  'TABLE_IS_READ_ONLY',
  'NO_ZOOKEEPER',
  'UNEXPECTED_ZOOKEEPER_ERROR',
  'KEEPER_EXCEPTION',
  'NO_ACTIVE_REPLICAS',
  'TOO_FEW_LIVE_REPLICAS',
  'UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE',
  'REPLICA_IS_NOT_IN_QUORUM',
  'UNKNOWN_STATUS_OF_INSERT',
  'DATABASE_REPLICATION_FAILED',
  'REPLICA_STATUS_CHANGED',
  // storage behind the server
  'S3_ERROR',
  'AZURE_BLOB_STORAGE_ERROR',
  // not set up, or not for us
  'AUTHENTICATION_FAILED',
  'REQUIRED_PASSWORD',
  'WRONG_PASSWORD',
  'UNKNOWN_USER',
  'ACCESS_DENIED',
  'READONLY',
  'UNKNOWN_DATABASE',
  'UNKNOWN_TABLE',
]);

/** What the contents of a row can cause: only these may make a dead letter of it. */
const ROW_FAULTS =
  /^(CANNOT_PARSE_|CANNOT_READ_|CANNOT_INSERT_|CANNOT_CONVERT_|INCORRECT_DATA$|TYPE_MISMATCH$|ARGUMENT_OUT_OF_BOUND$|DECIMAL_OVERFLOW$|VALUE_IS_OUT_OF_RANGE|TOO_LARGE_STRING_SIZE$|TOO_LARGE_ARRAY_SIZE$|TOO_DEEP_RECURSION$|VIOLATED_CONSTRAINT$|UNKNOWN_ELEMENT_OF_ENUM$|BAD_ARGUMENTS$|ILLEGAL_TYPE_OF_ARGUMENT$|UNEXPECTED_END_OF_FILE$|ATTEMPT_TO_READ_AFTER_EOF$|CANNOT_DECOMPRESS$|LOGICAL_ERROR$)/;

/**
 * Translates what a call of the client may throw. Wrap nothing but such calls: where the answer is not ClickHouse's own
 * (a proxy's page, an empty 503) the client throws a plain Error with that page as its message and no status, and so a
 * plain Error is an outage here. An Outage, and what is none, come back as they are.
 */
export function asOutage(error: unknown): unknown {
  if (error instanceof Outage) return error;
  if (error instanceof ClickHouseError) {
    return isOutageType(error.type) ? outage(`${error.type}: ${error.message.trim()}`, error) : error;
  }
  if (!(error instanceof Error)) return error;
  const isForeignAnswer = error.constructor === Error && !CLIENT_MISUSE.test(error.message);
  return isForeignAnswer || isConnectionError(error) ? outage(summaryOf(error), error) : error;
}

/** True when ClickHouse refused the rows themselves: the batch is bisected until the culprit alone is a dead letter. */
export function isRowFault(error: unknown): boolean {
  return error instanceof ClickHouseError && !isOutageType(error.type) && ROW_FAULTS.test(error.type ?? '');
}

/** More than one question may take. It may have been others that took it; or it is this question, every time. */
const LIMITS = /\b(MEMORY_LIMIT_EXCEEDED|TIMEOUT_EXCEEDED|TOO_SLOW)\b/;

/** Also of an outage that came from another thread, with its words alone. */
export const isLimit = ({ service, message }: Outage): boolean =>
  service === 'clickhouse' && LIMITS.test(message);

/** All that stand in the table, for the test that asks the engine whether it knows them. */
export const OUTAGE_TYPES: Iterable<string> = OUTAGES;

/** Plain Errors by which the client complains of its caller. */
const CLIENT_MISUSE =
  /^(Cannot decode|Stream has been already|Unknown auth|Only HTTP and HTTPS|Failed to create URL)/;

function isOutageType(type: string | undefined): boolean {
  return OUTAGES.has(type ?? '');
}

function outage(message: string, cause: Error): Outage {
  return new Outage('clickhouse', message, { cause });
}

/** One line, not a whole page. */
function summaryOf(error: Error): string {
  const text = error.message.replaceAll(/<[^>]*>|\s+/g, ' ').trim();
  const { code } = error as NodeJS.ErrnoException;
  return text.slice(0, 200) || code || 'an answer without a body';
}
