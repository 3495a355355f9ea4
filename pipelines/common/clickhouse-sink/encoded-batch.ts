/** A batch on its way into a table: its rows, and the letters for what cannot become one. Kept from one attempt to the next. */
import { type Batch, type KafkaRecord, partitionKey } from '../batch.ts';
import type { DeadLetter } from '../dead-letters/dead-letter.ts';
import type { Fault } from '../dead-letters/fault.ts';
import { cursorOver, type RecordCursor } from '../record-cursor.ts';
import { ChunkPool } from '../transcode/chunk-pool.ts';
import { encodeText } from '../transcode/row-binary.ts';
import { RowChunks } from '../transcode/row-chunks.ts';
import type { RowView } from '../transcode/row-spec.ts';
import type { RecordEncoder } from './record-encoder.ts';

/** Called for each row that was encoded, while it can still be looked at. */
export type OnRow = (row: RowView) => void;

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
  /** By offset. The record itself lies in the batch: an object for each of a hundred thousand bad ones is 300 MB. */
  readonly #faults = new Map<number, Fault>();
  readonly #cursor: RecordCursor;
  readonly #onRow: OnRow | null;
  #chunks: RowChunks | null;
  #isEncoded = false;

  constructor(
    batch: Batch,
    { encoder, pool, onRow = null }: { encoder: RecordEncoder; pool: ChunkPool; onRow?: OnRow | null },
  ) {
    this.batch = batch;
    this.encoder = encoder;
    this.#onRow = onRow;
    this.#cursor = cursorOver(batch.records);
    this.#source = encodeText(partitionKey(batch.source));
    this.#chunks = new RowChunks(pool);
  }

  /** What is wrong with the records that were refused, by offset. */
  get faults(): ReadonlyMap<number, Fault> {
    return this.#faults;
  }

  /** A letter for each of them, in the order of the records; made when it is asked for. */
  *letters(): Generator<DeadLetter> {
    if (this.#faults.size === 0) return;
    const { source, records } = this.batch;
    for (const cursor = cursorOver(records); cursor.next(); ) {
      const fault = this.#faults.get(cursor.offset);
      if (fault !== undefined) yield { source, record: cursor.record(), fault };
    }
  }

  /** A record that looked well, and that ClickHouse will not have. */
  reject({ offset }: Pick<KafkaRecord, 'offset'>, fault: Fault): void {
    this.#faults.set(offset, fault);
  }

  /** Records that have no letter: all have been encoded. */
  get accepted(): KafkaRecord[] {
    return Array.from(this.batch.records).filter(({ offset }) => !this.#faults.has(offset));
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
    for (const cursor = cursorOver(records); cursor.next(); ) this.encoder.encode(rows, cursor, this.#source);
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
    const { encoder } = this;
    const cursor = this.#cursor;
    while (chunks.full.length <= full && !this.#isEncoded) {
      if (!cursor.next()) {
        this.#isEncoded = true;
        chunks.finish();
        return;
      }
      const fault = encoder.encode(chunks, cursor, this.#source);
      if (fault !== null) {
        this.reject(cursor, fault);
        continue;
      }
      this.rows += 1;
      if (encoder.eventTime > this.newestEventTime) this.newestEventTime = encoder.eventTime;
      this.#onRow?.(encoder.row);
    }
  }
}
