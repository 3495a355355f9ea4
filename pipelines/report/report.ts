/** The report as it is written: DESIGN's pinned JSON. Times are ISO 8601 UTC with milliseconds. Described in docs/report-format.md. */
import type { JsonObject } from '../profiles/fold/json-value.ts';

/** Which version of the profile was valid at an instant. `version` and `valid_from` are null unless the status is found. */
export interface ProfileRef {
  readonly status: 'found' | 'none_yet' | 'deleted' | 'expired';
  readonly version: number | null;
  readonly valid_from: string | null;
}

export interface DeliveryEntry {
  readonly event_id: string;
  readonly type: string;
  readonly occurred_at: string;
  readonly reason: string | null;
  readonly provider: string | null;
  readonly profile: ProfileRef;
}

export interface FeedbackEntry {
  readonly event_id: string;
  readonly type: string;
  readonly occurred_at: string;
  readonly link: string | null;
  readonly is_machine: boolean;
  readonly value: number | null;
  readonly user_agent: string | null;
  readonly profile: ProfileRef;
}

export interface ReportRecord {
  readonly message_id: string;
  readonly sent_at: string;
  readonly variant: string | null;
  readonly campaign: {
    readonly campaign_id: string;
    /** null when no definition of the campaign has arrived. */
    readonly name: string | null;
    readonly channel: string;
    readonly subject: string | null;
  };
  readonly delivery: readonly DeliveryEntry[];
  readonly feedback: readonly FeedbackEntry[];
  /** The profile at `sent_at`. */
  readonly profile: ProfileRef;
  /** RFC 7396 patch from the previous record's profile to this one's, `{}` when nothing differs; null on the first record. */
  readonly changed_since_previous: JsonObject | null;
}

export interface ReportedVersion {
  readonly version: number;
  readonly valid_from: string;
  readonly valid_to: string | null;
  readonly attributes: JsonObject;
}

export interface ReportHeader {
  readonly format: 1;
  readonly tenant_id: string;
  readonly user_id: string;
  readonly from: string | null;
  readonly to: string | null;
  readonly known_at: string | null;
  readonly generated_at: string;
  readonly sources: ReportSources;
}

/** What the report was read from, in rows before copies of one identity were collapsed. */
export interface ReportSources {
  readonly clickhouse: {
    readonly database: string;
    readonly events: number;
    readonly profile_changes: number;
    readonly campaigns: number;
  };
  /** Days that were taken out of ClickHouse's keeping; null when it was not asked. */
  readonly cold: {
    /** The last day of which everything is exported; null: none. */
    readonly through: string | null;
    readonly months: number;
    readonly files: number;
    readonly events: number;
    readonly profile_changes: number;
    readonly requests: number;
    readonly bytes: number;
  } | null;
  /** Segments of what is archived and not in ClickHouse yet; null when the archive was not asked. */
  readonly raw: {
    readonly segments: number;
    /** Of everybody. */
    readonly records: number;
    readonly events: number;
    readonly profile_changes: number;
    readonly campaigns: number;
  } | null;
  /** Somebody wanted ClickHouse alone to be asked: records may be missing. */
  readonly local_only: boolean;
}

export interface UserReport {
  readonly report: ReportHeader;
  readonly records: readonly ReportRecord[];
  /** Every version that a ref names, once, oldest first. */
  readonly profile_versions: readonly ReportedVersion[];
}
