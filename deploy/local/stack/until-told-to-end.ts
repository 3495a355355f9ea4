/** Waits for the signal that ends a long-running process. */

const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Resolves at the first signal. A second one ends the process at once; its children end with it. */
export function untilToldToEnd(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let isTold = false;
    for (const signal of ENDING) {
      process.removeAllListeners(signal);
      process.on(signal, () => {
        if (isTold) process.exit(1);
        isTold = true;
        resolve(signal);
      });
    }
  });
}
