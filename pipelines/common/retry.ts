/** The one retry: waits out outages, and lets every other error through at once. */
import pRetry from 'p-retry';
import { Outage } from './errors.ts';
import type { Logger } from './logger.ts';

export interface RetrySettings {
  /** Milliseconds before the second attempt; doubled for each further one. */
  readonly initialMs: number;
  /** Milliseconds; the longest wait. */
  readonly maxMs: number;
}

export interface RetryOptions {
  readonly retry: RetrySettings;
  /** Ends the waiting; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  readonly logger?: Logger | undefined;
  /** Said in the log: what is being tried. */
  readonly what?: string;
  /** Called before each wait, for metrics and readiness. */
  readonly onOutage?: (outage: Outage, attempt: number) => void;
  /** Attempts after the first; without end when left out. */
  readonly retries?: number;
}

/**
 * Runs `attempt` until it succeeds. The waits grow exponentially with a random factor, so that processes
 * that lost the same service do not come back to it in step.
 * @throws the first error that is no Outage, the last Outage when `retries` is used up, or the signal's reason
 */
export async function retryOutage<T>(
  attempt: (attemptNumber: number) => Promise<T> | T,
  { retry, signal, logger, what = 'request', onOutage, retries = Number.POSITIVE_INFINITY }: RetryOptions,
): Promise<T> {
  return pRetry(attempt, {
    retries,
    factor: 2,
    // p-retry multiplies by a random factor between 1 and 2: this makes initialMs the longest first wait.
    minTimeout: Math.max(1, retry.initialMs / 2),
    maxTimeout: retry.maxMs,
    randomize: true,
    ...(signal === undefined ? {} : { signal }),
    shouldRetry: ({ error }) => error instanceof Outage,
    onFailedAttempt: ({ error, attemptNumber, retryDelay }) => {
      if (!(error instanceof Outage)) return;
      onOutage?.(error, attemptNumber);
      logger?.warn(
        {
          service: error.service,
          attempt: attemptNumber,
          retryInMs: Math.round(retryDelay),
          reason: error.message,
        },
        `${what}: ${error.service} is not available; waiting`,
      );
    },
  });
}
