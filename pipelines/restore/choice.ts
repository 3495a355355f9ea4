/** What of the archive is to be restored: the part that offsets and metadata decide, and the part that each record does. */
import type { ListedBlob } from '../archive/listing.ts';
import { isWithinSpan, mayHold, type TimeSpans } from '../archive/time-spans.ts';
import type { OffsetRange, PartitionRef } from '../common/batch.ts';
import type { RowSpec, RowView } from '../common/transcode/row-spec.ts';

export interface Choice extends TimeSpans {
  /** Null for every partition. */
  readonly partition: number | null;
  /** Of a topic that was deleted and made anew under its name; null for all. */
  readonly topicId: string | null;
  /** Null for all. */
  readonly offsets: OffsetRange | null;
  readonly rows: RowChoice;
}

/** What the encoded row decides; null for any. */
export interface RowChoice {
  readonly tenant: string | null;
  readonly user: string | null;
  readonly campaign: string | null;
}

export const EVERYTHING: Choice = {
  kafkaTimes: null,
  eventTimes: null,
  partition: null,
  topicId: null,
  offsets: null,
  rows: { tenant: null, user: null, campaign: null },
};

const ALL_OFFSETS: OffsetRange = { first: 0, last: Number.MAX_SAFE_INTEGER };

/** @returns null when nothing of the partition is chosen */
export function offsetsOf({ partition, topicId, offsets }: Choice, source: PartitionRef): OffsetRange | null {
  if (partition !== null && source.partition !== partition) return null;
  if (topicId !== null && source.topicId !== topicId) return null;
  return offsets ?? ALL_OFFSETS;
}

export function isChosenSegment(choice: Choice, { metadata }: ListedBlob): boolean {
  return metadata === null || mayHold(choice, metadata);
}

/** By what Kafka says of the record. */
export function isChosenRecord(
  { offsets, kafkaTimes }: Choice,
  { offset, timestamp }: { readonly offset: number; readonly timestamp: number },
): boolean {
  if (offsets !== null && (offset < offsets.first || offset > offsets.last)) return false;
  return isWithinSpan(kafkaTimes, timestamp);
}

/** Whether rows have to be looked at: what is no row is not chosen then. */
export function looksAtRows({ rows: { tenant, user, campaign }, eventTimes }: Choice): boolean {
  return tenant !== null || user !== null || campaign !== null || eventTimes !== null;
}

export function isChosenRow({ rows, eventTimes }: Choice, row: RowView, eventTime: number): boolean {
  const { tenant, user, campaign } = rows;
  if (tenant !== null && row.text('tenant_id') !== tenant) return false;
  if (user !== null && row.text('user_id') !== user) return false;
  if (campaign !== null && row.text('campaign_id') !== campaign) return false;
  return isWithinSpan(eventTimes, eventTime);
}

/** Whether rows of the topic have what is asked for: a change of a profile belongs to no campaign. */
export function canHold({ rows: { user, campaign } }: Choice, { columns }: RowSpec): boolean {
  const has = (name: string) => columns.some((column) => column.name === name);
  return (user === null || has('user_id')) && (campaign === null || has('campaign_id'));
}
