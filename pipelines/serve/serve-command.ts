/** `serve`: reports over HTTP; `serve new-key`: a token, and the entry for the file of keys. */
import { type Command, Option } from 'commander';
import { type CommandContext, EXIT, type ExitCode, withConfig, withExitCode } from '../command-context.ts';
import { endAtOnce } from '../common/end-at-once.ts';
import { onEndingSignals } from '../common/ending-signals.ts';
import { UsageError } from '../common/errors.ts';
import { newKey } from './auth/key-file.ts';
import { SCOPES } from './auth/principal.ts';

interface NewKeyOptions {
  readonly id: string;
  readonly tenant: readonly string[];
  readonly scope: readonly string[];
  readonly expires?: string;
}

export function registerServeCommands(program: Command): void {
  const serve = program
    .command('serve')
    .description('reports over HTTP, at once or as jobs')
    .action(withConfig(serveCommand));
  serve
    .command('new-key')
    .description(
      'make a token: it goes to standard output, its entry for serve.auth.keysFile to standard error',
    )
    .requiredOption('--id <id>', 'what logs and jobs name it by')
    .requiredOption('--tenant <id...>', 'the tenants whose reports it may ask for')
    .addOption(new Option('--scope <scope...>', 'what it may do').choices(SCOPES).makeOptionMandatory())
    .option('--expires <time>', 'until when it is good (a day in UTC, or an instant with its zone)')
    .action((options: NewKeyOptions) => withExitCode(async () => printNewKey(options)));
}

function printNewKey({ id, tenant, scope, expires }: NewKeyOptions): ExitCode {
  const options = { id, tenants: tenant, scopes: scope, ...(expires === undefined ? {} : { expires }) };
  let made: ReturnType<typeof newKey>;
  try {
    made = newKey(options);
  } catch (error) {
    throw new UsageError(`serve new-key: ${(error as Error).message.replace(/\bkeys\.0\./g, '--')}`);
  }
  process.stdout.write(`${made.token}\n`);
  process.stderr.write(`# Put this under "keys:" in the file that serve.auth.keysFile names.\n${made.entry}`);
  return EXIT.ok;
}

async function serveCommand(context: CommandContext): Promise<ExitCode> {
  const { startService } = await import('./start-service.ts');
  const { logger, config } = context;
  const running = await startService(context);
  const { promise: told, resolve: tell } = Promise.withResolvers<void>();
  onEndingSignals(['SIGTERM', 'SIGINT'], {
    first: (signal) => {
      logger.info({ signal }, 'ending');
      setTimeout(() => {
        logger.warn(
          { shutdownTimeoutMs: config.shutdownTimeoutMs },
          'not every request was answered in time',
        );
        endAtOnce(EXIT.ok);
      }, config.shutdownTimeoutMs).unref();
      tell();
    },
    second: (signal) => {
      logger.warn({ signal }, 'ended at once by a second signal');
      endAtOnce(EXIT.failed);
    },
  });
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      logger.fatal({ err: error }, 'unforeseen error');
      endAtOnce(EXIT.failed);
    });
  }
  await told;
  await running.close();
  return EXIT.ok;
}
