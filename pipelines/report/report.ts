/** The report as it is written: DESIGN's pinned JSON. Times are ISO 8601 UTC with milliseconds. Described in docs/report-format.md. */
import type { JsonObject } from '../profiles/fold/json-value.ts';
import type { RangeBy } from './event-stage.ts';
import type { PinnedPartition } from './pin.ts';

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

/** A record whose entries are made as they are read: there may be more of them than memory holds. May be read again. */
export interface StreamedRecord extends Omit<ReportRecord, 'delivery' | 'feedback'> {
  readonly delivery: Iterable<DeliveryEntry>;
  readonly feedback: Iterable<FeedbackEntry>;
}

export interface ReportedVersion {
  readonly version: number;
  readonly valid_from: string;
  readonly valid_to: string | null;
  readonly attributes: JsonObject;
}

/** Whose clock `recorded_at` is: of the topics as they are set now. */
export type RecordedBy = 'broker' | 'producers' | 'unknown';

export interface ReportHeader {
  readonly format: 1;
  /** What made it: name and version. */
  readonly program: string;
  readonly tenant_id: string;
  readonly user_id: string;
  readonly from: string | null;
  readonly to: string | null;
  /** What of a message lies in the range: the time of its send, or of any event. */
  readonly by: RangeBy;
  readonly known_at: string | null;
  /** Null without `known_at`. */
  readonly known_at_clock: RecordedBy | null;
  readonly generated_at: string;
  /** See `ReportDigest`. */
  readonly digest: string;
  /** Of all else in the header, and of `profile_today`: see `headerDigest`. */
  readonly header_digest: string;
  readonly counts: {
    readonly records: number;
    /** In the records. */
    readonly events: number;
    readonly profile_versions: number;
  };
  /** Up to where it goes in each partition: what `report rerun` keeps to. */
  readonly pin: readonly PinnedPartition[];
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
    /** Paths of the Parquet files that were read. */
    readonly files: readonly string[];
    readonly events: number;
    readonly profile_changes: number;
    readonly requests: number;
    readonly bytes: number;
  } | null;
  /** Segments of what is archived and not in ClickHouse yet; null when the archive was not asked. */
  readonly raw: {
    /** Their paths. */
    readonly segments: readonly string[];
    /** Of everybody. */
    readonly records: number;
    readonly events: number;
    readonly profile_changes: number;
    readonly campaigns: number;
  } | null;
  /** Somebody wanted ClickHouse alone to be asked: records may be missing. */
  readonly local_only: boolean;
}

/** The profile when the report was made. Not part of the digest. */
export interface ProfileToday extends ProfileRef {
  /** Null unless found. */
  readonly attributes: JsonObject | null;
}

/** A report with records that are made as they are read: there may be more of them than memory holds. */
export interface ReportDocument extends Disposable {
  readonly header: ReportHeader;
  /** Every version that a ref names, once, oldest first. */
  readonly versions: readonly ReportedVersion[];
  readonly today: ProfileToday;
  /** In their order; may be asked again. */
  records(): Iterable<StreamedRecord>;
}

export interface UserReport {
  readonly report: ReportHeader;
  readonly records: readonly ReportRecord[];
  readonly profile_versions: readonly ReportedVersion[];
  readonly profile_today: ProfileToday;
}

export function wholeRecord(record: StreamedRecord): ReportRecord {
  return { ...record, delivery: [...record.delivery], feedback: [...record.feedback] };
}

/** All of it at once. */
export function wholeReport({ header, versions, today, records }: ReportDocument): UserReport {
  return {
    report: header,
    records: Array.from(records(), wholeRecord),
    profile_versions: versions,
    profile_today: today,
  };
}
