/** What the pipelines would make of archived records today: their rows, or the reason why there can be none. */
import { type ArchivedRecord, originalValue } from '../archive/segment-reader.ts';
import { type KafkaRecord, type PartitionRef, partitionKey } from '../common/batch.ts';
import { RecordEncoder } from '../common/clickhouse-sink/record-encoder.ts';
import type { Fault } from '../common/dead-letters/fault.ts';
import { createMetrics } from '../common/metrics.ts';
import { cursorOver } from '../common/record-cursor.ts';
import type { WriterSchemas } from '../common/registry/writer-schemas.ts';
import { ChunkPool } from '../common/transcode/chunk-pool.ts';
import { encodeText } from '../common/transcode/row-binary.ts';
import { RowChunks } from '../common/transcode/row-chunks.ts';
import type { TimeLimits } from '../common/transcode/time-limits.ts';
import type { LedgerTable } from './ledger-table.ts';

/** One archived record, judged. */
export interface Expected {
  readonly offset: number;
  /** Kafka timestamp, milliseconds. */
  readonly recordedAt: number;
  /** Its RowBinary bytes; null when it cannot be a row. */
  readonly row: Buffer | null;
  readonly fault: Fault | null;
  /** Milliseconds; NaN without a row. */
  readonly eventTime: number;
}

/** The limits on times come from the configuration, which may have been another when the record was judged. */
const ANY_TIME: TimeLimits = {
  earliest: Number.NEGATIVE_INFINITY,
  maxFutureMs: Number.POSITIVE_INFINITY,
};

export class ExpectedRows {
  readonly #limits: TimeLimits;
  readonly #encoder: RecordEncoder;

  constructor(
    table: LedgerTable,
    { topic, limits, schemas }: { topic: string; limits: TimeLimits; schemas: WriterSchemas },
  ) {
    this.#limits = limits;
    const { pipeline, spec } = table;
    // What it counts are records of long ago: nobody looks at these metrics.
    const metrics = createMetrics();
    this.#encoder = new RecordEncoder({ pipeline, topic, spec, limits: ANY_TIME, schemas, metrics });
  }

  /** @throws {Outage} the registry cannot be asked */
  async judge(source: PartitionRef, archived: readonly ArchivedRecord[]): Promise<Expected[]> {
    const records = archived.map((record) => kafkaRecord(source, record));
    await this.#encoder.prepare([{ source, records, first: 0, last: 0, bytes: 0 }]);
    const sourceText = encodeText(partitionKey(source));
    const rows = new RowChunks(new ChunkPool());
    const expected: Expected[] = [];
    for (const cursor = cursorOver(records); cursor.next(); ) {
      const { chunk, position } = rows;
      const fault = this.#encoder.encode(rows, cursor, sourceText);
      const about = { offset: cursor.offset, recordedAt: cursor.timestamp };
      if (fault !== null) {
        expected.push({ ...about, row: null, fault, eventTime: Number.NaN });
        continue;
      }
      // A row that had no room left begins a chunk of its own.
      const row = rows.chunk.subarray(rows.chunk === chunk ? position : 0, rows.position);
      const { eventTime } = this.#encoder;
      expected.push({
        ...about,
        row,
        fault: this.#timeFault(about.recordedAt, eventTime),
        eventTime,
      });
    }
    return expected;
  }

  #timeFault(recordedAt: number, eventTime: number): Fault | null {
    const { earliest, maxFutureMs } = this.#limits;
    const reason = 'by the limits of today';
    if (!(eventTime >= earliest)) return { code: 'time_too_early', reason };
    return eventTime > recordedAt + maxFutureMs ? { code: 'time_too_late', reason } : null;
  }
}

function kafkaRecord({ topic, partition }: PartitionRef, record: ArchivedRecord): KafkaRecord {
  const value = originalValue(record);
  const { offset, timestamp, key } = record;
  return { topic, partition, offset, timestamp, key, value, size: value?.length ?? 0 };
}
