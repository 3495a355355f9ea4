/** The step that sends what was refused to the dead-letter topics. */
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
    const letters = batches.flatMap((batch) => batch.letters);
    if (letters.length > 0) {
      flush.assertOurs();
      const at = clock.now();
      await producer.send(
        (function* () {
          for (const letter of letters) yield letterMessage(letter, at);
        })(),
      );
    }
    for (const batch of batches) batch.areLettersSent = true;
    for (const { source, fault } of letters)
      metrics.deadLetters.inc({ pipeline, topic: source.topic, code: fault.code });
    for (const { source, record, fault } of letters.slice(0, LOGGED_LETTERS)) {
      logger.warn(
        {
          topic: source.topic,
          partition: source.partition,
          offset: record.offset,
          code: fault.code,
          reason: fault.reason,
        },
        'dead letter',
      );
    }
    if (letters.length > LOGGED_LETTERS)
      logger.warn({ more: letters.length - LOGGED_LETTERS }, 'further dead letters in the same flush');
  };
}
