/** `migrate`: creates topics, schemas, container and tables, or says what it would create. */
import { type Command, InvalidArgumentError } from 'commander';
import { EXIT, type ExitCode, withConfig } from '../../pipelines/command-context.ts';
import { type MigrateResult, migrate } from './migrate.ts';
import { type Change, type Finding, VERBS } from './plan.ts';

interface MigrateCommandOptions {
  readonly plan?: true;
  readonly json?: true;
  readonly wait: number;
}

export function registerMigrateCommand(program: Command): void {
  program
    .command('migrate')
    .description('create topics, schemas, the blob container and ClickHouse tables, or bring them up to date')
    .option('--plan', 'print what would be done and change nothing')
    .option('--json', 'print the result as JSON on standard output')
    .option('--wait <seconds>', 'how long to wait for another migration that is under way', seconds, 300)
    .action(
      withConfig(async ({ config, clock }, options: MigrateCommandOptions): Promise<ExitCode> => {
        const isPlanOnly = options.plan === true;
        const result = await migrate(config, {
          clock,
          isPlanOnly,
          waitMs: options.wait * 1000,
          onDone: ({ part, verb, target }) => say(`${part}: ${VERBS[verb]} ${target}`),
          onWait: (holder) => say(`waits for another migration (${holder})`),
        });
        print(result, { isPlanOnly, isJson: options.json === true });
        return result.faults.length > 0 ? EXIT.failed : EXIT.ok;
      }),
    );
}

interface PrintOptions {
  readonly isPlanOnly: boolean;
  readonly isJson: boolean;
}

function print(result: MigrateResult, { isPlanOnly, isJson }: PrintOptions): void {
  const { changes, drift, faults } = result;
  for (const { part, text } of drift) say(`${part}: differs: ${text}`);
  for (const { part, text } of faults) say(`${part}: error: ${text}`);
  if (isJson) process.stdout.write(`${JSON.stringify(summary(result, isPlanOnly))}\n`);
  else if (isPlanOnly) {
    for (const { part, verb, target } of changes) process.stdout.write(`${part}: ${verb} ${target}\n`);
  }
  say(`migrate: ${conclusion(result, isPlanOnly)}`);
}

interface MigrateSummary {
  readonly plan: boolean;
  readonly changes: readonly Pick<Change, 'part' | 'verb' | 'target'>[];
  readonly drift: readonly Finding[];
  readonly faults: readonly Finding[];
}

function summary({ changes, drift, faults }: MigrateResult, isPlanOnly: boolean): MigrateSummary {
  return {
    plan: isPlanOnly,
    changes: changes.map(({ part, verb, target }) => ({ part, verb, target })),
    drift,
    faults,
  };
}

function conclusion({ changes, faults }: MigrateResult, isPlanOnly: boolean): string {
  const count = changes.length === 1 ? '1 change' : `${changes.length} changes`;
  if (faults.length > 0) return 'stopped by the errors above';
  if (changes.length === 0) return 'everything is up to date';
  return isPlanOnly ? `${count} to make` : `${count} made`;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function seconds(value: string): number {
  if (!/^\d{1,5}$/.test(value)) throw new InvalidArgumentError('must be a whole number of seconds.');
  return Number(value);
}
