/** Retention beside the pipelines of a process: again and again, and never so that a pipeline suffers from it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Registry } from 'prom-client';
import type { CommandContext } from '../command-context.ts';
import { LockLost, LockTaken } from '../common/blob/lease-lock.ts';
import { Fenced, Outage } from '../common/errors.ts';
import { capWarning } from './plan-text.ts';
import { reasonsOf } from './reasons.ts';
import { createRetentionMetrics } from './retention-metrics.ts';
import type { RetentionResult } from './run.ts';
import { runRetentionOnce } from './run-once.ts';

export interface ScheduleOptions extends Pick<CommandContext, 'config' | 'logger' | 'clock'> {
  readonly registry: Registry;
  /** Milliseconds between the end of one run and the beginning of the next. */
  readonly intervalMs: number;
  /** Aborted: no further run; one under way ends before its next step. */
  readonly signal: AbortSignal;
}

/** Several processes start at one time: whoever comes later finds little to do. */
const FIRST_WAIT_MS = 10_000;
const RETRIES = 5;

/** Resolves when the signal is aborted; a run that fails is told of, and comes again. */
export async function scheduleRetention(options: ScheduleOptions): Promise<void> {
  const { intervalMs, signal, logger, config } = options;
  const metrics = createRetentionMetrics(options.registry, config.retention.tracking.ttlDays);
  await pause(Math.min(intervalMs, FIRST_WAIT_MS), signal);
  while (!signal.aborted) {
    try {
      const result = await runRetentionOnce(options, { waitMs: 0, retries: RETRIES, signal });
      metrics.finished(result);
      tell(result, options);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof LockTaken) logger.debug(error.message);
      else if (error instanceof LockLost || error instanceof Fenced)
        logger.info({ reason: error.message }, 'retention: another process is at it');
      else {
        metrics.failed();
        const { message: reason } = error as Error;
        logger.error(
          error instanceof Outage ? { service: error.service, reason } : { err: error },
          'retention did not come to its end; nothing is lost, and it is tried again',
        );
      }
    }
    await pause(intervalMs, signal);
  }
}

function tell(
  { look, exported, rowsGone, messagesGone }: RetentionResult,
  { logger }: ScheduleOptions,
): void {
  for (const day of look.plan.days) {
    const reasons = reasonsOf(day, look.sources).map(({ text }) => text);
    if (reasons.length > 0) logger.info({ day: day.day, reasons }, 'retention: kept');
  }
  const warning = capWarning(look.plan);
  if (warning !== null) logger.warn({ overBytes: look.plan.overBytes }, `retention: ${warning}`);
  if (exported.rows + rowsGone + messagesGone > 0)
    logger.info({ exportedRows: exported.rows, rowsGone, messagesGone }, 'retention');
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal, ref: false }).catch(() => {});
}
