/** Reports for those who wait: so many at one time, so many in line, and each only for as long as somebody waits. */
import pLimit from 'p-limit';
import type { Config } from '../../config/schema.ts';
import { Problem } from './problems.ts';

const BUSY_RETRY_AFTER = 2;

export type AtOnce = <T>(work: () => Promise<T>, signal: AbortSignal) => Promise<T>;

/** What is waited for in vain does not take a place: whoever gave up is gone from the line when their turn comes. */
export function atOnce({
  maxConcurrentReports,
  maxWaitingReports,
}: Pick<Config['serve'], 'maxConcurrentReports' | 'maxWaitingReports'>): AtOnce {
  const limit = pLimit(maxConcurrentReports);
  return async (work, signal) => {
    const { activeCount, pendingCount } = limit;
    if (activeCount + pendingCount >= maxConcurrentReports + maxWaitingReports) throw busy();
    return limit(async () => {
      signal.throwIfAborted();
      return work();
    });
  };
}

export const busy = (): Problem =>
  new Problem('busy', 'as many reports as may wait are waiting; ask again in some seconds', {
    retryAfter: BUSY_RETRY_AFTER,
  });
