/** Many that want to know the same at one time ask once. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds. A read that takes longer is not waited for before the next one begins: it may never come to an end. */
const PATIENCE_MS = 250;

/**
 * Each call gets what a read says that began after the call did, so nobody gets an answer that was out of date when they
 * asked. While one read is under way, all who come share the next.
 */
export function sharedRead<T>(read: () => Promise<T>): () => Promise<T> {
  let current: Promise<T> | null = null;
  let next: Promise<T> | null = null;
  const begin = (): Promise<T> => {
    const begun: Promise<T> = read().finally(() => {
      if (current === begun) current = null;
    });
    current = begun;
    return begun;
  };
  return () => {
    if (current === null) return begin();
    next ??= Promise.race([current.catch(() => {}), sleep(PATIENCE_MS, null, { ref: false })]).then(() => {
      next = null;
      return begin();
    });
    return next;
  };
}
