/** Many that want to know the same at one time ask once. */

/**
 * Each call gets what a read says that began after the call did, so nobody gets an answer that was out of date when they
 * asked. While one read is under way, all who come share the next.
 */
export function sharedRead<T>(read: () => Promise<T>): () => Promise<T> {
  let current: Promise<T> | null = null;
  let next: Promise<T> | null = null;
  const begin = (): Promise<T> => {
    const begun = read().finally(() => {
      current = null;
    });
    current = begun;
    return begun;
  };
  return () => {
    if (current === null) return begin();
    next ??= current
      .catch(() => {})
      .then(() => {
        next = null;
        return begin();
      });
    return next;
  };
}
