/** What errors of the Kafka client mean to a running pipeline. */
import kafka from '@confluentinc/kafka-javascript';
import { Outage } from '../errors.ts';
import { asOutage } from '../kafka/errors.ts';

const { ERRORS } = kafka.CODES;

/** There is nothing to wait for: a person must change something. */
const HOPELESS: ReadonlySet<number> = new Set([
  ERRORS.ERR__FATAL,
  ERRORS.ERR_TOPIC_AUTHORIZATION_FAILED,
  ERRORS.ERR_GROUP_AUTHORIZATION_FAILED,
  ERRORS.ERR_INCONSISTENT_GROUP_PROTOCOL,
  ERRORS.ERR_INVALID_SESSION_TIMEOUT,
]);

/** A position may not be what it was. The error does not say of which partition. */
const SUSPICIOUS: ReadonlySet<number> = new Set([
  ERRORS.ERR__AUTO_OFFSET_RESET,
  ERRORS.ERR_OFFSET_OUT_OF_RANGE,
  ERRORS.ERR_UNKNOWN_TOPIC_OR_PART,
  ERRORS.ERR__UNKNOWN_TOPIC,
  ERRORS.ERR__UNKNOWN_PARTITION,
]);

/** Errors of a connection come as events that have lost their code: only librdkafka's text is left, in lower case. */
const TEXTS_OF_OUTAGES: ReadonlySet<string> = new Set([
  'all broker connections are down',
  'broker transport failure',
  'host resolution failure',
  'timed out',
]);

export type ClientFault = 'hopeless' | 'suspicious' | 'other' | Outage;

export function judgeClientError(error: kafka.LibrdKafkaError): ClientFault {
  const outage = asOutage(error);
  if (outage instanceof Outage) return outage;
  if (TEXTS_OF_OUTAGES.has(error.message)) return new Outage('kafka', error.message, { cause: error });
  if (error.isFatal === true || HOPELESS.has(error.code)) return 'hopeless';
  return SUSPICIOUS.has(error.code) ? 'suspicious' : 'other';
}

/** Lets the same text through once in a while: a client that cannot connect says so many times a second. */
export class Repetition {
  readonly #saidAt = new Map<string, number>();
  readonly #everyMs: number;

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  /** @param nowMs monotonic */
  isNews(text: string, nowMs: number): boolean {
    const saidAt = this.#saidAt.get(text);
    if (saidAt !== undefined && nowMs - saidAt < this.#everyMs) return false;
    if (this.#saidAt.size > 100) this.#saidAt.clear();
    this.#saidAt.set(text, nowMs);
    return true;
  }
}
