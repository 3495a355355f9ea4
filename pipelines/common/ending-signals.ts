/** The signals that end a long-running process: the first in good order, the next at once. */

/**
 * Milliseconds. One order to end can arrive several times: a whole process group is told (Ctrl-C, `timeout`, systemd),
 * and each parent in it passes on what it was told as well. Nobody types as fast as that.
 */
const ECHO_MS = 500;

export interface EndingSignalHandlers {
  readonly first: (signal: NodeJS.Signals) => void;
  /** Another signal, or the same one again when it cannot be the first one's echo. */
  readonly second: (signal: NodeJS.Signals) => void;
}

export function onEndingSignals(
  signals: readonly NodeJS.Signals[],
  { first, second }: EndingSignalHandlers,
): void {
  let told: { readonly signal: NodeJS.Signals; readonly atMs: number } | null = null;
  const hear = (signal: NodeJS.Signals) => {
    const atMs = performance.now();
    if (told === null) {
      told = { signal, atMs };
      first(signal);
    } else if (signal !== told.signal || atMs - told.atMs >= ECHO_MS) second(signal);
  };
  for (const signal of signals) process.on(signal, hear);
}
