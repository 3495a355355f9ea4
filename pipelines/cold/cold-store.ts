/** The cold tier as blobs below `tracking/`. */
import { createHash, hash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { BlockBlobClient, ContainerClient } from '@azure/storage-blob';
import { blobFault } from '../archive/blob-fault.ts';
import { blobErrorCode } from '../common/blob/container.ts';
import { Fenced, Outage } from '../common/errors.ts';
import type { ColdRow, ColdTable } from './cold-table.ts';
import { RowCutter } from './cut-rows.ts';
import { encodeFileList, type FileList, type ListedFile, parseFileList } from './file-list.ts';
import {
  EMPTY_MANIFEST,
  type ListedFiles,
  type Manifest,
  manifestText,
  parseManifest,
  summary,
} from './manifest.ts';
import { DamagedColdFile, groupPlacesIn, ParquetReader, type StoredFile } from './read-parquet.ts';
import { RowDigest } from './row-digest.ts';
import { type FileFacts, ParquetFile } from './write-parquet.ts';

export const COLD_FOLDER = 'tracking/';
/** As the exports name them. */
const OUR_FILE = /\/(?:day=|part-|new-)[^/]+\.parquet$|\/files-[0-9a-f]{16}\.json$/;
const MANIFEST = `${COLD_FOLDER}manifest.json`;

const BLOCK_BYTES = 4 * 1024 * 1024;
const BLOCKS_AT_ONCE = 2;
/** Read back with one request: as rows they take thirty times the space. */
const BACK_BYTES = 1024 * 1024;
/** Far more than attempts are interrupted one after another. */
const MOST_NAMES = 100;
const MOST_FOOTER_BYTES = 64 * 1024 * 1024;

/** A manifest with the tag under which it may be replaced; null tag: there is none yet. */
export interface HeldManifest {
  readonly manifest: Manifest;
  readonly etag: string | null;
}

/** There is no such blob: who holds an older manifest reads it again, and asks for what took its place. */
export class ColdBlobGone extends DamagedColdFile {
  override readonly name = 'ColdBlobGone';
}

/** One answer that was read: of which blob (without the prefix), and how many bytes. */
export type OnRead = (path: string, bytes: number) => void;

export interface FirstFreeOptions {
  /** Of an attempt and of a file, both from 0. */
  readonly nameOf: (attempt: number, index: number) => string;
  readonly rows: () => AsyncGenerator<readonly ColdRow[]>;
  /** After so many a file ends with its owner. */
  readonly fileRows: number;
}

/** A file that is there, ours or that of an earlier attempt. */
interface Put {
  readonly path: string;
  readonly facts: FileFacts;
  readonly isNew: boolean;
}

export class ColdStore {
  readonly #container: ContainerClient;
  readonly #prefix: string;
  readonly #onRead: OnRead;

  /** @param prefix `blob.prefix` of the configuration */
  constructor(container: ContainerClient, prefix: string, onRead: OnRead = () => {}) {
    this.#container = container;
    this.#prefix = prefix;
    this.#onRead = onRead;
  }

  /**
   * @throws {Outage}
   * @throws {DamagedColdFile} there is a manifest, but not one that this release can read
   */
  async readManifest(): Promise<HeldManifest> {
    const found = await this.#download(MANIFEST).catch((error: unknown) => {
      if (isMissing(error)) return null;
      throw blobFault(error);
    });
    if (found === null) return { manifest: EMPTY_MANIFEST, etag: null };
    return { manifest: parsed(MANIFEST, () => parseManifest(found.text)), etag: found.etag };
  }

  /**
   * An answer that was lost on the way is no failure: what stands there is read again, and if it is what was to be
   * written, it was.
   * @throws {Fenced} somebody else has replaced it
   * @throws {Outage}
   */
  async replaceManifest({ etag: held }: HeldManifest, manifest: Manifest): Promise<HeldManifest> {
    const text = manifestText(manifest);
    try {
      const { etag } = await this.#blob(MANIFEST).upload(text, Buffer.byteLength(text), {
        conditions: held === null ? { ifNoneMatch: '*' } : { ifMatch: held },
        blobHTTPHeaders: { blobContentType: 'application/json' },
      });
      if (etag === undefined)
        throw new Outage('blob', 'the manifest was replaced, but its ETag did not come back');
      return { manifest, etag };
    } catch (error) {
      if (!isLostCondition(error)) throw blobFault(error);
    }
    const found = await this.readManifest();
    if (found.etag !== null && manifestText(found.manifest) === text) return found;
    throw new Fenced(`another process has replaced ${MANIFEST}`);
  }

  /**
   * @throws {Outage}
   * @throws {DamagedColdFile}
   */
  async readList({ list: path }: ListedFiles): Promise<FileList> {
    const { text } = await this.#existing(path, () => this.#download(path));
    return parsed(path, () => parseFileList(path, text));
  }

  /** @param folder without the prefix, with its `/` */
  async writeList(folder: string, list: FileList): Promise<ListedFiles> {
    const { path, text } = encodeFileList(folder, list);
    await this.#create(path, (blob, conditions) =>
      blob.upload(text, Buffer.byteLength(text), {
        conditions,
        blobHTTPHeaders: { blobContentType: 'application/json' },
      }),
    );
    return summary(path, list);
  }

  /**
   * Streams rows, sorted as the table has them, into one file, and reads it back; it appears whole or not at all. Where
   * there is one already, of an earlier attempt, it must hold the same rows.
   * @returns null for no rows: then there is no file
   * @throws {Outage}
   * @throws {OtherRows} what stands there are other rows
   * @throws {DamagedColdFile} what stands there cannot be read
   */
  async writeFile(
    table: ColdTable,
    path: string,
    rows: AsyncIterable<readonly ColdRow[]>,
  ): Promise<ListedFile | null> {
    const put = await this.#put(table, path, rows);
    return put === null ? null : this.#proved(table, put);
  }

  /**
   * As `writeFile`, under the first names that are free or hold these very rows, in files that are cut between two owners:
   * who writes or reads one holds its metadata. Of one question ClickHouse may give fewer rows the second time: a merge
   * leaves out copies that are overruled. What stands under earlier names counts no more.
   * @returns none for no rows
   */
  async writeFirstFree(
    table: ColdTable,
    { nameOf, rows, fileRows }: FirstFreeOptions,
  ): Promise<readonly ListedFile[]> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.#writeFiles(new RowCutter(table, rows(), fileRows), {
          table,
          nameOf: (index) => nameOf(attempt, index),
        });
      } catch (error) {
        if (!(error instanceof OtherRows) || attempt >= MOST_NAMES) throw error;
      }
    }
  }

  /** Read back when all are written: where the rows come from nobody waits so long for a reader that has gone silent. */
  async #writeFiles(
    cutter: RowCutter,
    { table, nameOf }: { readonly table: ColdTable; readonly nameOf: (index: number) => string },
  ): Promise<ListedFile[]> {
    const written: Put[] = [];
    try {
      for (;;) {
        const put = await this.#put(table, nameOf(written.length), cutter.next());
        if (put === null) break;
        written.push(put);
      }
    } finally {
      await cutter.close();
    }
    const files: ListedFile[] = [];
    for (const put of written) files.push(await this.#proved(table, put));
    return files;
  }

  /** @returns null for no rows */
  async #put(table: ColdTable, path: string, rows: AsyncIterable<readonly ColdRow[]>): Promise<Put | null> {
    let facts: FileFacts | null = null;
    const file = new ParquetFile(table);
    const bytes = async function* () {
      for await (const some of rows) {
        for (const row of some) {
          const part = file.add(row);
          if (part !== null) yield part;
        }
      }
      const end = file.end();
      if (end === null) throw new NoRows();
      facts = end.facts;
      yield end.bytes;
    };
    try {
      const { first, rest } = await beginningOf(bytes());
      const blobHTTPHeaders = { blobContentType: 'application/vnd.apache.parquet' };
      const isNew = await this.#create(path, (blob, conditions) =>
        rest === null
          ? blob.upload(first, first.length, { conditions, blobHTTPHeaders })
          : blob.uploadStream(Readable.from(rest), BLOCK_BYTES, BLOCKS_AT_ONCE, {
              conditions,
              blobHTTPHeaders,
            }),
      );
      return { path, facts: facts as unknown as FileFacts, isNew };
    } catch (error) {
      if (error instanceof NoRows) return null;
      throw error;
    }
  }

  async #proved(table: ColdTable, { path, facts, isNew }: Put): Promise<ListedFile> {
    const listed = {
      path,
      ...facts,
      ...(isNew ? {} : await this.#sizesOf(path)),
      first: [...facts.first] as [string, string],
      last: [...facts.last] as [string, string],
    };
    await this.#readBack(table, listed);
    return listed;
  }

  /** What stands there, row for row, is what was to be written: only then may anything rely on it. */
  async #readBack(table: ColdTable, listed: ListedFile): Promise<void> {
    const digest = new RowDigest();
    let rows = 0;
    const file = await atOnce(this.file(listed));
    for await (const some of (await ParquetReader.open(table, file)).all(BACK_BYTES)) {
      for (const row of some) digest.add(row);
      rows += some.length;
    }
    if (rows === listed.rows && digest.hex === listed.digest) return;
    throw new OtherRows(
      `${listed.path} holds ${rows} rows (digest ${digest.hex}) where ${listed.rows} were to be written (${listed.digest})`,
    );
  }

  /** Of a file that an earlier attempt has written: its rows may be compressed otherwise. */
  async #sizesOf(
    path: string,
  ): Promise<Pick<ListedFile, 'bytes' | 'footerBytes' | 'footerSha256' | 'sha256' | 'groups'>> {
    return this.#existing(path, async () => {
      const sha256 = createHash('sha256');
      const last: Buffer[] = [];
      let [bytes, lastBytes] = [0, 0];
      const { readableStreamBody } = await this.#blob(path).download();
      for await (const part of readableStreamBody ?? []) {
        const some = Buffer.from(part);
        sha256.update(some);
        bytes += some.length;
        lastBytes += some.length;
        last.push(some);
        while (lastBytes - (last[0]?.length ?? 0) >= MOST_FOOTER_BYTES)
          lastBytes -= last.shift()?.length ?? 0;
      }
      const tail = Buffer.concat(last, lastBytes);
      const footerBytes = tail.length < 8 ? 0 : tail.readUInt32LE(tail.length - 8) + 8;
      const footer = tail.subarray(-footerBytes);
      return {
        bytes,
        footerBytes,
        footerSha256: hash('sha256', footer),
        sha256: sha256.digest('hex'),
        groups: parsed(path, () => groupPlacesIn(footer)),
      };
    });
  }

  /**
   * Every Parquet file and list of files that is there, whether anything names it or not. Other blobs are not ours.
   * @throws {Outage}
   */
  async *files(): AsyncGenerator<{ readonly path: string; readonly modifiedAt: number }> {
    const folder = this.#prefix + COLD_FOLDER;
    try {
      for await (const { name, properties } of this.#container.listBlobsFlat({ prefix: folder })) {
        const path = name.slice(this.#prefix.length);
        if (OUR_FILE.test(path)) yield { path, modifiedAt: properties.lastModified.getTime() };
      }
    } catch (error) {
      throw blobFault(error);
    }
  }

  /** @throws {Outage} */
  async remove(path: string): Promise<void> {
    await this.#blob(path)
      .deleteIfExists()
      .catch((error: unknown) => {
        throw blobFault(error);
      });
  }

  file({
    path,
    bytes,
    footerBytes,
    footerSha256,
    groups,
  }: ListedFile): StoredFile & Pick<ListedFile, 'groups'> {
    return {
      groups,
      path,
      bytes,
      footerBytes,
      footerSha256,
      read: (start, end) =>
        this.#existing(path, async () => {
          const { readableStreamBody } = await this.#blob(path).download(start, end - start);
          const bytes = await buffer(readableStreamBody ?? Readable.from([]));
          this.#onRead(path, bytes.length);
          return bytes;
        }),
    };
  }

  #blob(path: string): BlockBlobClient {
    return this.#container.getBlockBlobClient(this.#prefix + path);
  }

  async #download(path: string): Promise<{ text: string; etag: string }> {
    const { readableStreamBody, etag } = await this.#blob(path).download();
    if (etag === undefined) throw new Outage('blob', `${path} came without its ETag`);
    const bytes = await buffer(readableStreamBody ?? Readable.from([]));
    this.#onRead(path, bytes.length);
    return { text: bytes.toString('utf8'), etag };
  }

  /** Creates, never replaces. @returns false when there is one already */
  async #create(
    path: string,
    upload: (blob: BlockBlobClient, conditions: { ifNoneMatch: string }) => Promise<unknown>,
  ): Promise<boolean> {
    try {
      await upload(this.#blob(path), { ifNoneMatch: '*' });
      return true;
    } catch (error) {
      if (!isLostCondition(error)) throw blobFault(error);
      return false;
    }
  }

  async #existing<T>(path: string, read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      if (isMissing(error)) throw new ColdBlobGone(`${path} is gone`, { cause: error });
      if (blobErrorCode(error) === 'InvalidRange')
        throw new DamagedColdFile(`${path} is damaged: it is shorter than it was`, { cause: error });
      throw blobFault(error, path);
    }
  }
}

/** @returns what is no more than a block in one piece; else all of it as a stream */
async function beginningOf(
  bytes: AsyncGenerator<Buffer>,
): Promise<{ first: Buffer; rest: null } | { first: null; rest: AsyncGenerator<Buffer> }> {
  const held: Buffer[] = [];
  for (let size = 0; size <= BLOCK_BYTES; ) {
    const { done, value } = await bytes.next();
    if (done === true) return { first: Buffer.concat(held), rest: null };
    held.push(value);
    size += value.length;
  }
  const all = async function* () {
    yield* held.splice(0);
    yield* bytes;
  };
  return { first: null, rest: all() };
}

/** A small file is read with one request. */
async function atOnce(file: StoredFile): Promise<StoredFile> {
  if (file.bytes > BLOCK_BYTES) return file;
  const whole = await file.read(0, file.bytes);
  const { path, bytes, footerBytes, footerSha256 } = file;
  return { path, bytes, footerBytes, footerSha256, read: async (start, end) => whole.subarray(start, end) };
}

/** A whole file, but of other rows than were to be written. */
class OtherRows extends DamagedColdFile {}

class NoRows extends Error {}

function parsed<T>(path: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new DamagedColdFile(`${path} is not one that this release can read: ${reason}`, { cause: error });
  }
}

function isMissing(error: unknown): boolean {
  return blobErrorCode(error) === 'BlobNotFound';
}

function isLostCondition(error: unknown): boolean {
  const code = blobErrorCode(error);
  return code === 'ConditionNotMet' || code === 'BlobAlreadyExists' || code === 'BlobNotFound';
}
