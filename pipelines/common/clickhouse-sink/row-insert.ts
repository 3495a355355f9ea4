/** One INSERT of RowBinary rows, streamed: the rows are never held as one buffer. */
import { Readable } from 'node:stream';
import { ClickHouseError } from '@clickhouse/client';
import { asOutage, type ClickHouseClient, isRowFault } from '../clickhouse/client.ts';
import { Outage } from '../errors.ts';

export interface RowTarget {
  readonly client: ClickHouseClient;
  readonly table: string;
  readonly columns: readonly { readonly name: string }[];
  readonly signal: AbortSignal;
}

/** Only this may lead to a dead letter: ClickHouse refused the rows themselves. */
export class RowsRejected extends Error {
  override readonly name = 'RowsRejected';
}

/**
 * Resolves when the rows are on disk, materialized views included.
 * @throws {RowsRejected} when a row among them can never be stored
 * @throws {Outage} for every other refusal: whoever waits and comes again may succeed
 */
export async function insertRows(
  { client, table, columns, signal }: RowTarget,
  rows: Iterable<Buffer>,
): Promise<void> {
  try {
    const { stream } = await client.exec({
      query: `INSERT INTO ${table} (${columns.map(({ name }) => `\`${name}\``).join(', ')}) FORMAT RowBinary`,
      // What is collapsed later anyway need not be collapsed on the way in: half of the CPU.
      clickhouse_settings: { optimize_on_insert: 0 },
      // One buffer ahead: encoding the next ones goes on while ClickHouse reads these.
      values: Readable.from(rows, { highWaterMark: 1 }),
      abort_signal: signal,
    });
    // The answer is empty, but its socket is free only when it has been read.
    await stream.resume().toArray();
  } catch (error) {
    throw translate(error);
  }
}

/** Translates what any statement of the sink may throw. A server error that is not the rows' fault can be mended. */
export function translate(error: unknown): unknown {
  if (isRowFault(error)) return new RowsRejected((error as Error).message, { cause: error });
  const translated = asOutage(error);
  return translated instanceof ClickHouseError
    ? new Outage('clickhouse', `${translated.type ?? translated.code}: ${translated.message}`, {
        cause: translated,
      })
    : translated;
}
