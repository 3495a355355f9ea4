/**
 * What the cold tier answers for: rows that retention took out of ClickHouse. Its lists and files are looked at once in a
 * check, each fault reported once; of each row only the place is remembered, as two bits.
 */
import { type ArchivePlace, listed as listing } from '../archive/listing.ts';
import { COLD_FOLDER, ColdBlobGone, ColdStore, type HeldManifest } from '../cold/cold-store.ts';
import { COLD_TABLES, type ColdTable, type Owner } from '../cold/cold-table.ts';
import type { Extent } from '../cold/exported.ts';
import { type ListedFile, mayHold } from '../cold/file-list.ts';
import { assertReaches } from '../cold/let-go.ts';
import { EMPTY_MANIFEST, type ListedFiles, type Manifest } from '../cold/manifest.ts';
import { DamagedColdFile } from '../cold/read-parquet.ts';
import { readWhole } from '../cold/read-whole.ts';
import { type PartitionRef, partitionKey } from '../common/batch.ts';
import { OfflineBlob } from '../common/blob/offline.ts';
import type { VerifyCode } from './codes.ts';
import { type ColdPlace, firstOfIdentities } from './cold-identities.ts';
import { explain, type Findings } from './findings.ts';
import { PagedFlags } from './paged-flags.ts';
import type { ColdVerdict } from './verdict.ts';

export type ColdName = ColdTable['name'];

export const COLD_NAMES = Object.keys(COLD_TABLES) as ColdName[];

const THERE = 1;
const MET = 2;

export interface ColdTierOptions extends ArchivePlace {
  readonly findings: Findings;
  /** What ClickHouse lets go as being in the cold tier. */
  readonly readLetGo: () => Promise<Extent>;
  /** Repeats a question through an outage. */
  readonly retry: <T>(ask: () => Promise<T>) => Promise<T>;
}

/** Whose rows a file has; null where its list cannot be read: anybody's. */
type Owners = Pick<ListedFile, 'first' | 'last'> | null;

/** What was read of one table. */
interface ReadTable {
  /** Paths of files that were read. */
  readonly seen: Set<string>;
  /** Those that count and were read whole. */
  files: ListedFile[];
  /** Those that count and could not be read, by path: nothing can be said of their rows. */
  unread: Map<string, Owners>;
  /** By source, the first and last offset of its rows. */
  readonly sources: Map<string, { first: number; last: number }>;
}

export class ColdTier {
  readonly #options: ColdTierOptions;
  readonly #store: ColdStore;
  readonly #flags = new PagedFlags();
  readonly #tables = new Map<ColdName, ReadTable>();
  #held: HeldManifest = { manifest: EMPTY_MANIFEST, etag: null };
  #isReadable = true;

  private constructor(options: ColdTierOptions) {
    this.#options = options;
    this.#store = new ColdStore(options.container, options.prefix);
  }

  /** @throws {Outage} */
  static async open(options: ColdTierOptions): Promise<ColdTier> {
    const tier = new ColdTier(options);
    await tier.#readManifest();
    return tier;
  }

  get manifest(): Manifest {
    return this.#held.manifest;
  }

  /** False where the manifest cannot be read, or is gone or an old one: then nothing is known of what was exported. */
  get isReadable(): boolean {
    return this.#isReadable;
  }

  verdict(): ColdVerdict | null {
    const lists = COLD_NAMES.flatMap((name) => listsOf(this.manifest, name));
    if (lists.length === 0) return null;
    const sum = (of: (list: ListedFiles) => number) => lists.reduce((total, list) => total + of(list), 0);
    const read = [...this.#tables.values()].flatMap((table) => table.files);
    return {
      through: this.events.through,
      files: sum(({ files }) => files),
      bytes: sum(({ bytes }) => bytes),
      rows: sum(({ rows }) => rows),
      read: this.#tables.size === 0 ? null : read.reduce((total, { rows }) => total + rows, 0),
    };
  }

  /** The offset below which rows of a source may have left ClickHouse. */
  nextOf(name: ColdName, source: PartitionRef): number {
    return this.#isReadable ? (this.manifest[name].next[partitionKey(source)] ?? 0) : Number.MAX_SAFE_INTEGER;
  }

  get events(): Extent {
    return this.manifest.events;
  }

  /**
   * Whether every list and file that counts is there, as long as it was: by their names.
   * @throws {Outage}
   */
  async checkPresence(): Promise<void> {
    for (let manifest: Manifest | null = null; manifest !== this.manifest; ) {
      manifest = this.manifest;
      const sizes = await this.#options.retry(() => this.#sizes());
      for (const list of COLD_NAMES.flatMap((name) => listsOf(this.manifest, name))) {
        for (const { path, bytes } of (await this.#filesIn(list)) ?? []) {
          const found = sizes.get(path);
          if (found === undefined) await this.#fault(new ColdBlobGone(`${path} is gone`), path);
          else if (found !== bytes)
            this.#report('cold_file_damaged', path, `it has ${found} bytes and not ${bytes}`);
        }
      }
    }
  }

  async #sizes(): Promise<ReadonlyMap<string, number>> {
    const { container, prefix } = this.#options;
    const sizes = new Map<string, number>();
    for await (const { name, properties } of listing(
      container.listBlobsFlat({ prefix: prefix + COLD_FOLDER }),
    ))
      sizes.set(name.slice(prefix.length), properties.contentLength ?? 0);
    return sizes;
  }

  /**
   * Reads every file of a table, each byte of it; what has been read already is not read again.
   * @throws {Outage}
   */
  async read(name: ColdName): Promise<void> {
    const known = this.#tables.get(name);
    const table = known ?? { seen: new Set(), files: [], unread: new Map(), sources: new Map() };
    this.#tables.set(name, table);
    for (let manifest: Manifest | null = null; manifest !== this.manifest; ) {
      manifest = this.manifest;
      await this.#readOnce(name, table);
    }
  }

  async #readOnce(name: ColdName, table: ReadTable): Promise<void> {
    const files: ListedFile[] = [];
    const unread = new Map<string, Owners>();
    for (const list of listsOf(this.manifest, name)) {
      const listedFiles = await this.#filesIn(list);
      if (listedFiles === null) unread.set(list.list, null);
      for (const file of listedFiles ?? []) {
        const isWhole = table.seen.has(file.path) || (await this.#readFile(COLD_TABLES[name], file, table));
        if (!isWhole) unread.set(file.path, file);
        else {
          table.seen.add(file.path);
          files.push(file);
        }
      }
    }
    table.files = files;
    table.unread = unread;
  }

  /**
   * Days may have been exported, and have left ClickHouse, since the manifest was read.
   * @returns whether there was anything new
   * @throws {Outage}
   */
  async refresh(name: ColdName): Promise<boolean> {
    const { manifest } = this;
    await this.#readManifest();
    const isNew = manifest !== this.manifest;
    if (isNew) await this.read(name);
    return isNew;
  }

  /** Whether the cold tier has the row of an offset; the row counts as met from now on. */
  meet(source: PartitionRef, offset: number): boolean {
    const key = partitionKey(source);
    if (this.#flags.get(key, offset) === 0) return false;
    this.#flags.set(key, offset, MET);
    return true;
  }

  /** Offsets of rows that no record was met for, ascending. */
  *unmet(source: PartitionRef): Generator<number> {
    const key = partitionKey(source);
    for (const offset of this.#flags.offsets(key)) if (this.#flags.get(key, offset) === THERE) yield offset;
  }

  /** Sources that rows of a table name, with the offsets that they span. */
  sourcesOf(name: ColdName): ReadonlyMap<string, { first: number; last: number }> {
    return this.#tables.get(name)?.sources ?? new Map();
  }

  /** Whether rows of the owner may stand in a file that could not be read. */
  mayHideRowsOf(name: ColdName, owner: Owner): boolean {
    if (!this.#isReadable) return true;
    const unread = this.#tables.get(name)?.unread ?? new Map<string, Owners>();
    return [...unread.values()].some((owners) => owners === null || mayHold(owners, owner));
  }

  /**
   * Of each identity the row that was recorded first, in the order asked; null where there is none.
   * @param identities texts as `columns` have them, the first two of them the owner
   * @throws {Outage}
   */
  async firstOf(
    name: ColdName,
    columns: readonly string[],
    identities: readonly (readonly string[])[],
  ): Promise<(ColdPlace | null)[]> {
    const read = this.#tables.get(name);
    return firstOfIdentities(identities, {
      table: COLD_TABLES[name],
      columns,
      files: read?.files ?? [],
      store: this.#store,
      onFault: async (error, file) => {
        // It was whole when it was read from end to end.
        await this.#fault(error, file.path);
        read?.unread.set(file.path, file);
      },
    });
  }

  close(): void {
    this.#flags.close();
  }

  async #readManifest(): Promise<void> {
    try {
      const letGo = await this.#options.retry(this.#options.readLetGo);
      const held = await this.#options.retry(() => this.#store.readManifest());
      assertReaches(held.manifest, letGo);
      // The same one is what it was: whoever goes by it need not begin again.
      if (held.etag !== this.#held.etag) this.#held = held;
    } catch (error) {
      if (!(error instanceof DamagedColdFile || error instanceof OfflineBlob)) throw error;
      if (this.#isReadable) this.#report('cold_manifest_unreadable', `${COLD_FOLDER}manifest.json`);
      this.#isReadable = false;
    }
  }

  /** Null when the list cannot be read. */
  async #filesIn(list: ListedFiles): Promise<readonly ListedFile[] | null> {
    try {
      return (await this.#options.retry(() => this.#store.readList(list))).files;
    } catch (error) {
      await this.#fault(error, list.list);
      return null;
    }
  }

  /** @returns false when it cannot be read */
  async #readFile(table: ColdTable, file: ListedFile, into: ReadTable): Promise<boolean> {
    const [source, offset] = ['source', 'offset'].map((name) =>
      table.columns.findIndex((column) => column.name === name),
    ) as [number, number];
    try {
      await this.#options.retry(async () => {
        for await (const rows of readWhole(table, file, this.#store)) {
          for (const row of rows) this.#note(String(row[source]), Number(row[offset]), into);
        }
      });
      return true;
    } catch (error) {
      await this.#fault(error, file.path);
      return false;
    }
  }

  #note(source: string, offset: number, { sources }: ReadTable): void {
    if (this.#flags.get(source, offset) === 0) this.#flags.set(source, offset, THERE);
    const span = sources.get(source) ?? { first: offset, last: offset };
    span.first = Math.min(span.first, offset);
    span.last = Math.max(span.last, offset);
    sources.set(source, span);
  }

  /** What is gone may have been replaced since the manifest was read. */
  async #fault(error: unknown, path: string): Promise<void> {
    if (error instanceof OfflineBlob) return this.#report('cold_file_offline', path);
    if (!(error instanceof DamagedColdFile)) throw error;
    const detail = error.message.replace(`${path} is damaged: `, '');
    if (!(error instanceof ColdBlobGone)) return this.#report('cold_file_damaged', path, detail);
    const { manifest } = this;
    await this.#readManifest();
    if (manifest === this.manifest) this.#report('cold_file_missing', path);
  }

  #report(code: VerifyCode, path: string, detail = ''): void {
    if (this.#options.findings.discrepancies.some((one) => one.code === code && one.path === path)) return;
    const nowhere = { topic: null, topicId: null, partition: null, first: null, last: null, records: null };
    this.#options.findings.add({ code, ...nowhere, path, message: explain(code, detail) });
  }
}

function listsOf(manifest: Manifest, name: ColdName): ListedFiles[] {
  if (name === 'events') return Object.values(manifest.events.months);
  const { files } = manifest[name];
  return files === null ? [] : [files];
}
