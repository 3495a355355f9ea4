/** The one clock. It is passed in wherever the time is asked for, so that a test can say what time it is. */

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };
