/** `report campaign`: what came of a campaign, by hour, and by who its recipients were then and are today. */
import { type Command, Option } from 'commander';
import { type CommandContext, withConfig } from '../command-context.ts';
import { UsageError } from '../common/errors.ts';
import { printable } from '../common/printable.ts';
import { writeOut } from '../report/report-output.ts';
import { parseTimeArgument } from '../report/time-argument.ts';
import { parseAttributePath } from './attribute-path.ts';
import { CAMPAIGN_FORMATS, type CampaignFormatName } from './formats.ts';
import type { SendRange } from './read-campaign.ts';
import { unknownAttributeText } from './unknown-attribute.ts';

interface ReportCampaignOptions {
  readonly tenant: string;
  readonly campaign: string;
  readonly by?: string;
  readonly from?: string;
  readonly to?: string;
  readonly format: CampaignFormatName;
  readonly out?: string;
}

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
      new Option('--format <format>', 'how to print it')
        .choices(Object.keys(CAMPAIGN_FORMATS))
        .default('json'),
    )
    .option('--out <file>', 'write to this file instead of standard output')
    .action(withConfig(reportCampaign));
}

async function reportCampaign(
  { config, clock }: CommandContext,
  options: ReportCampaignOptions,
): Promise<void> {
  const range = parseRange(options);
  const by = options.by === undefined ? null : parseAttributePath('--by', options.by);
  if (options.tenant === '') throw new UsageError('--tenant: is empty');
  if (options.campaign === '') throw new UsageError('--campaign: is empty');
  const [format, { openCampaignContext }, { makeCampaignReport }] = await Promise.all([
    CAMPAIGN_FORMATS[options.format](),
    import('./campaign-context.ts'),
    import('./make-report.ts'),
  ]);
  const { context, close } = openCampaignContext(config, { reports: 1 });
  try {
    const { report, isKnownCampaign, unknownAttribute } = await makeCampaignReport(context, {
      tenantId: options.tenant,
      campaignId: options.campaign,
      range,
      by,
      generatedAt: clock.now(),
    });
    if (by !== null && unknownAttribute !== null)
      throw new UsageError(`--by: ${unknownAttributeText(by, unknownAttribute)}`);
    if (!isKnownCampaign) {
      process.stderr.write(
        `campaign-ledger: nothing is stored of campaign "${printable(options.campaign)}" of tenant "${printable(options.tenant)}"; the report is empty\n`,
      );
    }
    await writeOut(format(report), options.out);
  } finally {
    await close();
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
