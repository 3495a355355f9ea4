/** One run of retention with the lock and the clients that it takes. */
import type { CommandContext } from '../command-context.ts';
import type { LeaseLock } from '../common/blob/lease-lock.ts';
import { retryOutage } from '../common/retry.ts';
import { createRetentionContext, type RetentionContext } from './context.ts';
import { takeRetentionLock } from './retention-lock.ts';
import { type RetentionResult, runRetention } from './run.ts';

export interface RunOnceOptions {
  /** Milliseconds to wait for another run to end. */
  readonly waitMs: number;
  /** Attempts after the first while a service is away. */
  readonly retries: number;
  readonly onWait?: (holder: string) => void;
  /** Aborted: the run ends before its next step. The next run goes on from there. */
  readonly signal?: AbortSignal;
}

/**
 * @throws {LockTaken} another run is under way
 * @throws {LockLost | Fenced} another one has taken over
 * @throws {Outage} a service is away for longer than we try
 * @throws {DamagedColdFile} a file of the cold tier is not what was written; nothing that relies on it goes
 * @throws the signal's reason
 */
export async function runRetentionOnce(
  settings: Pick<CommandContext, 'config' | 'logger' | 'clock'>,
  options: RunOnceOptions,
): Promise<RetentionResult> {
  return withRetentionContext(settings, (context) => {
    const { config, logger } = settings;
    const { retries, signal } = options;
    const attempt = () => runLocked(context, options);
    return retryOutage(attempt, { retry: config.retry, retries, signal, logger, what: 'retention' });
  });
}

async function runLocked(
  context: RetentionContext,
  { waitMs, onWait, signal }: RunOnceOptions,
): Promise<RetentionResult> {
  const { config, clock, container } = context;
  const { prefix } = config.blob;
  const lock = await takeRetentionLock(container, {
    prefix,
    clock,
    waitMs,
    ...(onWait === undefined ? {} : { onWait }),
  });
  try {
    return await runRetention(context, endingOn(lock, signal));
  } finally {
    await lock.release();
  }
}

function endingOn(lock: LeaseLock, signal: AbortSignal | undefined): LeaseLock {
  return {
    async assertHeld() {
      signal?.throwIfAborted();
      await lock.assertHeld();
    },
    release: () => lock.release(),
  };
}

export async function withRetentionContext<T>(
  settings: Pick<CommandContext, 'config' | 'logger' | 'clock'>,
  use: (context: RetentionContext) => Promise<T>,
): Promise<T> {
  const context = createRetentionContext(settings);
  try {
    return await use(context);
  } finally {
    await context.client.close();
  }
}
