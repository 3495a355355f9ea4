/** A file of the cold tier from its first byte to its last, held against all that its list says of it. */
import { createHash } from 'node:crypto';
import type { ColdStore } from './cold-store.ts';
import type { ColdRow, ColdTable } from './cold-table.ts';
import type { ListedFile } from './file-list.ts';
import { DamagedColdFile, ParquetReader, type StoredFile } from './read-parquet.ts';
import { RowDigest } from './row-digest.ts';

/** As rows they take ten times as much. */
const BYTES_AT_ONCE = 1024 * 1024;

/**
 * All rows in their order, a megabyte of the file at a time. What was handed out is worth nothing where it throws.
 * @throws {Outage}
 * @throws {OfflineBlob}
 * @throws {DamagedColdFile} bytes, rows or their count are not what was written; after the last row too
 */
export async function* readWhole(
  table: ColdTable,
  listed: ListedFile,
  store: ColdStore,
): AsyncGenerator<readonly ColdRow[]> {
  const file = new HashedFile(store.file(listed));
  const digest = new RowDigest();
  let count = 0;
  for await (const rows of (await ParquetReader.open(table, file)).all(BYTES_AT_ONCE)) {
    for (const row of rows) digest.add(row);
    count += rows.length;
    yield rows;
  }
  const damaged = (what: string) => new DamagedColdFile(`${listed.path} is damaged: ${what}`);
  if ((await file.sha256()) !== listed.sha256) throw damaged('its sha256 is not what was written');
  if (count !== listed.rows) throw damaged(`it holds ${count} rows, its list says ${listed.rows}`);
  if (digest.hex !== listed.digest) throw damaged('its rows are not those that were written');
}

/** Hashes what a reader asks for on its way, so that each byte comes once: first the end, then everything in order. */
class HashedFile implements StoredFile {
  readonly #file: StoredFile;
  readonly #sha256 = createHash('sha256');
  #hashedTo = 0;
  #footer: Buffer | null = null;

  constructor(file: StoredFile) {
    this.#file = file;
  }

  get path(): string {
    return this.#file.path;
  }

  get bytes(): number {
    return this.#file.bytes;
  }

  get footerBytes(): number {
    return this.#file.footerBytes;
  }

  get footerSha256(): string {
    return this.#file.footerSha256;
  }

  async read(start: number, end: number): Promise<Buffer> {
    const isFooter = start === this.bytes - this.footerBytes && end === this.bytes;
    if (!isFooter) await this.#hashUpTo(start);
    const bytes = await this.#file.read(start, end);
    if (isFooter) this.#footer = bytes;
    else if (start === this.#hashedTo) this.#hash(bytes);
    return bytes;
  }

  /** To be asked once, in the end. */
  async sha256(): Promise<string> {
    const footer = this.#footer;
    await this.#hashUpTo(footer === null ? this.bytes : this.bytes - this.footerBytes);
    if (footer !== null) this.#hash(footer);
    return this.#sha256.digest('hex');
  }

  async #hashUpTo(end: number): Promise<void> {
    if (end > this.#hashedTo) this.#hash(await this.#file.read(this.#hashedTo, end));
  }

  #hash(bytes: Buffer): void {
    this.#sha256.update(bytes);
    this.#hashedTo += bytes.length;
  }
}
