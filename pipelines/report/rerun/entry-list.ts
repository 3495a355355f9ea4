/** The entries of one written record: in memory while they are few, and beyond in a database of their own. */
import { canonicalJson, type JsonValue, parseJson } from '../../profiles/fold/json-value.ts';
import { openDatabase } from '../sqlite.ts';

const MOST_HELD = 1000;
const CACHE_KIB = 4096;

/** For the lists of one record after another. */
export class EntryStore implements Disposable {
  #database: ReturnType<typeof openDatabase> | null = null;
  #lists = 0;

  list(): EntryList {
    this.#lists += 1;
    return new EntryList(this, this.#lists);
  }

  /** All lists so far may be forgotten. */
  clear(): void {
    this.#database?.exec('DELETE FROM entries');
  }

  add(list: number, values: readonly JsonValue[]): void {
    const insert = this.#opened().prepare('INSERT INTO entries VALUES (?, ?)');
    for (const value of values) insert.run(list, canonicalJson(value));
  }

  *of(list: number): Generator<JsonValue> {
    const query = this.#opened().prepare('SELECT text FROM entries WHERE list = ? ORDER BY rowid');
    for (const { text } of query.iterate(list) as unknown as Iterable<{ text: string }>)
      yield parseJson(text);
  }

  [Symbol.dispose](): void {
    this.#database?.close();
  }

  #opened(): ReturnType<typeof openDatabase> {
    if (this.#database !== null) return this.#database;
    this.#database = openDatabase({ cacheKib: CACHE_KIB });
    this.#database.exec('CREATE TABLE entries (list INT, text TEXT); BEGIN');
    return this.#database;
  }
}

export class EntryList {
  readonly #store: EntryStore;
  readonly #number: number;
  #held: JsonValue[] = [];
  #hasStored = false;

  constructor(store: EntryStore, number: number) {
    this.#store = store;
    this.#number = number;
  }

  push(value: JsonValue): void {
    if (this.#held.push(value) < MOST_HELD) return;
    this.#store.add(this.#number, this.#held);
    this.#hasStored = true;
    this.#held = [];
  }

  /** To be asked once, when all are there. May be read again until the store is cleared. */
  items(): readonly JsonValue[] | Iterable<JsonValue> {
    if (!this.#hasStored) return this.#held;
    this.#store.add(this.#number, this.#held);
    return { [Symbol.iterator]: () => this.#store.of(this.#number) };
  }
}
