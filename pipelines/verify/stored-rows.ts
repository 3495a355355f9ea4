/** Asks ClickHouse what is stored of a stretch of offsets. Results are bounded by the stretch, never by the table. */
import { TupleParam } from '@clickhouse/client';
import { type OffsetRange, type PartitionRef, partitionKey } from '../common/batch.ts';
import { asOutage, type ClickHouseClient } from '../common/clickhouse/client.ts';
import { portions } from '../common/clickhouse/list-parameters.ts';
import { selectRows } from '../common/clickhouse/select.ts';
import type { Identity, LedgerTable } from './ledger-table.ts';

/** Milliseconds since the epoch, both inclusive. */
export interface TimeBounds {
  readonly min: number;
  readonly max: number;
}

const OFFSET_BYTES = 8;
export const DIGEST_BYTES = 32;
const ROW_BYTES = OFFSET_BYTES + DIGEST_BYTES;
/** Identities asked for at once. */
const IDENTITIES_AT_ONCE = 400;

/** The rows of one stretch by offset: SHA-256 of each row's RowBinary bytes. */
export class RowDigests {
  readonly #bytes: Buffer;
  readonly #met: Uint8Array;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#met = new Uint8Array(this.length);
  }

  get length(): number {
    return this.#bytes.length / ROW_BYTES;
  }

  /** Digests of the rows at an offset: more than one only where they differ. They count as met from now on. */
  at(offset: number): readonly Buffer[] {
    const found: Buffer[] = [];
    for (
      let index = this.#firstAt(offset);
      index < this.length && this.#offset(index) === offset;
      index += 1
    ) {
      this.#met[index] = 1;
      found.push(this.#bytes.subarray(index * ROW_BYTES + OFFSET_BYTES, (index + 1) * ROW_BYTES));
    }
    return found;
  }

  /** Offsets of rows that nobody asked for, ascending. */
  *unmet(): Generator<number> {
    for (let index = 0; index < this.length; index += 1)
      if (this.#met[index] === 0) yield this.#offset(index);
  }

  #firstAt(offset: number): number {
    let [low, high] = [0, this.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#offset(middle) < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #offset(index: number): number {
    return Number(this.#bytes.readBigUInt64LE(index * ROW_BYTES));
  }
}

/** Where the row stands that counts among all with one identity. */
export interface StoredPlace {
  readonly topicId: string;
  readonly partition: number;
  readonly offset: number;
  /** Milliseconds. */
  readonly recordedAt: number;
}

export class StoredRows {
  readonly #client: ClickHouseClient;
  readonly #table: LedgerTable;

  constructor(client: ClickHouseClient, table: LedgerTable) {
    this.#client = client;
    this.#table = table;
  }

  /** @param bounds of the time by which the table is partitioned; rows beyond are not seen */
  async digests(source: PartitionRef, { first, last }: OffsetRange, bounds: TimeBounds): Promise<RowDigests> {
    const { columns, dayColumn } = this.#table;
    const isNone = bounds.min > bounds.max;
    if (isNone && dayColumn !== null) return new RowDigests(Buffer.alloc(0));
    const row = columns.map((name) => `\`${name}\``).join(', ');
    const { stream } = await this.#asked(
      this.#client.exec({
        query: `SELECT DISTINCT offset, SHA256(formatRow('RowBinary', ${row}))
          FROM {table:Identifier}
          WHERE source = {source:String} AND offset BETWEEN {first:UInt64} AND {last:UInt64} ${this.#within(bounds)}
          ORDER BY offset FORMAT RowBinary`,
        query_params: {
          table: this.#table.table,
          source: partitionKey(source),
          first,
          last,
          ...(isNone ? {} : bounds),
        },
      }),
    );
    const chunks: Buffer[] = [];
    const read = async () => {
      for await (const chunk of stream) chunks.push(chunk as Buffer);
    };
    await this.#asked(read());
    return new RowDigests(Buffer.concat(chunks));
  }

  /** The first column in which a row at an offset is not what its record says; null when there is no such row any more. */
  async differingColumn(source: PartitionRef, offset: number, expected: Buffer): Promise<string | null> {
    const { table, columns } = this.#table;
    const cells = columns.map((name) => `hex(formatRow('RowBinary', \`${name}\`))`).join(', ');
    const rows = await selectRows<readonly string[]>(
      this.#client,

      `SELECT ${cells} FROM {table:Identifier} WHERE source = {source:String} AND offset = {offset:UInt64}`,
      { table, source: partitionKey(source), offset },
    );
    for (const row of rows) {
      let at = 0;
      for (const [index, hex] of row.entries()) {
        const cell = Buffer.from(hex, 'hex');
        if (!cell.equals(expected.subarray(at, at + cell.length))) return columns[index] ?? null;
        at += cell.length;
      }
    }
    return null;
  }

  /** @param row RowBinary bytes */
  identityOf(row: Buffer): readonly string[] {
    return this.#table.identity?.of(row) ?? [];
  }

  /**
   * For each identity the row that was recorded first, in the order asked; null where there is none.
   * @param bounds of the time by which the table is partitioned, null for all of it
   */
  async byIdentity(
    identities: readonly (readonly string[])[],
    bounds: TimeBounds | null,
  ): Promise<(StoredPlace | null)[]> {
    const { identity, table } = this.#table;
    if (identity === null) return identities.map(() => null);
    const found = new Map<string, StoredPlace>();
    for (const some of portions(identities, (one) => one, IDENTITIES_AT_ONCE)) {
      const rows = await selectRows<readonly string[]>(
        this.#client,

        `SELECT ${identity.expressions.join(', ')}, source, toString(offset), toString(toUnixTimestamp64Milli(recorded_at))
         FROM {table:Identifier}
         WHERE (${identity.expressions.join(', ')}) IN {ids:Array(${tupleType(identity)})}
           AND (tenant_id, user_id) IN {users:Array(Tuple(String, String))} ${bounds === null ? '' : this.#within(bounds)}
         ORDER BY precedence DESC LIMIT 1 BY ${identity.expressions.join(', ')}`,
        {
          table,
          ids: some.map((one) => new TupleParam([...one])),
          users: some.map(([tenant, user]) => new TupleParam([tenant, user])),
          ...bounds,
        },
      );
      for (const row of rows) {
        const [recordedAt, offset, source] = [...row].reverse();
        const [topicId = '', partition] = (source ?? '').split('/');
        found.set(JSON.stringify(row.slice(0, identity.expressions.length)), {
          topicId,
          partition: Number(partition),
          offset: Number(offset),
          recordedAt: Number(recordedAt),
        });
      }
    }
    return identities.map((one) => found.get(JSON.stringify(one)) ?? null);
  }

  #within({ min, max }: TimeBounds): string {
    const { dayColumn } = this.#table;
    if (dayColumn === null || min > max) return '';
    return `AND ${dayColumn} BETWEEN fromUnixTimestamp64Milli({min:Int64}, 'UTC') AND fromUnixTimestamp64Milli({max:Int64}, 'UTC')`;
  }

  async #asked<T>(answer: Promise<T>): Promise<T> {
    return answer.catch((error: unknown) => {
      throw asOutage(error);
    });
  }
}

function tupleType({ expressions }: Identity): string {
  return `Tuple(${expressions.map(() => 'String').join(', ')})`;
}
