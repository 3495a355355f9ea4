/** Rows against segments, by partition and day: what counts can tell without reading a record. */
import type { ListedBatch } from '../archive/verify.ts';
import { type OffsetRange, type PartitionRef, partitionKey } from '../common/batch.ts';
import type { ClickHouseClient } from '../common/clickhouse/client.ts';
import { selectRows } from '../common/clickhouse/select.ts';
import type { LedgerTable } from './ledger-table.ts';
import { stretchSql } from './stretch-sql.ts';

/** Batches of one partition that follow one another and begin on one day. */
export interface DayCount extends OffsetRange {
  readonly source: PartitionRef;
  /** UTC, of the Kafka timestamp of each batch's first record. */
  readonly day: string;
  readonly records: number;
  /** Distinct offsets that have a row. */
  readonly rows: number;
  /** Records in batches that begin below what was exported to the cold tier: their rows may have left. */
  readonly exported: number;
}

/** Days counted by one question. */
const DAYS_AT_ONCE = 500;

type OpenDay = Omit<DayCount, 'rows' | 'last' | 'records' | 'exported'> & {
  last: number;
  records: number;
  exported: number;
};

export interface DayCountsOptions {
  readonly client: ClickHouseClient;
  readonly table: LedgerTable;
  /** Repeats a question through an outage. */
  readonly retry: <T>(ask: () => Promise<T>) => Promise<T>;
  /** The offset below which rows of a source may be in the cold tier alone. */
  readonly exportedTo: (source: PartitionRef) => number;
}

export class DayCounts {
  readonly counted: DayCount[] = [];
  readonly #options: DayCountsOptions;
  /** By partition, the day that may still grow. */
  readonly #open = new Map<string, OpenDay>();
  #ready: OpenDay[] = [];

  constructor(options: DayCountsOptions) {
    this.#options = options;
  }

  async add({ source, first, last, parts }: ListedBatch): Promise<void> {
    const [part] = parts;
    const records = part?.metadata?.batchCount ?? 0;
    const day = new Date(part?.name?.folderTime ?? 0).toISOString().slice(0, 10);
    const key = partitionKey(source);
    const exported = first < this.#options.exportedTo(source) ? records : 0;
    const open = this.#open.get(key);
    if (open !== undefined && open.day === day && open.last + 1 === first) {
      open.last = last;
      open.records += records;
      open.exported += exported;
      return;
    }
    if (open !== undefined) this.#ready.push(open);
    this.#open.set(key, { source, day, first, last, records, exported });
    if (this.#ready.length >= DAYS_AT_ONCE) await this.#count();
  }

  async finish(): Promise<void> {
    this.#ready.push(...this.#open.values());
    this.#open.clear();
    await this.#count();
  }

  async #count(): Promise<void> {
    const days = this.#ready;
    this.#ready = [];
    if (days.length === 0) return;
    const { definitions, isIn, params, indexOf } = stretchSql(days);
    const { client, table, retry } = this.#options;
    const counts = await retry(() =>
      selectRows<readonly [string, string]>(
        client,
        // A bitmap of offsets, of which there are long runs, takes next to no memory.
        `WITH ${definitions} SELECT toString(stretch), toString(groupBitmap(offset)) FROM {table:Identifier}
         WHERE ${isIn} GROUP BY stretch`,
        { table: table.table, ...params },
      ),
    );
    const rowsOf = new Map(counts.map(([stretch, rows]) => [indexOf.get(stretch), Number(rows)]));
    for (const [index, day] of days.entries()) this.counted.push({ ...day, rows: rowsOf.get(index) ?? 0 });
  }
}
