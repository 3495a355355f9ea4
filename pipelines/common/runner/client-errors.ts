/** What errors of the Kafka client mean to a running pipeline. */
import kafka from '@confluentinc/kafka-javascript';

const { ERRORS } = kafka.CODES;

const HOPELESS: ReadonlySet<number> = new Set([
  ERRORS.ERR__FATAL,
  ERRORS.ERR_TOPIC_AUTHORIZATION_FAILED,
  ERRORS.ERR_GROUP_AUTHORIZATION_FAILED,
  ERRORS.ERR_INCONSISTENT_GROUP_PROTOCOL,
  ERRORS.ERR_INVALID_SESSION_TIMEOUT,
]);

const SUSPICIOUS: ReadonlySet<number> = new Set([
  ERRORS.ERR__AUTO_OFFSET_RESET,
  ERRORS.ERR_OFFSET_OUT_OF_RANGE,
  ERRORS.ERR_UNKNOWN_TOPIC_OR_PART,
  ERRORS.ERR__UNKNOWN_TOPIC,
  ERRORS.ERR__UNKNOWN_PARTITION,
]);

/** There is nothing to wait for: a person must change something. */
export function isHopeless({ code, isFatal }: kafka.LibrdKafkaError): boolean {
  return isFatal === true || HOPELESS.has(code);
}

/** A position may not be what it was. The error does not say of which partition. */
export function isSuspicious({ code }: kafka.LibrdKafkaError): boolean {
  return SUSPICIOUS.has(code);
}
