/** Between which times an event can have happened. */
import type { Config } from '../../../config/schema.ts';

export interface TimeLimits {
  /** Milliseconds since the epoch. */
  readonly earliest: number;
  /** Milliseconds that an event may be ahead of the record's own Kafka timestamp. */
  readonly maxFutureMs: number;
}

export function timeLimits({ validation }: Pick<Config, 'validation'>): TimeLimits {
  return { earliest: Date.parse(validation.earliestEventTime), maxFutureMs: validation.maxFutureMs };
}
