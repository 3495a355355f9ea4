/** Rows out of a Parquet file of the cold tier by ranged reads: one for an owner's rows, wherever a list says they are. */
import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { type FileMetaData, parquetMetadata, parquetRead } from 'hyparquet';
import { z } from 'zod';
import {
  type ColdColumn,
  type ColdRow,
  type ColdTable,
  type ColdValue,
  compareOwners,
  type Owner,
} from './cold-table.ts';
import { decompressors } from './parquet-schema.ts';
import { GROUP_PLACES, type GroupPlace } from './write-parquet.ts';

/** The file is not what was written. */
export class DamagedColdFile extends Error {
  override readonly name: string = 'DamagedColdFile';
}

export interface StoredFile {
  readonly path: string;
  readonly bytes: number;
  readonly footerBytes: number;
  readonly footerSha256: string;
  /** @throws {Outage} */
  read(start: number, end: number): Promise<Buffer>;
}

/** A byte order mark is a character of the text like others: a decoder takes it away unless it is told not to. */
const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** Row groups that are read with one request. */
const READ_BYTES = 4 * 1024 * 1024;
/** Far above what a column of a row group takes. */
const MOST_PAGE_BYTES = 256 * 1024 * 1024;

/** Consecutive bytes of the file, with the CRC-32 of them. */
interface Group {
  readonly start: number;
  readonly end: number;
  readonly sum: number;
}

export interface AskedOwners {
  readonly owners: readonly Owner[];
  readonly columns: readonly string[] | null;
  readonly bytesAtOnce?: number;
}

export class ParquetReader {
  readonly #table: ColdTable;
  readonly #file: StoredFile;
  readonly #groups: readonly Group[];

  private constructor(table: ColdTable, file: StoredFile, groups: readonly GroupPlace[]) {
    this.#table = table;
    this.#file = file;
    this.#groups = placesOf(file, groups);
  }

  /**
   * Reads the metadata at the end, and holds them against what is known of the file.
   * @throws {Outage}
   * @throws {DamagedColdFile}
   */
  static async open(table: ColdTable, file: StoredFile): Promise<ParquetReader> {
    const footer = await file.read(file.bytes - file.footerBytes, file.bytes);
    return whole(file, () => {
      if (hash('sha256', footer) !== file.footerSha256)
        throw new Error('its metadata are not what was written');
      return new ParquetReader(table, file, groupPlacesIn(footer));
    });
  }

  /** By what a list says of its row groups, without a request: each is held against its checksum when it is read. */
  static listed(
    table: ColdTable,
    file: StoredFile & { readonly groups: readonly GroupPlace[] },
  ): ParquetReader {
    return new ParquetReader(table, file, file.groups);
  }

  /**
   * All rows of one owner, read with one request, and with none where the list shows that there are none.
   * @throws {Outage}
   * @throws {DamagedColdFile}
   */
  static async rowsOf(...asked: Parameters<typeof ParquetReader.eachOf>): Promise<ColdRow[]> {
    return (await Array.fromAsync(ParquetReader.eachOf(...asked))).flat();
  }

  /**
   * The same, holding no more than `READ_BYTES` of the file at a time: an owner with more of them takes more requests.
   * @throws {Outage}
   * @throws {DamagedColdFile}
   */
  static async *eachOf(
    table: ColdTable,
    file: StoredFile & { readonly groups: readonly GroupPlace[] },
    owner: Owner,
  ): AsyncGenerator<ColdRow[]> {
    yield* ParquetReader.eachOfMany(table, file, { owners: [owner], columns: null });
  }

  /**
   * Of many owners, each row group with rows of theirs once, so many bytes with one request, a row group at least.
   * @param asked the columns that are wanted beside the owner's, by name; null: all. Of others rows have null.
   * @throws {Outage}
   * @throws {DamagedColdFile}
   */
  static async *eachOfMany(
    table: ColdTable,
    file: StoredFile & { readonly groups: readonly GroupPlace[] },
    { owners, columns, bytesAtOnce = READ_BYTES }: AskedOwners,
  ): AsyncGenerator<ColdRow[]> {
    const [tenant, user] = table.owner;
    const wanted =
      columns === null
        ? null
        : new Set([...columns, ...table.owner.map((index) => table.columns[index]?.name ?? '')]);
    const reader = ParquetReader.listed(table, file);
    // Sorted by owner: a group may hold rows of one up to where the next group begins.
    const groups = reader.#groups.filter((_, index) => {
      const next = file.groups[index + 1];
      return owners.some(
        (owner) =>
          compareOwners(firstOf(file.groups[index]), owner) <= 0 &&
          (next === undefined || compareOwners(owner, firstOf(next)) <= 0),
      );
    });
    const users = new Map<string, Set<string>>();
    for (const [of, name] of owners) users.set(of, (users.get(of) ?? new Set()).add(name));
    const isAsked = (row: ColdRow) => users.get(row[tenant] as string)?.has(row[user] as string) === true;
    for (const some of portionsOf(groups, bytesAtOnce))
      for await (const rows of reader.#read(some, wanted)) yield rows.filter(isAsked);
  }

  /**
   * All rows in their order.
   * @param bytesAtOnce what is asked for with one request and held at a time, a row group at least
   */
  async *all(bytesAtOnce = READ_BYTES): AsyncGenerator<readonly ColdRow[]> {
    for (const some of portionsOf(this.#groups, bytesAtOnce)) yield* this.#read(some);
  }

  /** With one request. Of what it answers, which is a tenth of the rows' size in memory, one row group is unpacked at a time. */
  async *#read(
    groups: readonly Group[],
    wanted: ReadonlySet<string> | null = null,
  ): AsyncGenerator<ColdRow[]> {
    const start = Math.min(...groups.map((group) => group.start));
    const end = Math.max(...groups.map((group) => group.end));
    const bytes = await this.#file.read(start, end);
    for (const group of groups) {
      const own = bytes.subarray(group.start - start, group.end - start);
      if (crc32(own) !== group.sum)
        throw damaged(this.#file, new Error(`bytes ${group.start} to ${group.end} are not what was written`));
      yield await this.#rowsIn(own, group.start, wanted);
    }
  }

  /** @param bytes of one row group, with the metadata of it alone at their end */
  async #rowsIn(bytes: Buffer, start: number, wanted: ReadonlySet<string> | null): Promise<ColdRow[]> {
    const metadata = whole(this.#file, () => parquetMetadata(arrayBufferOf(bytes)));
    metadata.num_rows = metadata.row_groups.reduce((sum, { num_rows }) => sum + num_rows, 0n);
    const columns = await this.#decode(metadata, wanted, {
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
    wanted: ReadonlySet<string> | null,
    file: { byteLength: number; slice(from: number, to?: number): ArrayBuffer },
  ): Promise<ColdValue[][]> {
    const count = Number(metadata.num_rows);
    const known = new Set(metadata.schema.map(({ name }) => name));
    const isWanted = ({ name }: ColdColumn) => wanted === null || wanted.has(name);
    const columns = this.#table.columns.filter((column) => known.has(column.name) && isWanted(column));
    const byName = new Map(columns.map(({ name }) => [name, new Array<ColdValue>(count).fill(null)]));
    try {
      await parquetRead({
        file,
        metadata,
        columns: columns.map(({ name }) => name),
        compressors: decompressors(MOST_PAGE_BYTES),
        geoparquet: false,
        parsers: { timestampFromMilliseconds: Number, stringFromBytes: (bytes) => UTF8.decode(bytes) },
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
    return this.#table.columns.map((column) =>
      isWanted(column) ? (byName.get(column.name) ?? absent(column, count)) : [],
    );
  }
}

/** A file that is older than the column. */
function absent({ kind, isNullable }: ColdColumn, count: number): ColdValue[] {
  const value = isNullable
    ? null
    : { text: '', instant: 0, boolean: false, double: 0, integer: 0n, unsigned: 0n, texts: {} }[kind];
  return new Array<ColdValue>(count).fill(value);
}

const groupsSchema = z.array(z.tuple([z.string(), z.string(), z.int().min(0), z.int().min(0)]));

/** @throws {Error} it is not the end of a file of ours */
export function groupPlacesIn(footer: Buffer): GroupPlace[] {
  const { key_value_metadata: known = [] } = parquetMetadata(arrayBufferOf(footer));
  const text = known.find(({ key }) => key === GROUP_PLACES)?.value;
  if (text === undefined) throw new Error('it does not say where its row groups are');
  return groupsSchema.parse(JSON.parse(text));
}

function placesOf({ bytes, footerBytes }: StoredFile, groups: readonly GroupPlace[]): Group[] {
  return groups.map(([, , start, sum], index) => ({
    start,
    end: groups[index + 1]?.[2] ?? bytes - footerBytes,
    sum,
  }));
}

/** Neighbours together, up to so many bytes; one at least. */
function* portionsOf(groups: readonly Group[], bytes: number): Generator<Group[]> {
  let some: Group[] = [];
  for (const one of groups) {
    const [first = one] = some;
    if (some.length > 0 && one.end - first.start > bytes) {
      yield some;
      some = [];
    }
    some.push(one);
  }
  if (some.length > 0) yield some;
}

function firstOf(group: GroupPlace | undefined): Owner {
  return [group?.[0] ?? '', group?.[1] ?? ''];
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
