/** Rows out of a Parquet file of the cold tier by ranged reads: one for the metadata, one for an owner's rows. */
import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { type FileMetaData, parquetMetadata, parquetRead, type RowGroup } from 'hyparquet';
import {
  type ColdColumn,
  type ColdRow,
  type ColdTable,
  type ColdValue,
  compareOwners,
  type Owner,
} from './cold-table.ts';
import { decompressors } from './parquet-schema.ts';
import { GROUP_SUMS } from './write-parquet.ts';

/** The file is not what was written. */
export class DamagedColdFile extends Error {
  override readonly name = 'DamagedColdFile';
}

export interface StoredFile {
  readonly path: string;
  readonly bytes: number;
  readonly footerBytes: number;
  readonly footerSha256: string;
  /** @throws {Outage} */
  read(start: number, end: number): Promise<Buffer>;
}

/** Row groups that are read with one request. */
const READ_BYTES = 4 * 1024 * 1024;
/** Far above what a column of a row group takes. */
const MOST_PAGE_BYTES = 256 * 1024 * 1024;

interface Group {
  readonly group: RowGroup;
  readonly start: number;
  readonly end: number;
  /** CRC-32 of its bytes. */
  readonly sum: number;
}

export class ParquetReader {
  readonly #table: ColdTable;
  readonly #file: StoredFile;
  readonly #metadata: FileMetaData;
  readonly #groups: readonly Group[];

  private constructor(table: ColdTable, file: StoredFile, metadata: FileMetaData) {
    this.#table = table;
    this.#file = file;
    this.#metadata = metadata;
    const sums = metadata.key_value_metadata?.find(({ key }) => key === GROUP_SUMS)?.value?.split(' ') ?? [];
    this.#groups = metadata.row_groups.map((group, index) => ({
      ...placeOf(group),
      sum: Number(sums[index]),
    }));
  }

  /**
   * @throws {Outage}
   * @throws {DamagedColdFile}
   */
  static async open(table: ColdTable, file: StoredFile): Promise<ParquetReader> {
    const footer = await file.read(file.bytes - file.footerBytes, file.bytes);
    return new ParquetReader(
      table,
      file,
      whole(file, () => {
        if (hash('sha256', footer) !== file.footerSha256)
          throw new Error('its metadata are not what was written');
        return parquetMetadata(arrayBufferOf(footer));
      }),
    );
  }

  /** All rows of one owner, read with one request. */
  async rowsOf(owner: Owner): Promise<ColdRow[]> {
    const groups = this.#groups.filter(({ group }) => this.#mayHold(group, owner));
    const [tenant, user] = this.#table.owner;
    const rows = groups.length === 0 ? [] : await this.#read(groups);
    return rows.filter((row) => row[tenant] === owner[0] && row[user] === owner[1]);
  }

  /**
   * All rows in their order.
   * @param bytesAtOnce what is asked for with one request and held at a time, a row group at least
   */
  async *all(bytesAtOnce = READ_BYTES): AsyncGenerator<readonly ColdRow[]> {
    let some: Group[] = [];
    for (const one of this.#groups) {
      const [first = one] = some;
      if (some.length > 0 && one.end - first.start > bytesAtOnce) {
        yield await this.#read(some);
        some = [];
      }
      some.push(one);
    }
    if (some.length > 0) yield await this.#read(some);
  }

  /** Within one tenant the statistics of the second column bound the owner; across tenants only the first one's do. */
  #mayHold({ columns }: RowGroup, owner: Owner): boolean {
    const bounds = this.#table.owner.map((index) => columns[index]?.meta_data?.statistics);
    const least = bounds.map((one) => one?.min_value);
    const most = bounds.map((one) => one?.max_value);
    if (![...least, ...most].every((value) => typeof value === 'string')) return true;
    const [[tenantLeast, userLeast], [tenantMost, userMost]] = [least as string[], most as string[]] as [
      [string, string],
      [string, string],
    ];
    if (compareOwners([owner[0], ''], [tenantLeast, '']) < 0) return false;
    if (compareOwners([owner[0], ''], [tenantMost, '']) > 0) return false;
    if (tenantLeast !== tenantMost) return true;
    return (
      compareOwners(owner, [tenantLeast, userLeast]) >= 0 && compareOwners(owner, [tenantMost, userMost]) <= 0
    );
  }

  async #read(groups: readonly Group[]): Promise<ColdRow[]> {
    const start = Math.min(...groups.map((group) => group.start));
    const end = Math.max(...groups.map((group) => group.end));
    const bytes = await this.#file.read(start, end);
    for (const group of groups) {
      if (crc32(bytes.subarray(group.start - start, group.end - start)) !== group.sum)
        throw damaged(this.#file, new Error(`bytes ${group.start} to ${group.end} are not what was written`));
    }
    const metadata = { ...this.#metadata, row_groups: groups.map(({ group }) => group) };
    metadata.num_rows = metadata.row_groups.reduce((sum, { num_rows }) => sum + num_rows, 0n);
    const columns = await this.#decode(metadata, {
      byteLength: this.#file.bytes,
      slice: (from, to = this.#file.bytes) => {
        if (from < start || to > start + bytes.length)
          throw new Error('a column lies outside of its row group');
        return arrayBufferOf(bytes.subarray(from - start, to - start));
      },
    });
    const count = Number(metadata.num_rows);
    return Array.from({ length: count }, (_, row) => columns.map((column) => column[row] ?? null));
  }

  async #decode(
    metadata: FileMetaData,
    file: { byteLength: number; slice(from: number, to?: number): ArrayBuffer },
  ): Promise<ColdValue[][]> {
    const count = Number(metadata.num_rows);
    const known = new Set(metadata.schema.map(({ name }) => name));
    const columns = this.#table.columns.filter(({ name }) => known.has(name));
    const byName = new Map(columns.map(({ name }) => [name, new Array<ColdValue>(count).fill(null)]));
    try {
      await parquetRead({
        file,
        metadata,
        columns: columns.map(({ name }) => name),
        compressors: decompressors(MOST_PAGE_BYTES),
        geoparquet: false,
        parsers: { timestampFromMilliseconds: Number },
        onChunk: ({ columnName, columnData, rowStart }) => {
          const values = byName.get(columnName);
          if (values === undefined) return;
          for (let index = 0; index < columnData.length; index += 1)
            values[rowStart + index] = (columnData[index] as ColdValue | undefined) ?? null;
        },
      });
    } catch (error) {
      throw damaged(this.#file, error);
    }
    return this.#table.columns.map((column) => byName.get(column.name) ?? absent(column, count));
  }
}

/** A file that is older than the column. */
function absent({ kind, isNullable }: ColdColumn, count: number): ColdValue[] {
  const value = isNullable
    ? null
    : { text: '', instant: 0, boolean: false, double: 0, integer: 0n, unsigned: 0n, texts: {} }[kind];
  return new Array<ColdValue>(count).fill(value);
}

function placeOf(group: RowGroup): Omit<Group, 'sum'> {
  const parts = group.columns.flatMap(({ meta_data }) => {
    if (meta_data === undefined) return [];
    const { dictionary_page_offset, data_page_offset, total_compressed_size } = meta_data;
    const start = Number(dictionary_page_offset ?? data_page_offset);
    return [{ start, end: start + Number(total_compressed_size) }];
  });
  const start = Math.min(...parts.map((part) => part.start));
  return { group, start, end: Math.max(...parts.map((part) => part.end)) };
}

function whole<T>(file: StoredFile, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw damaged(file, error);
  }
}

function damaged({ path }: StoredFile, error: unknown): DamagedColdFile {
  const reason = error instanceof Error ? error.message : String(error);
  return new DamagedColdFile(`${path} is damaged: ${reason}`, { cause: error });
}

function arrayBufferOf(bytes: Buffer): ArrayBuffer {
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
}
