/** The campaign's report as one JSON document. */
import type { CampaignReport } from '../report.ts';

export function* formatJson(report: CampaignReport): Generator<string> {
  yield `${JSON.stringify(report, null, 2)}\n`;
}
