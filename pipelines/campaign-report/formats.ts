/** The formats of a campaign's report, each loaded when it is asked for. */
import type { CampaignReport } from './report.ts';

/** Yields text, piece by piece. */
export type CampaignFormat = (report: CampaignReport) => Iterable<string>;

export const CAMPAIGN_FORMATS = {
  json: async () => (await import('./format/json.ts')).formatJson,
  csv: async () => (await import('./format/csv.ts')).formatCsv,
  html: async () => (await import('./format/html.ts')).formatHtml,
  table: async () => (await import('./format/table.ts')).formatTable,
} as const satisfies Record<string, () => Promise<CampaignFormat>>;

export type CampaignFormatName = keyof typeof CAMPAIGN_FORMATS;
