/** Makes the report on one campaign. */
import { PROGRAM } from '../report/program.ts';
import { type AttributePath, pointerOf } from './attribute-path.ts';
import { type Figures, NO_FIGURES, RATES, ratesOf } from './figures.ts';
import { isPartial } from './kept-since.ts';
import { readBreakdown, type UnknownAttribute } from './read-breakdown.ts';
import {
  type CampaignKey,
  type CampaignMessages,
  type CampaignReader,
  type Definition,
  hasEvents,
  readDefinition,
  readEventHours,
  readMessages,
  type SendRange,
} from './read-campaign.ts';
import type { CampaignDefinition, CampaignReport, Counted, EventHour } from './report.ts';

export interface CampaignReportRequest extends CampaignKey {
  readonly range: SendRange;
  /** Null: not broken down. */
  readonly by: AttributePath | null;
  /** Milliseconds since the epoch: stands in the header, and says what today is. */
  readonly generatedAt: number;
  /** Ends the work, also what ClickHouse does for it; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface CampaignContext extends Omit<CampaignReader, 'signal'> {
  /** Milliseconds, as is `now`: messages sent from here on are all there; null: none has left. */
  readonly readKeptSince: (now: number) => Promise<number | null>;
}

export interface CampaignReportResult {
  readonly report: CampaignReport;
  /** False when nothing at all is stored of the campaign: no event and no definition. */
  readonly isKnownCampaign: boolean;
  /** Not null: the report is not broken down, as no profile of a recipient has the attribute. */
  readonly unknownAttribute: UnknownAttribute | null;
}

/** @throws {Outage} ClickHouse cannot be asked */
export async function makeCampaignReport(
  context: CampaignContext,
  request: CampaignReportRequest,
): Promise<CampaignReportResult> {
  const { tenantId, campaignId, range, by, generatedAt } = request;
  const [{ totals, sendHours }, eventHours, definition, isHeardOf, keptSince, broken] = await readParts(
    context,
    request,
  );
  const { firstSentAt, lastSentAt, lastEventAt } = totals;
  const unknownAttribute = broken !== null && 'topLevel' in broken ? broken : null;
  const report: CampaignReport = {
    report: {
      format: 1,
      program: PROGRAM,
      tenant_id: tenantId,
      campaign_id: campaignId,
      campaign: definition === null ? null : reported(definition),
      from: isoOrNull(range.from),
      to: isoOrNull(range.to),
      by: by === null ? null : pointerOf(by.keys),
      generated_at: new Date(generatedAt).toISOString(),
      complete_from: isoOrNull(keptSince),
      is_partial: isPartial({ keptSince, from: range.from, firstSentAt, begunAt: begunAt(definition) }),
      first_sent_at: isoOrNull(firstSentAt),
      last_sent_at: isoOrNull(lastSentAt),
      last_event_at: isoOrNull(lastEventAt),
      rates: RATES,
    },
    totals: counted(totals.figures),
    send_hours: sendHours.map(({ hour, figures }) => ({
      hour: new Date(hour).toISOString(),
      ...counted(figures),
    })),
    event_hours: mergedHours(sendHours, eventHours),
    breakdown: broken === null || 'topLevel' in broken ? null : broken,
  };
  return { report, isKnownCampaign: isHeardOf || definition !== null, unknownAttribute };
}

/** Side by side: what still arrives in the meantime makes the least difference between them. */
async function readParts(
  context: CampaignContext,
  { tenantId, campaignId, range, by, generatedAt, signal }: CampaignReportRequest,
) {
  const question = { tenantId, campaignId, ...range };
  const abort = new AbortController();
  const reader = {
    ...context,
    signal: signal === undefined ? abort.signal : AbortSignal.any([signal, abort.signal]),
  };
  try {
    return await Promise.all([
      readMessages(reader, question),
      readEventHours(reader, question),
      readDefinition(reader, question),
      hasEvents(reader, question),
      context.readKeptSince(generatedAt),
      by === null ? null : readBreakdown(reader, { ...question, path: by.keys, now: generatedAt }, by.text),
    ]);
  } catch (error) {
    // Where one part is lacking there will be no report: ClickHouse need not go on counting for the others.
    abort.abort(error);
    throw error;
  }
}

function counted(figures: Figures): Counted {
  return { figures, rates: ratesOf(figures) };
}

/** Hours in which something was sent, or happened. */
function mergedHours(
  sendHours: CampaignMessages['sendHours'],
  eventHours: Awaited<ReturnType<typeof readEventHours>>,
): EventHour[] {
  const { recipients_delivered: _, unique_conversions: __, ...nothing } = NO_FIGURES;
  const hours = new Map<number, EventHour['figures']>(
    eventHours.map(({ hour, figures }) => [hour, { ...nothing, ...figures }]),
  );
  for (const { hour, figures } of sendHours) {
    const { messages, recipients } = figures;
    hours.set(hour, { ...(hours.get(hour) ?? nothing), messages, recipients });
  }
  return [...hours]
    .sort(([a], [b]) => a - b)
    .map(([hour, figures]) => ({ hour: new Date(hour).toISOString(), figures }));
}

function begunAt(definition: Definition | null): number | null {
  if (definition === null) return null;
  return Math.min(definition.startsAt ?? Number.POSITIVE_INFINITY, definition.firstUpdatedAt);
}

function reported(definition: Definition): CampaignDefinition {
  const { name, channel, subject, startsAt, endsAt, updatedAt } = definition;
  return {
    name,
    channel,
    subject,
    starts_at: isoOrNull(startsAt),
    ends_at: isoOrNull(endsAt),
    updated_at: new Date(updatedAt).toISOString(),
  };
}

function isoOrNull(milliseconds: number | null): string | null {
  return milliseconds === null ? null : new Date(milliseconds).toISOString();
}
