/**
 * Rows whose times are not among those of the records around their offsets. They are looked for apart: a search by
 * offset that left no day of the table out would read all of it for every stretch.
 */
import type { OffsetRanges } from '../archive/offset-ranges.ts';
import { type PartitionRef, partitionKey } from '../common/batch.ts';
import type { ClickHouseClient } from '../common/clickhouse/client.ts';
import { selectRows } from '../common/clickhouse/select.ts';
import type { Findings } from './findings.ts';
import type { LedgerTable } from './ledger-table.ts';
import { PagedFlags } from './paged-flags.ts';
import type { TimeBounds } from './stored-rows.ts';
import { type SqlStretch, stretchSql } from './stretch-sql.ts';
import type { Stretch } from './stretches.ts';

/** Stretches asked about at once: each question reads source, offset and time of the whole table. */
const STRETCHES_AT_ONCE = 1_000;
/** Rows taken at once. */
const MOST_ROWS = 10_000;

export interface RowsOutsideOptions {
  readonly client: ClickHouseClient;
  readonly table: LedgerTable;
  readonly findings: Findings;
  readonly retry: <T>(ask: () => Promise<T>) => Promise<T>;
}

export class RowsOutside {
  readonly #options: RowsOutsideOptions;
  readonly #known = new PagedFlags();
  #stretches: (SqlStretch & TimeBounds)[] = [];

  constructor(options: RowsOutsideOptions) {
    this.#options = options;
  }

  /**
   * @param unsound offsets of which nothing can be said
   * @param known offsets of rows with other times that have been looked at
   */
  async add(
    { source, first, last }: Stretch,
    { bounds, unsound, known }: { bounds: TimeBounds; unsound: OffsetRanges; known: readonly number[] },
  ): Promise<void> {
    if (this.#options.table.dayColumn === null) return;
    for (const offset of known) this.#known.set(partitionKey(source), offset, 1);
    const isNone = bounds.min > bounds.max;
    const times = isNone ? { min: 1, max: 0 } : bounds;
    for (const range of unsound.gapsIn({ first, last })) this.#stretches.push({ source, ...range, ...times });
    if (this.#stretches.length >= STRETCHES_AT_ONCE) await this.finish();
  }

  async finish(): Promise<void> {
    const stretches = this.#stretches;
    this.#stretches = [];
    if (stretches.length === 0) return;
    const sources = new Map(stretches.map(({ source }) => [partitionKey(source), source]));
    for (let after: Row | undefined = ['', '0']; after !== undefined; ) {
      const page = await this.#options.retry(() => this.#page(stretches, after as Row));
      for (const [key, offset] of page) this.#report(sources.get(key) as PartitionRef, Number(offset));
      after = page.length < MOST_ROWS ? undefined : page.at(-1);
    }
  }

  close(): void {
    this.#known.close();
  }

  #report(source: PartitionRef, offset: number): void {
    if (this.#known.get(partitionKey(source), offset) !== 0) return;
    const detail = 'its time is none of those archived around its offset';
    this.#options.findings.record({ code: 'row_unarchived', source, offset, detail });
  }

  async #page(stretches: readonly (SqlStretch & TimeBounds)[], [source, offset]: Row): Promise<Row[]> {
    const { client, table } = this.#options;
    const { definitions, isIn, params, order, stretchValue } = stretchSql(stretches);
    const ordered = (of: (bounds: TimeBounds) => number) =>
      order.map((index) => of(stretches[index] as TimeBounds));
    const time = `toUnixTimestamp64Milli(${table.dayColumn})`;
    return selectRows<Row>(
      client,
      `WITH ${definitions} SELECT DISTINCT source, toString(offset) FROM {table:Identifier}
       WHERE ${isIn} AND (${time} < ${stretchValue('mins')} OR ${time} > ${stretchValue('maxs')})
         AND (toString(source), offset) > ({source:String}, {offset:UInt64})
       ORDER BY source, offset LIMIT {most:UInt32}`,
      {
        table: table.table,
        ...params,
        mins: ordered(({ min }) => min),
        maxs: ordered(({ max }) => max),
        source,
        offset,
        most: MOST_ROWS,
      },
    );
  }
}

type Row = readonly [source: string, offset: string];
