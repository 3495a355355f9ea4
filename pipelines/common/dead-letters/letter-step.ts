/** The step that sends what was refused to the dead-letter topics. */
import type { EncodedBatch } from '../clickhouse-sink/encoded-batch.ts';
import type { FlushStep } from '../clickhouse-sink/flush.ts';
import type { Clock } from '../clock.ts';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';
import { letterMessage } from './dead-letter.ts';
import type { LetterProducer } from './letter-producer.ts';

export interface LetterStepOptions {
  readonly pipeline: string;
  readonly producer: LetterProducer;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/** Letters named one by one in the log for each flush: a burst must not drown it. */
const LOGGED_LETTERS = 5;

export function sendDeadLetters({
  pipeline,
  producer,
  clock,
  metrics,
  logger,
}: LetterStepOptions): FlushStep {
  return async function sendDeadLetters(flush) {
    const batches = flush.batches.filter(({ areLettersSent }) => !areLettersSent);
    const count = batches.reduce((sum, { faults }) => sum + faults.size, 0);
    if (count > 0) {
      flush.assertOurs();
      const at = clock.now();
      await producer.send(
        (function* () {
          for (const batch of batches) for (const letter of batch.letters()) yield letterMessage(letter, at);
        })(),
      );
    }
    for (const batch of batches) {
      batch.areLettersSent = true;
      const { topic } = batch.batch.source;
      for (const { code } of batch.faults.values()) metrics.deadLetters.inc({ pipeline, topic, code });
    }
    logSome(logger, { batches, count });
  };
}

function logSome(
  logger: Logger,
  { batches, count }: { batches: readonly EncodedBatch[]; count: number },
): void {
  let logged = 0;
  for (const { batch, faults } of batches) {
    const { topic, partition } = batch.source;
    for (const [offset, { code, reason }] of faults) {
      if (logged === LOGGED_LETTERS) break;
      logged += 1;
      logger.warn({ topic, partition, offset, code, reason }, 'dead letter');
    }
  }
  if (count > logged) logger.warn({ more: count - logged }, 'further dead letters in the same flush');
}
