/** What `verify` has found out. */
import type { PipelineName } from '../../config/schema.ts';
import type { VerifiedPartition as ArchivedPartition } from '../archive/verify.ts';
import type { OffsetRange, PartitionRef } from '../common/batch.ts';
import type { VerifyCode } from './codes.ts';
import type { DayCount } from './day-counts.ts';
import type { KafkaFacts } from './facts.ts';
import type { Discrepancy } from './findings.ts';
import type { Tally } from './tally.ts';

export interface VerifiedPartition {
  readonly source: PartitionRef;
  /** Null where Kafka has no such topic id any more. */
  readonly kafka: KafkaFacts | null;
  /** Null where nothing was ever archived. */
  readonly archive: Omit<ArchivedPartition, keyof PartitionRef> | null;
  readonly pipeline: PipelineName;
  /** What the pipeline needs next; null when it has never written the partition. */
  readonly next: number | null;
  readonly days: readonly DayCount[];
  /** Of a deep check. */
  readonly deep: DeepTally | null;
}

export interface DeepTally extends Tally {
  readonly records: number;
  /** Held against Kafka byte for byte. */
  readonly compared: number;
}

/** Offsets that somebody accepted as missing. */
export interface KnownGap extends PartitionRef, OffsetRange {
  readonly pipeline: PipelineName;
  readonly by: string;
  readonly reason: string;
  /** ISO 8601, UTC. */
  readonly at: string;
}

/** A check beside the one of records. */
export interface DerivedCheck {
  readonly name: 'message_events' | 'profile_versions';
  /** Rows or versions looked at; null when it was not made. */
  readonly checked: number | null;
}

/** What answers for rows that retention took out of ClickHouse. */
export interface ColdVerdict {
  /** The last day of events that was exported, `2026-08-03`; null: none. */
  readonly through: string | null;
  readonly files: number;
  readonly bytes: number;
  readonly rows: number;
  /** Rows read whole; null where no file was read. */
  readonly read: number | null;
}

export interface Verdict {
  readonly isDeep: boolean;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly partitions: readonly VerifiedPartition[];
  /** Null where nothing was ever exported. */
  readonly cold: ColdVerdict | null;
  readonly derived: readonly DerivedCheck[];
  readonly gaps: readonly KnownGap[];
  /** Those that are listed. */
  readonly discrepancies: readonly Discrepancy[];
  /** By code, those that are not listed included. */
  readonly counts: ReadonlyMap<VerifyCode, number>;
}

/** All discrepancies, listed or not. */
export function totalOf({ counts }: Pick<Verdict, 'counts'>): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}
