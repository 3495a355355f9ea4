/** `dead-letters`: what was refused and why, and sending it back after the cause is gone. */
import type { Command } from 'commander';
import { type CommandContext, type ExitCode, withConfig } from '../command-context.ts';
import { type FilterOptions, FORMATS, repeated, whole } from './filter-options.ts';

export interface ListOptions extends FilterOptions {
  readonly count?: true;
  readonly limit?: number;
  readonly format: (typeof FORMATS)[number];
}

export interface ShowOptions {
  readonly schemaId?: number;
  readonly format: (typeof FORMATS)[number];
}

export interface ReplayCommandOptions extends FilterOptions {
  readonly schemaId?: number;
  readonly mapping?: string;
  readonly dryRun?: true;
  readonly force?: true;
  readonly by?: string;
  readonly reason?: string;
  readonly format: (typeof FORMATS)[number];
}

export function registerDeadLettersCommands(program: Command): void {
  const letters = program
    .command('dead-letters')
    .description('records that were refused: list them, look at one, send them back');

  withFilters(letters.command('list').description('the letters, one a line, each once'))
    .option('--count', 'how many there are instead, by topic and code')
    .option('--limit <number>', 'stop after so many', whole)
    .addOption(formatOption(letters))
    .action(
      withConfig(async (context, options: ListOptions) =>
        (await import('./list-command.ts')).list(context, options),
      ),
    );

  letters
    .command('show')
    .description('one letter, decoded as far as it goes, with the byte or field that it was refused for')
    .argument('<letter>', '<topic>/<partition>:<offset> of its record, or of the letter itself')
    .option('--schema-id <id>', 'read the value as written under this schema', whole)
    .addOption(formatOption(letters))
    .action(
      withConfig(async (context, letter: string, options: ShowOptions) =>
        (await import('./show-command.ts')).show(context, letter, options),
      ),
    );

  withFilters(
    letters
      .command('replay')
      .description(
        'send letters back to their topics, each at most once; exits 3 when one would be refused again',
      )
      .argument('[letters...]', 'as for show; all that the options choose when none is named'),
  )
    .option('--schema-id <id>', 'send the values under this schema id: the one they were written with', whole)
    .option('--mapping <file>', 'change the values by the rules in this file (YAML)')
    .option('--dry-run', 'say what would be done and change nothing')
    .option('--force', 'send also what would be refused again')
    .option('--by <name>', 'who does it; your login name when left out')
    .option('--reason <text>', 'kept in the log of replays')
    .addOption(formatOption(letters))
    .action(
      withConfig(
        async (context: CommandContext, named: string[], options: ReplayCommandOptions): Promise<ExitCode> =>
          (await import('./replay-command.ts')).replay(context, named, options),
      ),
    );
}

function withFilters(command: Command): Command {
  return command
    .option('--topic <name>', 'of this source topic; may be given several times', repeated)
    .option('--code <code>', 'refused with this code; may be given several times', repeated)
    .option('--partition <number>', 'of this partition of the source topic', whole)
    .option('--from <time>', 'found at or after this time: 2026-08-01 or 2026-08-01T09:30:00Z')
    .option('--to <time>', 'found before this time');
}

function formatOption(command: Command) {
  return command
    .createOption('--format <format>', 'text, or one JSON object a line')
    .choices([...FORMATS])
    .default('text');
}
