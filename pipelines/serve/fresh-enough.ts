/** What was read a moment ago is taken as it was. */

/**
 * @param maxAgeMs how long before a call the read that answers it may have begun; 0: it begins with the call
 */
export function freshEnough<T>(read: () => Promise<T>, maxAgeMs: number): () => Promise<T> {
  let last: { readonly begunAt: number; readonly answer: Promise<T> } | null = null;
  return () => {
    const now = performance.now();
    if (last !== null && now - last.begunAt <= maxAgeMs) return last.answer;
    const answer = read();
    if (maxAgeMs === 0) return answer;
    const own = { begunAt: now, answer };
    last = own;
    // A failure answers those who waited for it, and nobody else.
    answer.catch(() => {
      if (last === own) last = null;
    });
    return answer;
  };
}
