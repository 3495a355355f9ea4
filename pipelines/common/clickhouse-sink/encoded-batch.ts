/** A batch on its way into a table: its rows, and the letters for what cannot become one. Kept from one attempt to the next. */
import { type Batch, type KafkaRecord, partitionKey } from '../batch.ts';
import type { DeadLetter } from '../dead-letters/dead-letter.ts';
import type { Fault } from '../dead-letters/fault.ts';
import { ChunkPool } from '../transcode/chunk-pool.ts';
import { encodeText } from '../transcode/row-binary.ts';
import { RowChunks } from '../transcode/row-chunks.ts';
import type { RowView } from '../transcode/row-spec.ts';
import type { RecordEncoder } from './record-encoder.ts';

/** Called for each row that was encoded, while it can still be looked at. */
export type OnRow = (row: RowView, record: KafkaRecord) => void;

export class EncodedBatch {
  readonly batch: Batch;
  readonly encoder: RecordEncoder;
  /** Set once the rows are durable: another attempt need not send them again. */
  areRowsStored = false;
  areLettersSent = false;
  /** Rows encoded so far. */
  rows = 0;
  /** Latest time of an event among them, in milliseconds. */
  newestEventTime = Number.NEGATIVE_INFINITY;
  readonly #source: Buffer;
  readonly #letters = new Map<KafkaRecord, Fault>();
  readonly #onRow: OnRow | null;
  #chunks: RowChunks | null;
  #next = 0;

  constructor(
    batch: Batch,
    { encoder, pool, onRow = null }: { encoder: RecordEncoder; pool: ChunkPool; onRow?: OnRow | null },
  ) {
    this.batch = batch;
    this.encoder = encoder;
    this.#onRow = onRow;
    this.#source = encodeText(partitionKey(batch.source));
    this.#chunks = new RowChunks(pool);
  }

  get letters(): readonly DeadLetter[] {
    const { source } = this.batch;
    return [...this.#letters].map(([record, fault]) => ({ source, record, fault }));
  }

  /** A record that looked well, and that ClickHouse will not have. */
  reject(record: KafkaRecord, fault: Fault): void {
    this.#letters.set(record, fault);
  }

  /** Records that have no letter: all have been encoded. */
  get accepted(): KafkaRecord[] {
    return this.batch.records.filter((record) => !this.#letters.has(record));
  }

  /** The rows as buffers: first those of an earlier attempt, then the others as they are encoded. */
  *encode(): Generator<Buffer> {
    for (let index = 0; ; index += 1) {
      const chunks = this.#chunks;
      if (chunks === null) return;
      if (index >= chunks.full.length) this.#encodeNext(chunks, index);
      const chunk = chunks.full[index];
      if (chunk === undefined) return;
      yield chunk;
    }
  }

  /** Rows of some of its records anew, for an insert of them alone. */
  encodeOnly(records: readonly KafkaRecord[]): readonly Buffer[] {
    const rows = new RowChunks(new ChunkPool());
    for (const record of records) this.encoder.encode(rows, record, this.#source);
    rows.finish();
    return rows.full;
  }

  /** The rows are durable and will not be asked for again. */
  stored(): void {
    this.areRowsStored = true;
    this.#chunks?.release();
    this.#chunks = null;
  }

  /** Until one more buffer is full, or all is encoded. */
  #encodeNext(chunks: RowChunks, full: number): void {
    const { records } = this.batch;
    const { encoder } = this;
    while (this.#next < records.length && chunks.full.length <= full) {
      const record = records[this.#next] as KafkaRecord;
      this.#next += 1;
      const fault = encoder.encode(chunks, record, this.#source);
      if (fault !== null) {
        this.#letters.set(record, fault);
        continue;
      }
      this.rows += 1;
      if (encoder.eventTime > this.newestEventTime) this.newestEventTime = encoder.eventTime;
      this.#onRow?.(encoder.row, record);
    }
    if (this.#next === records.length) chunks.finish();
  }
}
