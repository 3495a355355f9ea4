/** Which definition of a campaign is current. Pure. */
import type { ReportCampaign } from './assemble.ts';
import type { ReportDefinition } from './report-rows.ts';

/** Of each campaign the latest definition by `updated_at`, then by recording: as ClickHouse's view has it. */
export function currentCampaigns(
  campaignIds: readonly string[],
  definitions: readonly ReportDefinition[],
): Map<string, ReportCampaign> {
  const wanted = new Set(campaignIds);
  const current = new Map<string, ReportDefinition>();
  for (const definition of definitions) {
    const known = current.get(definition.campaignId);
    if (!wanted.has(definition.campaignId)) continue;
    if (known === undefined || compareDefinitions(known, definition) < 0)
      current.set(definition.campaignId, definition);
  }
  return current;
}

function compareDefinitions(a: ReportDefinition, b: ReportDefinition): number {
  return (
    a.updatedAt - b.updatedAt ||
    a.recordedAt - b.recordedAt ||
    (a.topicId < b.topicId ? -1 : a.topicId > b.topicId ? 1 : 0) ||
    a.partition - b.partition ||
    a.offset - b.offset
  );
}
