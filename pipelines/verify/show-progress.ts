/** How far the check has come: a bar at a terminal, else a line in the log now and then. */
import type { Logger } from '../common/logger.ts';
import { type ProgressBar, progressBar } from '../common/progress-bar.ts';
import type { Progress } from './verify-context.ts';

/** Milliseconds between two lines of the log. */
const LOG_EVERY_MS = 30_000;

export function showProgress(logger: Logger): { readonly progress: Progress; finish(): void } {
  const isTerminal = process.stderr.isTTY === true;
  let bar: ProgressBar | null = null;
  let at = { topic: '', known: 0, records: 0 };
  let loggedAt = performance.now();
  const finish = () => bar?.finish();
  const progress: Progress = {
    begin(topic, known) {
      finish();
      at = { topic, known, records: 0 };
      bar = isTerminal ? progressBar(`records of ${topic} checked`, known) : null;
    },
    records(count) {
      at.records += count;
      bar?.update(at.records);
      if (isTerminal || performance.now() - loggedAt < LOG_EVERY_MS) return;
      loggedAt = performance.now();
      logger.info(at, 'checking');
    },
  };
  return { progress, finish };
}
