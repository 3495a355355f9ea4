/** From what was observed to figures. Pure. */

export interface Point {
  /** Since the group had partitions assigned. */
  readonly seconds: number;
  /** Committed by then, and so durable. */
  readonly records: number;
}

/**
 * Records a second from the assignment to a commit near the end: the one, from `least` records on, that makes the
 * figure highest. After it a subject only waits for its own flush interval to write its last incomplete batch; how
 * long that interval is says nothing of how fast anybody is.
 */
export function meanRate(points: readonly Point[], least: number): number {
  const rates = points
    .filter(({ records, seconds }) => records >= least && seconds > 0)
    .map(({ records, seconds }) => records / seconds);
  return Math.max(0, ...rates);
}

/** Null of nothing. */
export function median(values: readonly number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  if (upper === undefined) return null;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}
