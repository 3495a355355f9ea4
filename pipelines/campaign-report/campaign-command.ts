/** `report campaign`: what came of a campaign, by hour, and by who its recipients were then and are today. */
import { type Command, Option } from 'commander';
import { type CommandContext, withConfig } from '../command-context.ts';
import { UsageError } from '../common/errors.ts';
import { printable } from '../common/printable.ts';
import { writeOut } from '../report/report-output.ts';
import { parseTimeArgument } from '../report/time-argument.ts';
import { parseAttributePath, pointerOf } from './attribute-path.ts';
import type { UnknownAttribute } from './read-breakdown.ts';
import type { SendRange } from './read-campaign.ts';
import type { CampaignReport } from './report.ts';

/** Yields text, piece by piece. */
type Format = (report: CampaignReport) => Iterable<string>;

const FORMATS = {
  json: async () => (await import('./format/json.ts')).formatJson,
  csv: async () => (await import('./format/csv.ts')).formatCsv,
  html: async () => (await import('./format/html.ts')).formatHtml,
  table: async () => (await import('./format/table.ts')).formatTable,
} as const satisfies Record<string, () => Promise<Format>>;

interface ReportCampaignOptions {
  readonly tenant: string;
  readonly campaign: string;
  readonly by?: string;
  readonly from?: string;
  readonly to?: string;
  readonly format: keyof typeof FORMATS;
  readonly out?: string;
}

/** Counting many millions of messages takes a while, and ClickHouse says nothing before it has done so. */
const LEAST_REQUEST_TIMEOUT_MS = 3_600_000;

/** @param report the command that it is a subcommand of */
export function registerCampaignReport(report: Command): void {
  report
    .command('campaign')
    .description(
      'what came of one campaign: figures, rates and hours, and groups by an attribute of its recipients',
    )
    .requiredOption('--tenant <id>', 'the tenant')
    .requiredOption('--campaign <id>', 'the campaign')
    .option(
      '--by <attribute>',
      'break down by this attribute of the profiles, as it was at each send and as it is today: plan, address.city, or a JSON pointer',
    )
    .option(
      '--from <time>',
      'messages sent at or after this time (a day in UTC, or an instant with its zone)',
    )
    .option('--to <time>', 'messages sent before this time')
    .addOption(
      new Option('--format <format>', 'how to print it').choices(Object.keys(FORMATS)).default('json'),
    )
    .option('--out <file>', 'write to this file instead of standard output')
    .action(withConfig(reportCampaign));
}

async function reportCampaign(
  { config, clock }: CommandContext,
  options: ReportCampaignOptions,
): Promise<void> {
  const range = parseRange(options);
  const by = options.by === undefined ? null : { path: parseAttributePath(options.by), text: options.by };
  if (options.tenant === '') throw new UsageError('--tenant: is empty');
  if (options.campaign === '') throw new UsageError('--campaign: is empty');
  const [format, { createClickHouse }, { makeCampaignReport }, { readKeptSince }] = await Promise.all([
    FORMATS[options.format](),
    import('../common/clickhouse/client.ts'),
    import('./make-report.ts'),
    import('./kept-since.ts'),
  ]);
  const now = clock.now();
  const requestTimeoutMs = Math.max(config.clickhouse.requestTimeoutMs, LEAST_REQUEST_TIMEOUT_MS);
  const clickhouse = createClickHouse({ clickhouse: { ...config.clickhouse, requestTimeoutMs } });
  try {
    const { report, isKnownCampaign, unknownAttribute } = await makeCampaignReport(
      {
        clickhouse,
        database: config.clickhouse.database,
        readKeptSince: () => readKeptSince(config, now),
      },
      { tenantId: options.tenant, campaignId: options.campaign, range, by, generatedAt: now },
    );
    if (by !== null && unknownAttribute !== null) throw unknownAttributeError(by, unknownAttribute);
    if (!isKnownCampaign) {
      process.stderr.write(
        `campaign-ledger: nothing is stored of campaign "${printable(options.campaign)}" of tenant "${printable(options.tenant)}"; the report is empty\n`,
      );
    }
    await writeOut(format(report), options.out);
  } finally {
    await clickhouse.close();
  }
}

function parseRange({ from, to }: Pick<ReportCampaignOptions, 'from' | 'to'>): SendRange {
  const range = {
    from: from === undefined ? null : parseTimeArgument('--from', from),
    to: to === undefined ? null : parseTimeArgument('--to', to),
  };
  if (range.from !== null && range.to !== null && range.from > range.to)
    throw new UsageError(`--from ${from} is after --to ${to}`);
  return range;
}

function unknownAttributeError(
  { path, text }: { readonly path: readonly string[]; readonly text: string },
  { topLevel }: UnknownAttribute,
): UsageError {
  const hint = path.length > 1 && topLevel.includes(text) ? `; as one key it is ${pointerOf([text])}` : '';
  const names = topLevel.map(printable).join(', ');
  return new UsageError(
    `--by: no profile of a recipient has "${printable(text)}", neither at a send nor today; on the top level there are: ${names || 'none'}${hint}`,
  );
}
