/** Makes a campaign's report of a job and puts it into Blob. ClickHouse counts: here it takes next to nothing. */
import type { ArchivePlace } from '../../archive/listing.ts';
import { parseAttributePath } from '../../campaign-report/attribute-path.ts';
import { CAMPAIGN_FORMATS } from '../../campaign-report/formats.ts';
import { type CampaignContext, makeCampaignReport } from '../../campaign-report/make-report.ts';
import { unknownAttributeText } from '../../campaign-report/unknown-attribute.ts';
import type { Clock } from '../../common/clock.ts';
import type { AskedCampaign } from '../ask/report-ask.ts';
import { notFound, Problem } from '../problems.ts';
import { NO_PROGRESS } from './job.ts';
import type { MadeResult, ResultTask } from './result-task.ts';
import { uploadResult } from './upload-result.ts';

export interface CampaignResultPlace {
  readonly context: CampaignContext;
  /** Writes are tried once: a second try would meet what the first one has left. */
  readonly place: ArchivePlace;
  readonly clock: Clock;
}

/**
 * @throws {Problem} not_found: nothing is stored of the campaign; unknown_attribute: no recipient has it
 * @throws {Outage}, or the signal's reason
 */
export async function writeCampaignResult(
  { context, place, clock }: CampaignResultPlace,
  { job: { ask, tenantId }, path }: ResultTask<AskedCampaign>,
  { signal }: { readonly signal: AbortSignal },
): Promise<MadeResult> {
  const { campaignId, from, to } = ask;
  const by = ask.by === null ? null : parseAttributePath('by', ask.by);
  const { report, isKnownCampaign, unknownAttribute } = await makeCampaignReport(context, {
    ...{ tenantId, campaignId, range: { from, to }, by, generatedAt: clock.now(), signal },
  });
  if (!isKnownCampaign) throw notFound();
  if (by !== null && unknownAttribute !== null)
    throw new Problem('unknown_attribute', `by: ${unknownAttributeText(by, unknownAttribute)}`);
  const text = (await CAMPAIGN_FORMATS[ask.format]())(report);
  const bytes = await uploadResult(place, { path, format: ask.format, text, signal });
  return { result: { path, format: ask.format, bytes, digest: null }, progress: NO_PROGRESS };
}
