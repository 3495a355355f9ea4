/** `report`: what a user got, what came of it, and who the user was each time; the same again; and what came of a campaign. */
import { type Command, Option } from 'commander';
import { registerCampaignReport } from '../campaign-report/campaign-command.ts';
import { type CommandContext, type ExitCode, withConfig } from '../command-context.ts';
import { UsageError } from '../common/errors.ts';
import { printable } from '../common/printable.ts';
import type { RangeBy, ReportRange } from './event-stage.ts';
import { notesOf } from './report-notes.ts';
import { FORMATS, type OutputOptions, withOutputOptions, writeOut } from './report-output.ts';
import type { RerunOptions } from './rerun/rerun-command.ts';
import { parseTimeArgument } from './time-argument.ts';
import { type SourceOptions, withReport } from './with-report.ts';

interface ReportUserOptions extends OutputOptions, SourceOptions {
  readonly tenant: string;
  readonly user: string;
  readonly from?: string;
  readonly to?: string;
  readonly by: RangeBy;
  readonly knownAt?: string;
}

export function registerReportCommand(program: Command): void {
  const report = program.command('report').description('reports on demand');
  const user = report
    .command('user')
    .description("one user's messages over all campaigns, each with the profile as it was at that time")
    .requiredOption('--tenant <id>', 'the tenant')
    .requiredOption('--user <id>', 'the user')
    .option(
      '--from <time>',
      'messages sent at or after this time (a day in UTC, or an instant with its zone)',
    )
    .option('--to <time>', 'messages sent before this time')
    .addOption(
      new Option(
        '--by <what>',
        'what of a message has to lie in the range: when it was sent, or any event of it',
      )
        .choices(['send', 'interaction'])
        .default('send'),
    )
    .option(
      '--known-at <time>',
      'only what had been recorded by then: events, profile changes and names of campaigns',
    );
  withSourceOptions(withOutputOptions(user)).action(withConfig(reportUser));
  registerCampaignReport(report);

  const rerun = report
    .command('rerun')
    .description('make a report again as it was, and say whether it is the same')
    .argument('<file>', 'a report in JSON or NDJSON')
    .addOption(new Option('--format <format>', 'print the new one as well').choices(Object.keys(FORMATS)))
    .option('--out <file>', 'write it to this file instead of standard output');
  withSourceOptions(rerun).action(
    withConfig(async (context, file: string, options: RerunOptions): Promise<ExitCode> => {
      const { rerunReport } = await import('./rerun/rerun-command.ts');
      return rerunReport(context, file, options);
    }),
  );
}

function withSourceOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--rehydrate [priority]',
        'where something is in the archive tier, have all that the report needs brought back (standard or high), and say when to come again',
      )
        .choices(['standard', 'high'])
        .preset('standard')
        .conflicts('localOnly'),
    )
    .option('--local-only', 'ask ClickHouse alone: what is old, or not there yet, is left out');
}

async function reportUser(context: CommandContext, options: ReportUserOptions): Promise<void> {
  const range = parseRange(options);
  const knownAt = options.knownAt === undefined ? null : parseTimeArgument('--known-at', options.knownAt);
  if (options.tenant === '') throw new UsageError('--tenant: is empty');
  if (options.user === '') throw new UsageError('--user: is empty');
  const user = { tenantId: options.tenant, userId: options.user };
  const format = await FORMATS[options.format]();
  const request = { ...user, range, by: options.by, knownAt, generatedAt: context.clock.now() };
  await withReport(context, request, options, async ({ document, isKnownUser }) => {
    if (!isKnownUser) {
      const where = document.header.sources.local_only ? 'ClickHouse has nothing of' : 'nothing is stored of';
      const others = document.header.sources.local_only
        ? ' (the cold tier and the archive were not asked)'
        : '';
      process.stderr.write(
        `campaign-ledger: ${where} user "${printable(options.user)}" of tenant "${printable(options.tenant)}"${others}; the report is empty\n`,
      );
    }
    if (options.format === 'csv')
      for (const note of notesOf(document.header)) process.stderr.write(`campaign-ledger: ${note}\n`);
    await writeOut(format(document), options.out);
  });
}

function parseRange({ from, to }: Pick<ReportUserOptions, 'from' | 'to'>): ReportRange {
  const range = {
    from: from === undefined ? null : parseTimeArgument('--from', from),
    to: to === undefined ? null : parseTimeArgument('--to', to),
  };
  if (range.from !== null && range.to !== null && range.from > range.to) {
    throw new UsageError(`--from ${from} is after --to ${to}`);
  }
  return range;
}
