/** Archived records as the pipelines would have got them from Kafka. */
import { type ArchivedRecord, originalValue } from '../archive/segment-reader.ts';
import type { Batch, KafkaRecord, PartitionRef } from '../common/batch.ts';

export function kafkaRecord({ topic, partition }: PartitionRef, record: ArchivedRecord): KafkaRecord {
  const value = originalValue(record);
  const { offset, timestamp, key, headers } = record;
  const size = (value?.length ?? 0) + (key?.length ?? 0);
  return {
    topic,
    partition,
    offset,
    timestamp,
    key,
    value,
    size,
    headers: headers.map((header) => ({ [header.key]: header.value ?? '' })),
  };
}

/** Some of them, in their order, as what the steps of a sink take. */
export function batchOf(source: PartitionRef, records: readonly KafkaRecord[]): Batch {
  return {
    source,
    records,
    first: records[0]?.offset ?? 0,
    last: records.at(-1)?.offset ?? -1,
    bytes: records.reduce((sum, { size }) => sum + size, 0),
  };
}
