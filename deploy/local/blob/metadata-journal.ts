/**
 * Makes Azurite's metadata durable. Azurite keeps what blobs exist in memory (LokiJS) and saves all of it every five
 * seconds: killed in between, it forgets blobs whose writing it has acknowledged. Here every change is in a journal on
 * disk before the request that made it is answered, and the journal is read again at the next start.
 *
 *     DB.journal-000001      one line for each synchronous step of Azurite, all or nothing:
 *       [{"in":"$BLOBS…","remove":7},{"in":"$BLOBS…","put":{"$loki":9,…}}]\n
 *
 * A whole save stands for all journals begun before it; these are then deleted.
 */
import { closeSync, fdatasyncSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** A document as LokiJS keeps it. `$loki` is its number in the collection: given in ascending order, never twice. */
export interface LokiDocument {
  $loki?: number;
  meta?: unknown;
}

export interface LokiCollection {
  readonly name: string;
  maxId: number;
  get(id: number): LokiDocument | null;
  insert(document: LokiDocument): unknown;
  update(document: LokiDocument): unknown;
  remove(document: LokiDocument): unknown;
  on(
    event: 'insert' | 'update' | 'delete',
    listener: (document: LokiDocument | LokiDocument[]) => void,
  ): void;
}

/** What is used of LokiJS. */
export interface LokiDatabase {
  readonly filename: string;
  autosave: boolean;
  readonly collections: readonly LokiCollection[];
  getCollection(name: string): LokiCollection | null;
  autosaveDisable(): void;
  /** Takes the state of the moment of the call. */
  saveDatabase(done: (error?: unknown) => void): void;
}

type Change = { readonly in: string } & ({ readonly put: LokiDocument } | { readonly remove: number });

/** Bytes of journal after which all is saved anew. */
const MAX_JOURNAL_BYTES = 64 * 1024 * 1024;

export class MetadataJournal {
  readonly #database: LokiDatabase;
  readonly #folder: string;
  readonly #prefix: string;
  #number: number;
  #descriptor: number | null = null;
  #bytes = 0;
  #isSaving = false;
  /** Changes of the step that is running, as JSON. */
  #step: string[] = [];

  private constructor(database: LokiDatabase) {
    this.#database = database;
    this.#folder = dirname(database.filename);
    this.#prefix = `${basename(database.filename)}.journal-`;
    this.#number = this.#journals().at(-1)?.number ?? 0;
  }

  /** For a database that is loaded and that nobody has changed since. From now on no acknowledged change is lost. */
  static async open(database: LokiDatabase): Promise<MetadataJournal> {
    // Each save writes everything there is; the journal makes it needless.
    database.autosaveDisable();
    database.autosave = false;
    const journal = new MetadataJournal(database);
    applyChanges(database, journal.#readAll());
    await journal.save();
    for (const collection of database.collections) journal.#follow(collection);
    return journal;
  }

  /** Saves everything in one piece and drops the journals that it stands for. */
  async save(): Promise<void> {
    this.#isSaving = true;
    try {
      this.#begin(this.#number + 1);
      const current = this.#number;
      await new Promise<void>((resolve, reject) => {
        this.#database.saveDatabase((error) => (error ? reject(error) : resolve()));
      });
      await syncFile(this.#database.filename);
      for (const { number, path } of this.#journals()) if (number < current) rmSync(path);
    } finally {
      this.#isSaving = false;
    }
  }

  #follow(collection: LokiCollection): void {
    const put = (documents: LokiDocument | LokiDocument[]) => {
      for (const document of [documents].flat()) this.#note({ in: collection.name, put: document });
    };
    collection.on('insert', put);
    collection.on('update', put);
    collection.on('delete', (documents) => {
      for (const { $loki } of [documents].flat())
        if ($loki !== undefined) this.#note({ in: collection.name, remove: $loki });
    });
  }

  /**
   * Azurite replaces a blob by removing the old and inserting the new in one go. Both must be in one line, or a kill
   * between them would lose the blob. A microtask runs after that step, and before anything that waits for its result.
   */
  #note(change: Change): void {
    if (this.#step.length === 0) queueMicrotask(() => this.#write());
    this.#step.push(JSON.stringify(change));
  }

  /** What cannot be written must not be acknowledged: an error here is nobody's to catch, and ends the process. */
  #write(): void {
    const line = Buffer.from(`[${this.#step.join(',')}]\n`);
    this.#step = [];
    if (this.#descriptor === null) throw new Error('the metadata journal is not open');
    for (let written = 0; written < line.length; ) written += writeSync(this.#descriptor, line, written);
    fdatasyncSync(this.#descriptor);
    this.#bytes += line.length;
    if (this.#bytes > MAX_JOURNAL_BYTES && !this.#isSaving) void this.save();
  }

  #begin(number: number): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor);
    this.#number = number;
    this.#bytes = 0;
    const path = join(this.#folder, `${this.#prefix}${String(number).padStart(6, '0')}`);
    this.#descriptor = openSync(path, 'ax', 0o600);
  }

  #journals(): { number: number; path: string }[] {
    return readdirSync(this.#folder)
      .filter((name) => name.startsWith(this.#prefix))
      .map((name) => ({ number: Number(name.slice(this.#prefix.length)), path: join(this.#folder, name) }))
      .sort((a, b) => a.number - b.number);
  }

  #readAll(): Change[] {
    return this.#journals().flatMap(({ path }) => {
      const lines = readFileSync(path, 'utf8').split('\n');
      // What follows the last newline was cut short by a kill: its request was never answered.
      return lines.slice(0, -1).flatMap((line) => JSON.parse(line) as Change[]);
    });
  }
}

/** LokiJS leaves what it has saved to the system's memory. */
async function syncFile(path: string): Promise<void> {
  await using file = await open(path, 'r');
  await file.sync();
}

/**
 * Brings the database to where the journals end. It may be anywhere between their beginning and that: the last change
 * of each document is what counts, so a change that is there already does no harm.
 */
function applyChanges(database: LokiDatabase, changes: readonly Change[]): void {
  const byCollection = new Map<string, Map<number, LokiDocument | null>>();
  for (const change of changes) {
    const last = byCollection.get(change.in) ?? new Map<number, LokiDocument | null>();
    byCollection.set(change.in, last);
    if ('remove' in change) last.set(change.remove, null);
    else if (change.put.$loki !== undefined) last.set(change.put.$loki, change.put);
  }
  for (const [name, last] of byCollection) {
    const collection = database.getCollection(name);
    if (collection === null)
      throw new Error(`the metadata journal speaks of ${name}, which is not in the database`);
    const highest = Math.max(collection.maxId, ...last.keys());
    // In ascending order: LokiJS finds a document by halving, so new ones may only be added at the end.
    for (const [id, document] of [...last].sort(([a], [b]) => a - b)) {
      const present = collection.get(id);
      if (document === null) {
        if (present !== null) collection.remove(present);
      } else if (present !== null) {
        collection.update(document);
      } else {
        const { $loki: _, ...rest } = document;
        collection.maxId = id - 1;
        collection.insert(rest);
      }
    }
    collection.maxId = highest;
  }
}
