/** `run`: the pipelines as one process, until it is told to end or one of them cannot go on. */
import type { Command } from 'commander';
import { type CommandContext, EXIT, type ExitCode, withConfig } from './command-context.ts';
import { endAtOnce } from './common/end-at-once.ts';
import { onEndingSignals } from './common/ending-signals.ts';
import { UsageError } from './common/errors.ts';
import type { Companion, PipelineProcess } from './common/runner/process.ts';
import { PIPELINE_FACTORIES, PIPELINE_NAMES, pipelineName } from './factories.ts';

/**
 * Threads for what Node cannot do on its own: each pipeline's reading call holds one of them while it collects
 * records, and compression, name look-ups and files want some as well. Node's default of 4 is one too few for three pipelines.
 */
const THREAD_POOL_SIZE = '16';

export function registerRunCommand(program: Command): void {
  // Read when the first of these threads is wanted, which is later than this.
  process.env.UV_THREADPOOL_SIZE ??= THREAD_POOL_SIZE;
  program
    .command('run')
    .description('run tracking, archive, profiles, retention; all of them when none is named')
    .argument('[pipelines...]', 'which of them')
    .action(withConfig(runCommand));
}

async function runCommand(context: CommandContext, names: string[]): Promise<ExitCode> {
  const { intervalMs } = context.config.retention;
  const pipelines = names.filter((name) => name !== RETENTION);
  const isAskedFor = pipelines.length < names.length;
  if (isAskedFor && intervalMs === null)
    throw new UsageError('run retention: retention.intervalMs is null, so it never runs by itself; set it');
  const chosen = names.length === 0 ? PIPELINE_NAMES : [...new Set(pipelines.map(pipelineName))];
  const { startProcess } = await import('./common/runner/process.ts');
  const creators = await Promise.all(chosen.map((name) => PIPELINE_FACTORIES[name]()));
  const companions =
    intervalMs !== null && (isAskedFor || names.length === 0)
      ? [await retentionEvery(context, intervalMs)]
      : [];
  const running = await startProcess(context, creators, companions);
  endOnSignals(context, running);
  await running.finished;
  return EXIT.ok;
}

/** Not a pipeline: it reads no topic, and the process goes on when it fails. */
const RETENTION = 'retention';

async function retentionEvery(
  { config, logger, clock }: CommandContext,
  intervalMs: number,
): Promise<Companion> {
  const { scheduleRetention } = await import('./retention/schedule.ts');
  return ({ registry, signal }) => scheduleRetention({ config, logger, clock, registry, intervalMs, signal });
}

/** The first signal drains; the second ends the process at once. What was not yet durable is read again either way. */
function endOnSignals({ logger, config }: CommandContext, running: PipelineProcess): void {
  const first = (signal: NodeJS.Signals) => {
    logger.info({ signal }, 'ending');
    running.drain();
    const watchdog = setTimeout(() => {
      logger.warn(
        { shutdownTimeoutMs: config.shutdownTimeoutMs },
        'not everything could be written in time; it is read again at the next start',
      );
      endAtOnce(EXIT.ok);
    }, config.shutdownTimeoutMs);
    watchdog.unref();
    void running.finished.catch(() => {}).then(() => clearTimeout(watchdog));
  };
  const second = (signal: NodeJS.Signals) => {
    logger.warn({ signal }, 'ended at once by a second signal');
    endAtOnce(EXIT.failed);
  };
  onEndingSignals(['SIGTERM', 'SIGINT'], { first, second });
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      logger.fatal({ err: error }, 'unforeseen error');
      endAtOnce(EXIT.failed);
    });
  }
}
