/** What every command begins and ends with: configuration and logger at the start, an exit code at the end. */
import type { Command } from 'commander';
import type { Config } from '../config/schema.ts';
import { type Clock, systemClock } from './common/clock.ts';
import { Outage, UsageError } from './common/errors.ts';
import type { Logger } from './common/logger.ts';
import { withoutSignatures } from './common/redaction.ts';

/** 0 well, 1 it failed, 2 wrong usage or configuration, 3 a check found a discrepancy. */
export const EXIT = { ok: 0, failed: 1, usage: 2, discrepancy: 3 } as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export interface CommandContext {
  readonly config: Config;
  /** The configuration file in use, for messages that say what to type; undefined when there is none. */
  readonly configFile: string | undefined;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** A command's work. What it resolves to is the exit code; nothing is 0. */
export type Handler<Arguments extends unknown[]> = (
  context: CommandContext,
  ...args: Arguments
) => Promise<ExitCode> | Promise<void>;

/**
 * For `command.action(…)`: loads the configuration that `--config` names, makes the logger, runs the handler with
 * the command's own arguments (positional ones, then its options, then the command) and sets the exit code.
 * An error becomes one line on standard error; its stack is shown at log level debug.
 */
export function withConfig<Arguments extends unknown[]>(
  handler: Handler<Arguments>,
): (...args: Arguments) => Promise<void> {
  return (...args) =>
    withExitCode(async (errors) => {
      const [{ CONFIG_FILE_VARIABLE, loadConfig }, { createLogger }] = await Promise.all([
        import('../config/load.ts'),
        import('./common/logger.ts'),
      ]);
      const configFile = configFileOf(args) ?? (process.env[CONFIG_FILE_VARIABLE] || undefined);
      const config = await loadConfig({ file: configFile });
      errors.areDetailed ||= isDebug(config.log.level);
      const logger = createLogger(config.log);
      return (await handler({ config, configFile, logger, clock: systemClock }, ...args)) ?? EXIT.ok;
    });
}

interface ErrorReport {
  /** Whether stacks and causes are shown. */
  areDetailed: boolean;
}

/** As `withConfig`, for commands that need no configuration. */
export async function withExitCode(work: (errors: ErrorReport) => Promise<ExitCode>): Promise<void> {
  const errors: ErrorReport = { areDetailed: isDebug(process.env.CAMPAIGN_LEDGER_LOG_LEVEL ?? '') };
  try {
    process.exitCode = await work(errors);
  } catch (error) {
    process.exitCode = error instanceof UsageError ? EXIT.usage : EXIT.failed;
    reportError(error, errors);
  }
}

/** `--config` before or after the command's name. */
export function configFileOf(args: readonly unknown[]): string | undefined {
  const command = args.at(-1) as Command | undefined;
  const file = command?.optsWithGlobals?.().config;
  return typeof file === 'string' ? file : undefined;
}

function reportError(error: unknown, { areDetailed }: ErrorReport): void {
  const message = error instanceof Error ? error.message || error.name : String(error);
  const label = error instanceof Outage ? 'not available: ' : '';
  process.stderr.write(`campaign-ledger: ${label}${withoutSignatures(message)}\n`);
  if (areDetailed && error instanceof Error) process.stderr.write(`${withoutSignatures(stackOf(error))}\n`);
}

function stackOf(error: Error): string {
  const own = error.stack ?? error.message;
  return error.cause instanceof Error ? `${own}\ncaused by ${stackOf(error.cause)}` : own;
}

function isDebug(level: string): boolean {
  return level === 'debug' || level === 'trace';
}
