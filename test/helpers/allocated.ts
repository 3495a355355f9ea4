/** How much memory a piece of work asks for, whether it uses it or not. */

/**
 * Bytes of buffers and heap beyond what was there before, at the moment the work has ended. A lower bound: a collection
 * in between hides a part, but none hides what a hostile length of hundreds of megabytes would have taken.
 */
export async function allocatedBy(work: () => unknown): Promise<number> {
  const before = total();
  await work();
  return total() - before;
}

function total(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
