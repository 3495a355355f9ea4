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
  // going down, coming up, or cut off
  'ABORTED',
  'QUERY_WAS_CANCELLED',
  'QUERY_WAS_CANCELLED_BY_CLIENT',
  'SOCKET_TIMEOUT',
  'NETWORK_ERROR',
  'DNS_ERROR',
  'ALL_CONNECTION_TRIES_FAILED',
  'UNFINISHED',
  'SYSTEM_ERROR',
  // the disk
  'NOT_ENOUGH_SPACE',
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

/** Translates what any call of the client may throw. An Outage, and what is none, come back as they are. */
export function asOutage(error: unknown): unknown {
  if (error instanceof Outage) return error;
  if (error instanceof ClickHouseError) {
    return OUTAGES.has(error.type ?? '') ? outage(`${error.type}: ${error.message.trim()}`, error) : error;
  }
  if (!(error instanceof Error)) return error;
  if (isConnectionError(error) || isClientTimeout(error) || !hasServerAnswer(error))
    return outage(error.message, error);
  return error;
}

/** True when ClickHouse refused the rows themselves: the batch is bisected until the culprit alone is a dead letter. */
export function isRowFault(error: unknown): boolean {
  return error instanceof ClickHouseError && ROW_FAULTS.test(error.type ?? '');
}

function outage(message: string, cause: unknown): Outage {
  return new Outage('clickhouse', message, { cause });
}

/** The client gives its own timeout no code. */
function isClientTimeout(error: Error): boolean {
  return /^Timeout (error|exceeded)/i.test(error.message) || /socket hang up|aborted/i.test(error.message);
}

/**
 * An answer that is not ClickHouse's own (a proxy's 502 page, an empty 503) becomes a plain Error with the body as
 * its message; a mistake in our own code is a TypeError or RangeError.
 */
function hasServerAnswer(error: Error): boolean {
  return error.constructor !== Error;
}
