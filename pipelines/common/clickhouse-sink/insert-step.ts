/** The step that stores rows: one INSERT for a whole flush; where ClickHouse refuses a row, that row alone is left out. */
import type { KafkaRecord } from '../batch.ts';
import { Outage } from '../errors.ts';
import { faultPoint } from '../fault-points.ts';
import type { Logger } from '../logger.ts';
import type { EncodedBatch } from './encoded-batch.ts';
import type { FlushStep } from './flush.ts';
import { insertRows, RowsRejected, type RowTarget } from './row-insert.ts';

export interface InsertOptions extends RowTarget {
  readonly pipeline: string;
  /** The topics whose rows go into the table. */
  readonly topics: ReadonlySet<string>;
  readonly logger: Logger;
}

/** Rows of all over a refused flush that are tried alone, to see whether it is the rows at all. */
const SAMPLE_ROWS = 8;

interface Row {
  readonly of: EncodedBatch;
  readonly record: KafkaRecord;
}

export function storeRows(options: InsertOptions): FlushStep {
  const { pipeline, topics } = options;
  return async function storeRows(flush) {
    const batches = flush.batches.filter(
      ({ batch, areRowsStored }) => topics.has(batch.source.topic) && !areRowsStored,
    );
    if (batches.length === 0) return;
    const rows = buffersOf(batches);
    const first = rows.next();
    if (first.done !== true) {
      flush.assertOurs();
      faultPoint('before-insert', pipeline);
      try {
        await insertRows(options, midWrite(first.value, rows, pipeline));
      } catch (error) {
        if (!(error instanceof RowsRejected)) throw error;
        for (const _ of buffersOf(batches)); // Which rows there are is known once all are encoded.
        await isolate(options, batches, error);
      }
      faultPoint('after-insert', pipeline);
    }
    for (const batch of batches) batch.stored();
  };
}

function* buffersOf(batches: readonly EncodedBatch[]): Generator<Buffer> {
  for (const batch of batches) yield* batch.encode();
}

/** Passes through the fault point with a part of the body sent and a part not. */
function* midWrite(first: Buffer, rest: Iterable<Buffer>, pipeline: string): Generator<Buffer> {
  const half = first.length >> 1;
  yield first.subarray(0, half);
  yield first.subarray(half);
  faultPoint('mid-write', pipeline);
  yield* rest;
}

/** Stores every row that ClickHouse takes, and makes a letter of each that it refuses. */
async function isolate(
  options: InsertOptions,
  batches: readonly EncodedBatch[],
  refusal: RowsRejected,
): Promise<void> {
  const rows = batches.flatMap((of) => of.accepted.map((record): Row => ({ of, record })));
  options.logger.warn(
    { table: options.table, rows: rows.length, reason: refusal.message },
    'clickhouse refused rows: looking for the culprit',
  );
  const refused = await bisect(options, rows, { isSampled: false });
  options.logger.warn(
    { table: options.table, refused: refused.length, stored: rows.length - refused.length },
    'rows that clickhouse refuses become dead letters',
  );
  for (const { row, reason } of refused) row.of.reject(row.record, { code: 'clickhouse_rejected', reason });
}

interface Refused {
  readonly row: Row;
  readonly reason: string;
}

async function bisect(
  options: InsertOptions,
  rows: readonly Row[],
  { isSampled }: { isSampled: boolean },
): Promise<Refused[]> {
  const refusal = await tryToStore(options, rows);
  if (refusal === null) return [];
  const [only] = rows;
  if (only !== undefined && rows.length === 1) return [{ row: only, reason: refusal }];
  if (!isSampled && rows.length > SAMPLE_ROWS) await assertSomeAreTaken(options, rows, refusal);
  const middle = rows.length >> 1;
  return [
    ...(await bisect(options, rows.slice(0, middle), { isSampled: true })),
    ...(await bisect(options, rows.slice(middle), { isSampled: true })),
  ];
}

/** A server that refuses everything has a fault of its own: not one record is to blame, and none becomes a letter. */
async function assertSomeAreTaken(
  options: InsertOptions,
  rows: readonly Row[],
  refusal: string,
): Promise<void> {
  for (let sample = 0; sample < SAMPLE_ROWS; sample += 1) {
    const at = Math.floor((sample * (rows.length - 1)) / (SAMPLE_ROWS - 1));
    if ((await tryToStore(options, rows.slice(at, at + 1))) === null) return;
  }
  throw new Outage('clickhouse', `${options.table} refuses rows from all over the batch: ${refusal}`);
}

/** @returns why it is refused, or null when it is stored */
async function tryToStore(options: InsertOptions, rows: readonly Row[]): Promise<string | null> {
  try {
    await insertRows(options, encodeAnew(rows));
    return null;
  } catch (error) {
    if (error instanceof RowsRejected) return error.message;
    throw error;
  }
}

function* encodeAnew(rows: readonly Row[]): Generator<Buffer> {
  for (let from = 0; from < rows.length; ) {
    const { of } = rows[from] as Row;
    let to = from;
    while (to < rows.length && rows[to]?.of === of) to += 1;
    yield* of.encodeOnly(rows.slice(from, to).map(({ record }) => record));
    from = to;
  }
}
