/** What the runner hands to a sink: records of one topic-partition with the range of offsets they cover. */
import type { Message } from '@confluentinc/kafka-javascript';

/** A record exactly as the client delivers it: value and key are Buffers or null, `timestamp` is milliseconds since the epoch. */
export type KafkaRecord = Message;

export type RecordHeaders = NonNullable<KafkaRecord['headers']>;

/**
 * Records in order. An array is one; what the runner hands over makes the objects as they are asked for, so two passes
 * give equal objects but not the same: name a record by its offset. `cursorOver` goes over either without making any.
 */
export interface Records extends Iterable<KafkaRecord> {
  readonly length: number;
}

/** Names a partition beyond doubt: a topic deleted and made anew under its old name has another id. */
export interface PartitionRef {
  readonly topic: string;
  /** Kafka's topic id as 32 lower-case hex digits without dashes (it stands in blob names and in `source` columns). */
  readonly topicId: string;
  readonly partition: number;
}

/** The key under which a partition is found in maps: `<topic id>/<partition>`, also the `source` column in ClickHouse. */
export function partitionKey(ref: PartitionRef): string {
  return `${ref.topicId}/${ref.partition}`;
}

/** An inclusive range of offsets. It covers offsets, not records: markers and aborted records have numbers too. */
export interface OffsetRange {
  readonly first: number;
  readonly last: number;
}

/** Records of one partition, in offset order. `first` is the end of the batch before; `last` may be a transaction marker. */
export interface Batch extends OffsetRange {
  readonly source: PartitionRef;
  readonly records: Records;
  /** Sum of key, value and header sizes in bytes. */
  readonly bytes: number;
}
