/** `report user`: what a user got, what came of it, and who the user was each time. */
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Command, Option } from 'commander';
import { withConfig } from '../command-context.ts';
import { Outage, UsageError } from '../common/errors.ts';
import { formatJson, formatNdjson } from './format/json.ts';
import type { UserReport } from './report.ts';
import { parseTimeArgument } from './time-argument.ts';

type Format = (report: UserReport) => Iterable<string>;

const formats = {
  json: async () => formatJson,
  ndjson: async () => formatNdjson,
  table: async () => (await import('./format/table.ts')).formatTable,
} as const satisfies Record<string, () => Promise<Format>>;

interface ReportUserOptions {
  readonly tenant: string;
  readonly user: string;
  readonly from?: string;
  readonly to?: string;
  readonly format: keyof typeof formats;
  readonly out?: string;
  readonly localOnly?: boolean;
}

/** A file appears whole under its name or not at all. */
async function writeOut(chunks: Iterable<string>, out: string | undefined): Promise<void> {
  if (out === undefined) {
    for (const chunk of chunks) {
      if (!process.stdout.write(chunk)) await new Promise((resolve) => process.stdout.once('drain', resolve));
    }
    return;
  }
  const unfinished = `${out}.${process.pid}.part`;
  try {
    await pipeline(Readable.from(chunks), createWriteStream(unfinished, { flags: 'wx' }));
    await rename(unfinished, out);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw new Error(`--out: cannot write ${out}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

function parseRange({ from, to }: ReportUserOptions): { from: number | null; to: number | null } {
  const range = {
    from: from === undefined ? null : parseTimeArgument('--from', from),
    to: to === undefined ? null : parseTimeArgument('--to', to),
  };
  if (range.from !== null && range.to !== null && range.from > range.to) {
    throw new UsageError(`--from ${from} is after --to ${to}`);
  }
  return range;
}

/** Without Blob there is no telling what a report would lack. */
function withWayOut(error: unknown): unknown {
  if (!(error instanceof Outage) || error.service !== 'blob') return error;
  const message = error.message.replace(/^blob: /, '');
  return new Outage(
    'blob',
    `${message}; nothing was reported, as rows may be there alone (--local-only asks ClickHouse alone)`,
    { cause: error },
  );
}

export function registerReportCommand(program: Command): void {
  program
    .command('report')
    .description('reports on demand')
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
      new Option('--format <format>', 'how to print it').choices(Object.keys(formats)).default('json'),
    )
    .option('--out <file>', 'write to this file instead of standard output')
    .option('--local-only', 'ask ClickHouse alone: what is old, or not there yet, is left out')
    .action(
      withConfig(async ({ config, clock }, options: ReportUserOptions) => {
        const range = parseRange(options);
        if (options.tenant === '') throw new UsageError('--tenant: is empty');
        if (options.user === '') throw new UsageError('--user: is empty');
        const [{ openReportContext }, { makeUserReport }, format] = await Promise.all([
          import('./report-context.ts'),
          import('./user-report.ts'),
          formats[options.format](),
        ]);
        const { context, close } = openReportContext(config, {
          clock,
          isLocalOnly: options.localOnly === true,
        });
        try {
          const { report, isKnownUser } = await makeUserReport(context, {
            tenantId: options.tenant,
            userId: options.user,
            range,
            generatedAt: clock.now(),
          }).catch((error: unknown) => {
            throw withWayOut(error);
          });
          if (!isKnownUser) {
            process.stderr.write(
              `campaign-ledger: nothing is stored of user "${options.user}" of tenant "${options.tenant}"; the report is empty\n`,
            );
          }
          await writeOut(format(report), options.out);
        } finally {
          await close();
        }
      }),
    );
}
