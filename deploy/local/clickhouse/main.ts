/** `node deploy/local/clickhouse/main.ts --data DIR`: a ClickHouse for one machine, out of chDB, without a container. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { createLogger, type Logger } from '../../../pipelines/common/logger.ts';
import { watchParent, watchStandardInput } from './parent.ts';
import { type Account, ENGINE_ACCOUNT } from './server-config.ts';

interface Flags {
  readonly data: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly passwordFile?: string;
  readonly reader?: string;
  readonly readerPasswordFile?: string;
  readonly readerDatabases: readonly string[];
  readonly maxMemoryMb: number;
  readonly logLevel: string;
  readonly stopTimeoutMs: number;
  readonly parentPid?: number;
  readonly exitWithStdin?: true;
}

const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost']);

const program = new Command('clickhouse-front')
  .description("ClickHouse's own HTTP interface over chDB, on one data directory.")
  .requiredOption('--data <dir>', 'data directory; made when missing')
  .option('--host <address>', 'address to listen on', '127.0.0.1')
  .option('--port <port>', 'port to listen on; 0 takes a free one', wholeNumber, 0)
  .option('--user <name>', 'account that may do everything', ENGINE_ACCOUNT)
  .option('--password-file <file>', 'its password (first line); the account needs another name then')
  .option('--reader <name>', 'a second account, which only reads')
  .option('--reader-password-file <file>', 'its password (first line)')
  .option('--reader-databases <names>', 'what it may read, comma-separated', commaSeparated, ['ledger_bi'])
  .option('--max-memory-mb <mb>', 'memory for queries, inserts and merges together', wholeNumber, 2048)
  .addOption(
    new Option('--log-level <level>', 'what the engine tells on standard error')
      .choices(['fatal', 'error', 'warning', 'information', 'debug', 'trace'])
      .default('error'),
  )
  .option(
    '--stop-timeout-ms <ms>',
    'time for open connections to end; then it ends as if killed',
    wholeNumber,
    8000,
  )
  .option('--parent-pid <pid>', 'end when this process is gone', wholeNumber)
  .option('--exit-with-stdin', 'end when standard input ends')
  .action(run);

try {
  await program.exitOverride().parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : 2;
}

async function run(flags: Flags): Promise<void> {
  const logger = createLogger({ level: 'info', format: 'json' });
  const fault = faultIn(flags);
  if (fault !== null) {
    process.stderr.write(`error: ${fault}\n`);
    process.exit(2);
  }
  // Also a line for a reader that is gone: the exit that follows an error would wait for the engine, which goes on.
  process.on('uncaughtException', (error) => {
    try {
      logger.fatal({ err: error }, 'ending as if killed');
    } finally {
      killSelf();
    }
  });
  // ClickHouse servers run in UTC; the engine would take the time zone of whoever started it.
  process.env.TZ = 'UTC';
  try {
    await serve(flags, logger);
  } catch (error) {
    logger.fatal({ err: error, data: flags.data }, 'clickhouse did not start');
    process.exit(1);
  }
}

function faultIn({ host, user, passwordFile, reader }: Flags): string | null {
  if (!LOOPBACK.has(host) && passwordFile === undefined) {
    return `--host ${host} needs --user and --password-file: whoever reaches the port could read this machine's files`;
  }
  if (passwordFile !== undefined && user === ENGINE_ACCOUNT) {
    return `--password-file needs a --user other than ${ENGINE_ACCOUNT}, which the engine itself uses without a password`;
  }
  if (reader === ENGINE_ACCOUNT || reader === user) return `--reader ${reader} needs a name of its own`;
  return null;
}

async function serve(flags: Flags, logger: Logger): Promise<void> {
  const { startServer } = await import('./server.ts');
  const server = await startServer({
    dataDir: resolve(flags.data),
    host: flags.host,
    port: flags.port,
    accounts: await accountsOf(flags),
    maxMemoryBytes: flags.maxMemoryMb * 1024 * 1024,
    logLevel: flags.logLevel,
  });

  let isStopping = false;
  const stop = (reason: string) => {
    if (isStopping) killSelf();
    isStopping = true;
    logger.info({ reason }, 'stopping');
    setTimeout(() => {
      logger.warn({ stopTimeoutMs: flags.stopTimeoutMs }, 'connections are still open: ending as if killed');
      killSelf();
    }, flags.stopTimeoutMs);
    void server.stop();
  };
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGINT', () => stop('SIGINT'));
  if (flags.parentPid !== undefined) watchParent(flags.parentPid, () => stop('parent gone'));
  if (flags.exitWithStdin) watchStandardInput(() => stop('standard input ended'));

  process.stdout.write(`${JSON.stringify({ listening: server.address })}\n`);
  await server.ended;
  if (isStopping) {
    await server.stop();
    process.exit(0);
  }
  logger.fatal('the engine ended by itself; its reason stands above');
  process.exit(1);
}

/** What was confirmed is safe. An ordinary exit would wait for the engine's threads, for as long as a client likes. */
function killSelf(): void {
  process.kill(process.pid, 'SIGKILL');
}

async function accountsOf(flags: Flags): Promise<readonly Account[]> {
  const owner = { name: flags.user, password: await passwordIn(flags.passwordFile) };
  if (flags.reader === undefined) return [owner];
  const password = await passwordIn(flags.readerPasswordFile);
  return [owner, { name: flags.reader, password, onlyDatabases: flags.readerDatabases }];
}

async function passwordIn(file: string | undefined): Promise<string> {
  if (file === undefined) return '';
  const [line = ''] = (await readFile(file, 'utf8')).split(/\r?\n/, 1);
  if (line === '') throw new Error(`${file} holds no password in its first line`);
  return line;
}

function wholeNumber(value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new InvalidArgumentError('a whole number is needed');
  return Number(value);
}

function commaSeparated(value: string): readonly string[] {
  return value.split(',').filter((name) => name !== '');
}
