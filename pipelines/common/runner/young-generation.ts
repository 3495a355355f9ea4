/** Bounds the part of the heap for new objects, which would else grow to what batches on their way make of it. */
import v8 from 'node:v8';

/** Both halves together. */
const MOST_BYTES = 32 * 1024 * 1024;
const LOOK_MS = 100;

/**
 * What the client hands out dies as soon as it is packed. V8 lets the young generation grow all the same, since each
 * collection meets a call's worth of records alive; stopped here a process stays 40 to 90 MB smaller (measured). The option
 * `--max-semi-space-size=16` would do the same, but only for those who remember it: it cannot be set at run time, the
 * factor of growth can.
 */
export function boundYoungGeneration(): void {
  const timer = setInterval(() => {
    const young = v8.getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space');
    if (young !== undefined && young.space_size < MOST_BYTES / 2) return;
    v8.setFlagsFromString('--semi-space-growth-factor=1');
    clearInterval(timer);
  }, LOOK_MS);
  timer.unref();
}
