/** One user's report over all campaigns, from what ClickHouse holds now. */
import { foldProfile } from '../profiles/fold/fold-profile.ts';
import { assembleReport, type ReportRange } from './assemble.ts';
import {
  type ReportReader,
  readCampaigns,
  readEvents,
  readProfileChanges,
  type UserKey,
} from './read-clickhouse.ts';
import type { UserReport } from './report.ts';

export interface UserReportRequest extends UserKey {
  readonly range: ReportRange;
  /** Milliseconds since the epoch: stands in the header, decides nothing. */
  readonly generatedAt: number;
}

export interface UserReportResult {
  readonly report: UserReport;
  /** False when nothing at all is stored of the user: no event and no profile. */
  readonly isKnownUser: boolean;
}

function isoOrNull(milliseconds: number | null): string | null {
  return milliseconds === null ? null : new Date(milliseconds).toISOString();
}

/** @throws {Outage} when ClickHouse cannot be asked */
export async function makeUserReport(
  reader: ReportReader,
  request: UserReportRequest,
): Promise<UserReportResult> {
  const { tenantId, userId, range } = request;
  const [events, changes] = await Promise.all([
    readEvents(reader, request),
    readProfileChanges(reader, request),
  ]);
  const campaignIds = [...new Set(events.map((event) => event.campaignId))];
  const campaigns = await readCampaigns(reader, { tenantId, campaignIds });
  const body = assembleReport({ events, versions: foldProfile(changes), campaigns, range });
  return {
    isKnownUser: events.length > 0 || changes.length > 0,
    report: {
      report: {
        format: 1,
        tenant_id: tenantId,
        user_id: userId,
        from: isoOrNull(range.from),
        to: isoOrNull(range.to),
        known_at: null,
        generated_at: new Date(request.generatedAt).toISOString(),
        sources: {
          clickhouse: {
            database: reader.database,
            events: events.length,
            profile_changes: changes.length,
            campaigns: campaigns.size,
          },
        },
      },
      ...body,
    },
  };
}
