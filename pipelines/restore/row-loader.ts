/** Stores archived records as rows, with the steps of the pipeline that stored them first, many segments to an insert. */
import type { Config } from '../../config/schema.ts';
import type { ArchivedRecord, SegmentHeader } from '../archive/segment-reader.ts';
import type { ColdStore } from '../cold/cold-store.ts';
import { type Batch, type KafkaRecord, type PartitionRef, partitionKey } from '../common/batch.ts';
import type { ClickHouseClient } from '../common/clickhouse/client.ts';
import { EncodedBatch } from '../common/clickhouse-sink/encoded-batch.ts';
import { Flush, type FlushStep } from '../common/clickhouse-sink/flush.ts';
import { storeRows } from '../common/clickhouse-sink/insert-step.ts';
import { RecordEncoder } from '../common/clickhouse-sink/record-encoder.ts';
import type { Logger } from '../common/logger.ts';
import { createMetrics } from '../common/metrics.ts';
import { retryOutage } from '../common/retry.ts';
import { ChunkPool } from '../common/transcode/chunk-pool.ts';
import { sqlColumns } from '../common/transcode/row-spec.ts';
import { timeLimits } from '../common/transcode/time-limits.ts';
import { foldProfiles, type ProfileFolding } from '../profiles/fold-step.ts';
import type { LedgerTable } from '../verify/ledger-table.ts';
import { batchOf, kafkaRecord } from './archived-records.ts';
import { type Choice, looksAtRows } from './choice.ts';
import { type ChosenRecord, chooseRecords } from './choose-records.ts';
import type { HeaderSchemas } from './header-schemas.ts';

/** Of fault points and logs. */
export const RESTORE = 'restore';

/** Held in memory, and stored, at once. */
const RECORDS_AT_ONCE = 50_000;
const BYTES_AT_ONCE = 16 * 1024 * 1024;

/** Where rows of `events` go by their day. */
export interface EventRoute {
  /** The table for a row of `events`. */
  tableFor(source: string, record: ChosenRecord): string;
  /** Called before rows are stored. @throws {Outage} */
  prepare(rows: readonly { readonly source: string; readonly record: ChosenRecord }[]): Promise<void>;
}

export interface LoaderOptions {
  readonly table: LedgerTable;
  readonly topic: string;
  readonly choice: Choice;
  readonly schemas: HeaderSchemas;
  /** Null where every row goes into the table, whatever its day. */
  readonly route: EventRoute | null;
  readonly client: ClickHouseClient;
  /** Where profile changes are that have left ClickHouse. */
  readonly cold: ColdStore;
  readonly config: Config;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Before rows are stored. @throws {Error} they may not be any more */
  readonly beforeStore: () => Promise<void>;
  /** Called when everything before these offsets is stored, by `<topic id>/<partition>`. */
  readonly onStored: (reached: ReadonlyMap<string, Reached>) => Promise<void>;
}

export interface Reached {
  readonly source: PartitionRef;
  readonly next: number;
}

export class RowLoader {
  readonly #options: LoaderOptions;
  readonly #pool = new ChunkPool();
  readonly #folding: ProfileFolding | null;
  readonly #steps = new Map<string, FlushStep>();
  #encoder: RecordEncoder;
  /** By source. */
  #gathered = new Map<string, { readonly source: PartitionRef; readonly records: KafkaRecord[] }>();
  #reached = new Map<string, Reached>();
  /** By source, the first offset of what could not be read. */
  readonly #missing = new Map<string, number>();
  #count = 0;
  #bytes = 0;
  /** Rows stored so far. */
  rows = 0;
  /** Records that can be no row: the pipeline made dead letters of them, or would today. */
  refused = 0;

  constructor(options: LoaderOptions) {
    this.#options = options;
    const { client, signal, table, cold } = options;
    this.#encoder = this.#newEncoder();
    this.#folding =
      table.table === 'profile_changes'
        ? foldProfiles({ pipeline: RESTORE, client, signal, cold: async () => cold })
        : null;
  }

  /** Records of one segment, all behind those before them of the same source. @throws {Outage} the wait was ended */
  async add(header: SegmentHeader, source: PartitionRef, archived: readonly ArchivedRecord[]): Promise<void> {
    const { schemas } = this.#options;
    if (schemas.isOther(header)) {
      await this.flush();
      this.#encoder = this.#newEncoder();
    }
    schemas.learn(header);
    const key = partitionKey(source);
    const of = this.#gathered.get(key) ?? { source, records: [] };
    this.#gathered.set(key, of);
    for (const one of archived) {
      const record = kafkaRecord(source, one);
      of.records.push(record);
      this.#bytes += record.size;
    }
    this.#count += archived.length;
    if (this.#count >= RECORDS_AT_ONCE || this.#bytes >= BYTES_AT_ONCE) await this.flush();
  }

  /** Everything of the source before this offset has been added. */
  reached(source: PartitionRef, next: number): void {
    this.#reached.set(partitionKey(source), { source, next });
  }

  /**
   * Something of the source from there on could not be read. How far it comes behind it is not noted: whoever runs this
   * again meets the damage again, or what has been repaired, and rows that are stored twice change nothing.
   */
  missed(source: PartitionRef, offset: number): void {
    const key = partitionKey(source);
    this.#missing.set(key, Math.min(offset, this.#missing.get(key) ?? offset));
  }

  /** Null: nothing of the source was. */
  firstMissing(source: PartitionRef): number | null {
    return this.#missing.get(partitionKey(source)) ?? null;
  }

  async flush(): Promise<void> {
    const gathered = [...this.#gathered.values()];
    const batches = gathered.map(({ source, records }) => batchOf(source, records));
    const reached = this.#reached;
    this.#gathered = new Map();
    this.#reached = new Map();
    this.#count = 0;
    this.#bytes = 0;
    if (batches.length > 0) {
      await this.#retry('reading schemas', () => this.#encoder.prepare(batches));
      for (const { source, records } of gathered)
        for (const { offset } of this.#options.schemas.undecided(records)) this.missed(source, offset);
      await this.#retry('asking for leave', () => this.#options.beforeStore());
      for (const [table, some] of await this.#routed(batches)) await this.#store(table, some);
    }
    for (const [key, one] of reached) {
      const missing = this.#missing.get(key) ?? one.next;
      if (missing < one.next) reached.set(key, { ...one, next: missing });
    }
    if (reached.size > 0) await this.#retry('noting how far it came', () => this.#options.onStored(reached));
  }

  /** The batches by the table that their rows go into. */
  async #routed(batches: readonly Batch[]): Promise<ReadonlyMap<string, readonly Batch[]>> {
    const { table, choice, route } = this.#options;
    if (route === null && !looksAtRows(choice)) return new Map([[table.table, batches]]);
    const chosen = batches.map(({ source, ...batch }) => {
      const { records, refused } = chooseRecords(this.#encoder, { source, ...batch }, choice);
      this.refused += refused;
      return { source, records };
    });
    if (route !== null) {
      const rows = chosen.flatMap(({ source, records }) =>
        records.map((record) => ({ source: partitionKey(source), record })),
      );
      await this.#retry('preparing days', () => route.prepare(rows));
    }
    const byTable = new Map<string, Batch[]>();
    for (const { source, records } of chosen) {
      const tableOf = (record: ChosenRecord) => route?.tableFor(partitionKey(source), record) ?? table.table;
      for (const [name, some] of Map.groupBy(records, tableOf)) {
        const batch = batchOf(
          source,
          some.map(({ record }) => record),
        );
        byTable.set(name, [...(byTable.get(name) ?? []), batch]);
      }
    }
    return byTable;
  }

  async #store(table: string, batches: readonly Batch[]): Promise<void> {
    const encoded = batches.map(
      (batch) =>
        new EncodedBatch(batch, {
          encoder: this.#encoder,
          pool: this.#pool,
          onRow: this.#folding?.onRow(batch) ?? null,
        }),
    );
    const flush = new Flush(encoded, () => true);
    await this.#retry(`restoring ${table}`, async () => {
      await this.#stepInto(table)(flush);
      await this.#folding?.step(flush);
    });
    for (const { rows, faults } of encoded) {
      this.rows += rows;
      this.refused += faults.size;
    }
  }

  #stepInto(table: string): FlushStep {
    const known = this.#steps.get(table);
    if (known !== undefined) return known;
    const { client, signal, logger, topic } = this.#options;
    const columns = sqlColumns(this.#options.table.spec.columns);
    const step = storeRows({
      pipeline: RESTORE,
      client,
      signal,
      logger,
      table,
      columns,
      topics: new Set([topic]),
    });
    this.#steps.set(table, step);
    return step;
  }

  #newEncoder(): RecordEncoder {
    const { topic, table, config, schemas } = this.#options;
    return new RecordEncoder({
      pipeline: RESTORE,
      topic,
      spec: table.spec,
      limits: timeLimits(config),
      schemas,
      // What it counts are records of long ago: nobody looks at these metrics.
      metrics: createMetrics(),
    });
  }

  #retry<T>(what: string, attempt: () => Promise<T>): Promise<T> {
    const { config, logger, signal } = this.#options;
    return retryOutage(attempt, { retry: config.retry, logger, signal, what });
  }
}
