/** Waits for the signal that ends a long-running process. */
import { onEndingSignals } from '../../../pipelines/common/ending-signals.ts';

/** Resolves at the first of these signals. A second one ends the process at once; its children end with it. */
export function untilToldToEnd(signals: readonly NodeJS.Signals[]): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    onEndingSignals(signals, { first: resolve, second: () => process.exit(1) });
  });
}
