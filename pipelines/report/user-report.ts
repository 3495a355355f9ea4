/** One user's report over all campaigns: out of ClickHouse, the cold tier, and the segments that are in neither. */
import type { Config } from '../../config/schema.ts';
import type { ArchivePlace } from '../archive/listing.ts';
import type { WriterSchemas } from '../common/registry/writer-schemas.ts';
import { foldProfile } from '../profiles/fold/fold-profile.ts';
import { assembleReport, type ReportRange } from './assemble.ts';
import { currentCampaigns } from './current-campaigns.ts';
import {
  type ReportReader,
  readDefinitions,
  readEvents,
  readProfileChanges,
  type UserKey,
} from './read-clickhouse.ts';
import { type ColdRows, readCold } from './read-cold.ts';
import { readPositions } from './read-progress.ts';
import { type RawRows, readRaw } from './read-raw.ts';
import type { ReportSources, UserReport } from './report.ts';
import { profileChange, reportDefinition, reportEvent } from './report-rows.ts';

export interface UserReportRequest extends UserKey {
  readonly range: ReportRange;
  /** Milliseconds since the epoch: stands in the header, decides nothing. */
  readonly generatedAt: number;
}

export interface ReportContext extends ReportReader {
  /** Null: ClickHouse alone is asked. The report may lack what is old or was recorded a moment ago, and says so. */
  readonly blob: BlobContext | null;
}

export interface BlobContext {
  readonly place: ArchivePlace;
  readonly config: Pick<Config, 'kafka' | 'validation'>;
  readonly schemas: WriterSchemas;
}

export interface UserReportResult {
  readonly report: UserReport;
  /** False when nothing at all is stored of the user: no event and no profile. */
  readonly isKnownUser: boolean;
}

function isoOrNull(milliseconds: number | null): string | null {
  return milliseconds === null ? null : new Date(milliseconds).toISOString();
}

/**
 * @throws {Outage} ClickHouse, Blob, or the schema registry cannot be asked
 * @throws {DamagedColdFile} or {DamagedArchive}: the report would lack rows
 * @throws {OfflineBlob} one of those that it must read is in the archive tier
 */
export async function makeUserReport(
  context: ReportContext,
  request: UserReportRequest,
): Promise<UserReportResult> {
  const { tenantId, userId, range } = request;
  // In this order. What is below the positions was in ClickHouse, or had left it for the cold tier, whose manifest is
  // read afterwards; what is not below them, and archived, is read from the segments. So no row can be missed, and
  // those that are met twice are copies like others.
  const positions = await readPositions(context);
  const [events, changes] = await Promise.all([
    readEvents(context, request),
    readProfileChanges(context, request),
  ]);
  const [cold, raw] =
    context.blob === null
      ? [null, null]
      : await Promise.all([
          readCold(context, context.blob.place, request),
          readRaw(context.blob, positions, request),
        ]);
  const allEvents = [...events, ...[...(cold?.events ?? []), ...(raw?.events ?? [])].map(reportEvent)];
  const allChanges = [...changes, ...[...(cold?.changes ?? []), ...(raw?.changes ?? [])].map(profileChange)];
  const campaignIds = [...new Set(allEvents.map((event) => event.campaignId))];
  const definitions = await readDefinitions(context, { tenantId, campaignIds });
  const campaigns = currentCampaigns(campaignIds, [
    ...definitions,
    ...(raw?.definitions ?? []).map(reportDefinition),
  ]);
  const sources: ReportSources = {
    clickhouse: {
      database: context.database,
      events: events.length,
      profile_changes: changes.length,
      campaigns: definitions.length,
    },
    cold: cold === null ? null : coldSource(cold),
    raw: raw === null ? null : rawSource(raw),
    local_only: context.blob === null,
  };
  return {
    isKnownUser: allEvents.length > 0 || allChanges.length > 0,
    report: {
      report: {
        format: 1,
        tenant_id: tenantId,
        user_id: userId,
        from: isoOrNull(range.from),
        to: isoOrNull(range.to),
        known_at: null,
        generated_at: new Date(request.generatedAt).toISOString(),
        sources,
      },
      ...assembleReport({ events: allEvents, versions: foldProfile(allChanges), campaigns, range }),
    },
  };
}

function coldSource({ events, changes, ...facts }: ColdRows): ReportSources['cold'] {
  const { through, months, files, requests, bytes } = facts;
  return { through, months, files, events: events.length, profile_changes: changes.length, requests, bytes };
}

function rawSource({ events, changes, definitions, segments, records }: RawRows): ReportSources['raw'] {
  return {
    segments,
    records,
    events: events.length,
    profile_changes: changes.length,
    campaigns: new Set(definitions.map((row) => reportDefinition(row).campaignId)).size,
  };
}
