/** The command `campaign-ledger`. Each subcommand has a file of its own, which is loaded only when it is asked for. */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command, CommanderError } from 'commander';
import { EXIT, type ExitCode, withExitCode } from './command-context.ts';
import { endAtOnce } from './common/end-at-once.ts';
import { UsageError } from './common/errors.ts';

type Register = (program: Command) => void;

interface Subcommand {
  readonly name: string;
  /** As in the command's own file; here so that help need not load any of them. */
  readonly description: string;
  load(): Promise<readonly Register[]>;
}

export const SUBCOMMANDS: readonly Subcommand[] = [
  {
    name: 'stack',
    description: 'run Kafka, ClickHouse, Azure Blob and a schema registry on this machine',
    load: async () => [(await importLocalStack()).registerStackCommands],
  },
  {
    name: 'migrate',
    description: 'create topics, schemas, the blob container and ClickHouse tables, or bring them up to date',
    load: async () => [(await import('../schemas/migrate/migrate-command.ts')).registerMigrateCommand],
  },
  {
    name: 'run',
    description: 'run tracking, archive, profiles, retention; all of them when none is named',
    load: async () => [(await import('./run-command.ts')).registerRunCommand],
  },
  {
    name: 'verify',
    description: 'hold Kafka, archive, ClickHouse and dead letters against one another',
    load: async () => [(await import('./verify/verify-command.ts')).registerVerifyCommand],
  },
  {
    name: 'archive',
    description: 'what is in the archive, whether it is whole, how to read it',
    load: async () => [(await import('./archive/archive-command.ts')).registerArchiveCommands],
  },
  {
    name: 'offsets',
    description: 'where the pipelines stand, and what to do about a stop',
    load: async () => [(await import('./offsets-command.ts')).registerOffsetsCommand],
  },
  {
    name: 'dead-letters',
    description: 'records that were refused: list them, look at one, send them back',
    load: async () => [(await import('./dead-letters/dead-letters-command.ts')).registerDeadLettersCommands],
  },
  {
    name: 'retention',
    description: 'what leaves ClickHouse by time and space, and why the rest does not',
    load: async () => [(await import('./retention/retention-command.ts')).registerRetentionCommands],
  },
  {
    name: 'report',
    description: 'reports on demand',
    load: async () => [(await import('./report/report-command.ts')).registerReportCommand],
  },
  {
    name: 'serve',
    description: 'reports over HTTP, at once or as jobs',
    load: async () => [(await import('./serve/serve-command.ts')).registerServeCommands],
  },
  {
    name: 'config',
    description: 'check the configuration',
    load: async () => [(await import('../config/validate-command.ts')).registerConfigCommand],
  },
];

/** The local stack is left out of a build: what it consists of is installed in a checkout only. */
async function importLocalStack() {
  try {
    return await import('../deploy/local/stack/stack-command.ts');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND')) throw error;
    if (!error.message.includes("/stack-command.js'")) throw error;
    throw new UsageError(
      'the local stack runs in a checkout of campaign-ledger: npm run -s ledger -- stack …',
    );
  }
}

/** Runs one command line; sets process.exitCode. @param argv without the interpreter and the script */
export async function main(argv: readonly string[]): Promise<void> {
  process.exitCode = EXIT.ok;
  await withExitCode(async () => {
    const program = await createProgram(argv);
    try {
      await program.parseAsync([...argv], { from: 'user' });
    } catch (error) {
      if (!(error instanceof CommanderError)) throw error;
      // Commander has printed its message (or the help that was asked for) already.
      return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    }
    // A command's action has set it by now.
    return process.exitCode as ExitCode;
  });
}

/** The program with the subcommand that the arguments name, and the others by name only. */
export async function createProgram(argv: readonly string[]): Promise<Command> {
  const program = new Command('campaign-ledger')
    .description('Every message a campaign sent and everything its user did with it, kept exactly once.')
    .version(version(), '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .option('--config <file>', 'configuration file (YAML); else CAMPAIGN_LEDGER_CONFIG names it')
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError('(add --help for the options)')
    .exitOverride();
  const [first, second] = positionals(argv);
  const asked = first === 'help' ? second : first;
  for (const { name, description, load } of SUBCOMMANDS) {
    if (name === asked) for (const register of await load()) register(program);
    else program.command(name).description(description);
  }
  return program;
}

function positionals(argv: readonly string[]): readonly string[] {
  return argv.filter((argument, index) => !argument.startsWith('-') && argv[index - 1] !== '--config');
}

function version(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** `campaign-ledger … | head` ends quietly, not with a stack; without anyone to read the log, work goes on. */
function toleratePipesThatClose(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(process.exitCode ?? EXIT.ok);
    throw error;
  });
  process.stderr.on('error', () => {});
}

/** Milliseconds. A command is over when its promise is: a socket or a thread somebody left must not keep the process. */
const LINGER_MS = 1_000;

/** The whole process: for whatever starts the command by importing this file. */
export async function start(): Promise<void> {
  toleratePipesThatClose();
  await main(process.argv.slice(2));
  setTimeout(() => endAtOnce(Number(process.exitCode ?? EXIT.ok)), LINGER_MS).unref();
}

function isStartedDirectly(): boolean {
  const script = process.argv[1];
  return (
    script !== undefined && existsSync(script) && realpathSync(script) === fileURLToPath(import.meta.url)
  );
}

if (isStartedDirectly()) await start();
