/** Kafka's errors, translated once: librdkafka's codes are numbers, the client's own below -1, the broker's above 0. */
import kafka from '@confluentinc/kafka-javascript';
import { Outage } from '../errors.ts';

const { ERRORS } = kafka.CODES;

/** The cluster is away, busy electing, or short of replicas. Nothing is wrong with what was asked. */
const OUTAGES: ReadonlySet<number> = new Set([
  ERRORS.ERR__TRANSPORT,
  ERRORS.ERR__RESOLVE,
  ERRORS.ERR__ALL_BROKERS_DOWN,
  ERRORS.ERR__TIMED_OUT,
  ERRORS.ERR__TIMED_OUT_QUEUE,
  ERRORS.ERR__MSG_TIMED_OUT,
  ERRORS.ERR__WAIT_COORD,
  ERRORS.ERR__WAIT_CACHE,
  ERRORS.ERR__QUEUE_FULL,
  ERRORS.ERR__RETRY,
  // "No such entry": what the admin client says of a topic whose metadata has not come yet.
  ERRORS.ERR__NOENT,
  ERRORS.ERR__ISR_INSUFF,
  ERRORS.ERR__IN_PROGRESS,
  ERRORS.ERR_LEADER_NOT_AVAILABLE,
  ERRORS.ERR_NOT_LEADER_FOR_PARTITION,
  ERRORS.ERR_REQUEST_TIMED_OUT,
  ERRORS.ERR_BROKER_NOT_AVAILABLE,
  ERRORS.ERR_REPLICA_NOT_AVAILABLE,
  ERRORS.ERR_NETWORK_EXCEPTION,
  ERRORS.ERR_COORDINATOR_LOAD_IN_PROGRESS,
  ERRORS.ERR_COORDINATOR_NOT_AVAILABLE,
  ERRORS.ERR_NOT_COORDINATOR,
  ERRORS.ERR_NOT_ENOUGH_REPLICAS,
  ERRORS.ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
  ERRORS.ERR_NOT_CONTROLLER,
  ERRORS.ERR_KAFKA_STORAGE_ERROR,
  ERRORS.ERR_PREFERRED_LEADER_NOT_AVAILABLE,
  ERRORS.ERR_ELIGIBLE_LEADERS_NOT_AVAILABLE,
  ERRORS.ERR_UNSTABLE_OFFSET_COMMIT,
  ERRORS.ERR_THROTTLING_QUOTA_EXCEEDED,
  ERRORS.ERR_CONCURRENT_TRANSACTIONS,
  ERRORS.ERR_FENCED_LEADER_EPOCH,
  ERRORS.ERR_UNKNOWN_LEADER_EPOCH,
  ERRORS.ERR_OFFSET_NOT_AVAILABLE,
]);

/** One result among many of an answer, or a callback of the client, brings its error as a bare object. */
export interface KafkaFault {
  readonly message: string;
  readonly code: number;
}

/** Such an object as an error that can be thrown. */
export class KafkaError extends Error {
  override readonly name = 'KafkaError';
  /** librdkafka's number: `kafka.CODES.ERRORS`. */
  readonly code: number;
  constructor({ message, code }: KafkaFault) {
    super(message);
    this.code = code;
  }
}

/** Translates what any call of the client may throw or hand to a callback. What is no outage comes back as it is. */
export function asOutage(error: unknown): unknown {
  if (error instanceof Outage) return error;
  const code = kafkaErrorCode(error);
  if (code === null) return error;
  const thrown = error instanceof Error ? error : new KafkaError(error as KafkaFault);
  return OUTAGES.has(code) ? new Outage('kafka', thrown.message, { cause: thrown }) : thrown;
}

/** librdkafka's number (`kafka.CODES.ERRORS`), also of the cause of an Outage; null for any other error. */
export function kafkaErrorCode(error: unknown): number | null {
  const source = error instanceof Outage ? error.cause : error;
  if (typeof source !== 'object' || source === null) return null;
  const { code } = source as { code?: unknown };
  return typeof code === 'number' ? code : null;
}

/** What the client hands to an `event.log` listener. */
export interface ClientLogEvent {
  readonly severity: number;
  readonly fac: string;
  readonly message: string;
}

/**
 * Why a connection failed, out of the client's log: its errors say only "transport failure", also for a wrong password
 * or a certificate that nobody trusts. Null for any other line.
 */
export function connectionFailure({ fac, message }: ClientLogEvent): string | null {
  if (fac !== 'FAIL') return null;
  return message
    .replace(/^\[thrd:[^\]]*\]: /, '')
    .replace(/^\S+\/\S+: /, '')
    .replace(/ \((?:after|last) [^()]*\)$/, '');
}
