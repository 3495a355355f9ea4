/** The campaigns' results as a BI tool sees them, beside what the generator counted. */
import type { ClickHouseClient } from '@clickhouse/client';
import { textTable } from '../../../pipelines/common/text-table.ts';
import type { CampaignBooks, WorldLedger } from '../world/world-ledger.ts';

export interface CampaignResult {
  readonly campaign: string;
  readonly name: string;
  readonly channel: string;
  readonly sent: number;
  readonly delivered: number;
  readonly bounced: number;
  readonly opens: number;
  readonly unique_opens: number;
  readonly machine_opens: number;
  readonly clicks: number;
  readonly unique_clicks: number;
  readonly conversions: number;
  readonly unsubscribes: number;
  readonly complaints: number;
}

export async function readCampaignResults(
  clickhouse: ClickHouseClient,
  biDatabase: string,
): Promise<CampaignResult[]> {
  const result = await clickhouse.query({
    query: `SELECT concat(tenant_id, '/', campaign_id) AS campaign, name, channel, sent, delivered, bounced, opens, unique_opens,
                   machine_opens, clicks, unique_clicks, conversions, unsubscribes, complaints
            FROM {bi:Identifier}.campaign_results ORDER BY tenant_id, first_sent_at, campaign_id`,
    query_params: { bi: biDatabase },
    clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
    format: 'JSONEachRow',
  });
  return result.json<CampaignResult>();
}

const counted: Readonly<
  Record<Exclude<keyof CampaignResult, 'campaign' | 'name' | 'channel'>, (books: CampaignBooks) => number>
> = {
  sent: (books) => books.sent.size,
  delivered: (books) => books.delivered.size,
  bounced: (books) => books.bounced.size,
  opens: (books) => books.opens,
  unique_opens: (books) => books.openers.size,
  machine_opens: (books) => books.machineOpens,
  clicks: (books) => books.clicks,
  unique_clicks: (books) => books.clickers.size,
  conversions: (books) => books.conversions,
  unsubscribes: (books) => books.unsubscribers.size,
  complaints: (books) => books.complainers.size,
};

/** One line for each figure that differs from the generator's. */
export function compareCampaigns(results: readonly CampaignResult[], books: WorldLedger): string[] {
  const disagreements: string[] = [];
  const seen = new Map(results.map((result) => [result.campaign, result]));
  for (const [campaign, expected] of books.campaigns) {
    const result = seen.get(campaign);
    if (result === undefined) {
      disagreements.push(`${campaign}: is missing from campaign_results`);
      continue;
    }
    for (const figure of Object.keys(counted) as (keyof typeof counted)[]) {
      const right = counted[figure](expected);
      if (result[figure] !== right) {
        disagreements.push(`${campaign}: ${figure} is ${result[figure]}, the generator counted ${right}`);
      }
    }
  }
  return disagreements;
}

function percent(part: number, whole: number): string {
  return part === 0 ? '' : `${((100 * part) / whole).toFixed(1)} %`;
}

export function campaignTable(results: readonly CampaignResult[]): string {
  const right = (head: string) => ({ head, align: 'right' as const });
  return textTable(
    [
      { head: 'campaign' },
      { head: 'channel' },
      right('sent'),
      right('delivered'),
      right('opened by'),
      right('machine opens'),
      right('clicked by'),
      right('clicks'),
      right('conversions'),
      right('unsubscribed'),
    ],
    results.map((result) => [
      result.name,
      result.channel.toLowerCase(),
      result.sent,
      percent(result.delivered, result.sent),
      result.unique_opens,
      result.machine_opens,
      result.unique_clicks,
      result.clicks,
      result.conversions,
      result.unsubscribes,
    ]),
  );
}
