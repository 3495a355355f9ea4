/** Looks at the rows of records without storing them: which are chosen, and of which day they are. */
import { type Batch, type KafkaRecord, partitionKey } from '../common/batch.ts';
import type { RecordEncoder } from '../common/clickhouse-sink/record-encoder.ts';
import { cursorOver } from '../common/record-cursor.ts';
import { ChunkPool } from '../common/transcode/chunk-pool.ts';
import { encodeText } from '../common/transcode/row-binary.ts';
import { RowChunks } from '../common/transcode/row-chunks.ts';
import { type Choice, isChosenRow } from './choice.ts';

export interface ChosenRecord {
  readonly record: KafkaRecord;
  /** Of its row, in milliseconds. */
  readonly eventTime: number;
}

export interface Chosen {
  readonly records: readonly ChosenRecord[];
  /** Those that can be no row, as the pipelines would judge today. */
  readonly refused: number;
}

/** @param encoder prepared for the batch */
export function chooseRecords(encoder: RecordEncoder, batch: Batch, choice: Choice): Chosen {
  const rows = new RowChunks(new ChunkPool());
  const source = encodeText(partitionKey(batch.source));
  const records: ChosenRecord[] = [];
  let refused = 0;
  for (const cursor = cursorOver(batch.records); cursor.next(); ) {
    const fault = encoder.encode(rows, cursor, source);
    if (fault !== null) refused += 1;
    else if (isChosenRow(choice, encoder.row, encoder.eventTime))
      records.push({ record: cursor.record(), eventTime: encoder.eventTime });
    // Only looked at: the next one takes its place.
    rows.position = 0;
  }
  return { records, refused };
}
