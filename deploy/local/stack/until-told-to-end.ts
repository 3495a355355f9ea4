/** Waits for the signal that ends a long-running process. */

/** Resolves at the first of these signals. A second one ends the process at once; its children end with it. */
export function untilToldToEnd(signals: readonly NodeJS.Signals[]): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let isTold = false;
    for (const signal of signals) {
      process.on(signal, () => {
        if (isTold) process.exit(1);
        isTold = true;
        resolve(signal);
      });
    }
  });
}
