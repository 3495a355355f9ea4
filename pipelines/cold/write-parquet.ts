/** Rows to the bytes of one Parquet file, a row group at a time. */
import { createHash, hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { RowGroup } from 'hyparquet';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { writeMetadata } from 'hyparquet-writer/src/metadata.js';
import { type ColdRow, type ColdTable, type ColdValue, type Owner, ownerOf } from './cold-table.ts';
import { CODEC, compressors, schemaOf } from './parquet-schema.ts';
import { RowDigest } from './row-digest.ts';

/**
 * Rows that are compressed together: the least that can be read. A user's rows are wanted, so few; but each group takes
 * some kilobytes at the end of the file.
 */
export const ROW_GROUP_ROWS = 4_096;
/** Groups of very long rows end sooner: they are held in memory. */
const ROW_GROUP_BYTES = 8 * 1024 * 1024;

/** Name of the metadata with the file's `GroupPlace`s as JSON. */
export const GROUP_PLACES = 'campaign-ledger.row-groups';
/** `PAR1`, with which files begin and end. */
const MARK = 0x31524150;
const MARK_BYTES = 4;

/**
 * Of a row group: tenant and user (or campaign) of its first row, the byte of the file at which it begins, and the
 * CRC-32 of all from there to the next one. Parquet's own checksums leave out what stands in front of a page, and few
 * readers look at them.
 */
export type GroupPlace = [tenant: string, user: string, start: number, sum: number];

/** What is known of a file once it is written. */
export interface FileFacts {
  readonly rows: number;
  readonly bytes: number;
  /** Of the metadata at its end, with their length and the mark: what to ask for first. */
  readonly footerBytes: number;
  readonly footerSha256: string;
  readonly sha256: string;
  /** `RowDigest` of its rows, 16 hex digits. */
  readonly digest: string;
  readonly first: Owner;
  readonly last: Owner;
  /** In their order. */
  readonly groups: GroupPlace[];
}

/**
 * Takes rows in the table's order. Behind each row group stands, for readers of ours, the end of a file that had this
 * group alone: who knows where a group is can read it with one request. Others go by the end of the whole file.
 */
export class ParquetFile {
  readonly #table: ColdTable;
  readonly #groupRows: number;
  readonly #bytes = new ByteWriter();
  readonly #parquet: ParquetWriter;
  readonly #sha256 = createHash('sha256');
  readonly #digest = new RowDigest();
  readonly #groups: GroupPlace[] = [];
  #groupFirst: Owner | null = null;
  #columns: ColdValue[][] = [];
  #groupBytes = 0;
  #rows = 0;
  #first: Owner | null = null;
  #last: Owner | null = null;

  constructor(table: ColdTable, { groupRows = ROW_GROUP_ROWS }: { readonly groupRows?: number } = {}) {
    this.#table = table;
    this.#groupRows = groupRows;
    this.#parquet = new ParquetWriter({
      writer: this.#bytes,
      schema: schemaOf(table),
      codec: CODEC,
      compressors,
      createdBy: 'campaign-ledger',
      // Whose rows a group holds is found by these: cut short, they would name others.
      statisticsTruncateLength: Number.POSITIVE_INFINITY,
    });
    this.#clear();
  }

  /** @returns bytes that are ready to be sent, mostly none */
  add(row: ColdRow): Buffer | null {
    for (const [index, column] of this.#columns.entries()) column.push(row[index] ?? null);
    this.#digest.add(row);
    this.#rows += 1;
    this.#last = ownerOf(this.#table, row);
    this.#first ??= this.#last;
    this.#groupFirst ??= this.#last;
    this.#groupBytes += sizeOf(row);
    const isFull = (this.#columns[0]?.length ?? 0) >= this.#groupRows || this.#groupBytes >= ROW_GROUP_BYTES;
    if (!isFull) return null;
    this.#writeGroup();
    return this.#take();
  }

  /** @returns the last bytes, and what the file is; null when no row was added */
  end(): { readonly bytes: Buffer; readonly facts: FileFacts } | null {
    if (this.#first === null || this.#last === null) return null;
    this.#writeGroup();
    const group = this.#take();
    this.#parquet.kvMetadata = [{ key: GROUP_PLACES, value: JSON.stringify(this.#groups) }];
    this.#parquet.finish();
    const footer = this.#take();
    const facts = {
      rows: this.#rows,
      bytes: this.#bytes.offset,
      footerBytes: footer.length,
      footerSha256: hash('sha256', footer),
      digest: this.#digest.hex,
      first: this.#first,
      last: this.#last,
      groups: this.#groups,
    };
    return {
      bytes: Buffer.concat([group, footer]),
      facts: { ...facts, sha256: this.#sha256.digest('hex') },
    };
  }

  #writeGroup(): void {
    if (this.#groupFirst === null) return;
    const { columns, owner } = this.#table;
    const columnData = columns.map(({ name }, index) => ({
      name,
      data: this.#columns[index] ?? [],
      // One page a column: there is nothing to look up in it.
      offsetIndex: false,
      statistics: owner.includes(index),
    }));
    // Before the first group the writer has put the mark of the format.
    const before = this.#groups.length === 0 ? MARK_BYTES : 0;
    const start = this.#bytes.offset - this.#bytes.index + before;
    this.#parquet.write({ columnData, rowGroupSize: this.#groupRows, pageSize: ROW_GROUP_BYTES * 2 });
    const group = this.#parquet.row_groups.at(-1);
    if (group !== undefined) this.#writeGroupEnd(group);
    const [tenant, user] = this.#groupFirst;
    this.#groups.push([tenant, user, start, crc32(this.#bytes.getBytes().subarray(before))]);
    this.#clear();
  }

  #writeGroupEnd(group: RowGroup): void {
    const { schema } = this.#parquet;
    const of = { version: 2, schema, num_rows: group.num_rows, row_groups: [group], metadata_length: 0 };
    writeMetadata(this.#bytes, of, Number.POSITIVE_INFINITY);
    this.#bytes.appendUint32(MARK);
  }

  #clear(): void {
    this.#columns = this.#table.columns.map(() => []);
    this.#groupBytes = 0;
    this.#groupFirst = null;
  }

  #take(): Buffer {
    const bytes = Buffer.from(this.#bytes.getBytes());
    this.#bytes.index = 0;
    this.#sha256.update(bytes);
    return bytes;
  }
}

function sizeOf(row: ColdRow): number {
  let bytes = 0;
  for (const value of row) {
    if (typeof value === 'string') bytes += value.length;
    else if (value !== null && typeof value === 'object')
      for (const [key, text] of Object.entries(value)) bytes += key.length + text.length;
    else bytes += 8;
  }
  return bytes;
}
