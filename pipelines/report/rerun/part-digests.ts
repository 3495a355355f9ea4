/**
 * What each part of two versions of a report says, as a digest by its name, and how the two differ. In a database: there may
 * be millions of messages.
 */
import { createHash } from 'node:crypto';
import { canonicalJson, type JsonValue } from '../../profiles/fold/json-value.ts';
import { openDatabase } from '../sqlite.ts';

/** Names that are said of each kind of difference. */
const MOST_NAMED = 5;
const CACHE_KIB = 8192;

/** As they are called to whoever reads of differences. */
export type PartKind = 'messages' | 'profile versions';

type Version = 'written' | 'made';

/** Of a name that occurs again the last counts, where the first stood. */
const COLUMNS = '(number INTEGER PRIMARY KEY, kind TEXT, name TEXT, digest BLOB, UNIQUE (kind, name))';
const TABLES = `CREATE TABLE part_written ${COLUMNS}; CREATE TABLE part_made ${COLUMNS}; BEGIN`;

/** In the order in which they are told. */
const DIFFERENCES = [
  { text: 'that are missing now', of: alone('written', 'made') },
  { text: 'that were not there', of: alone('made', 'written') },
  {
    text: 'that say something else',
    of: 'FROM part_written AS a JOIN part_made AS b USING (kind, name) WHERE kind = :kind AND a.digest <> b.digest',
  },
] as const;

function alone(one: Version, other: Version): string {
  return `FROM part_${one} AS a WHERE kind = :kind AND NOT EXISTS (SELECT 1 FROM part_${other} AS b WHERE b.kind = a.kind AND b.name = a.name)`;
}

interface Named {
  /** As JSON. */
  readonly name: string;
  /** Of all that the query finds. */
  readonly total: number;
}

export class PartDigests implements Disposable {
  readonly #database = openDatabase({ cacheKib: CACHE_KIB });
  readonly #insert;

  constructor() {
    this.#database.exec(TABLES);
    const into = (version: Version) =>
      this.#database.prepare(
        `INSERT INTO part_${version} (kind, name, digest) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET digest = excluded.digest`,
      );
    this.#insert = { written: into('written'), made: into('made') };
  }

  /**
   * Passes on the pieces of a part's text, and knows the part when all were taken.
   * @param name whatever stands there in its place
   */
  *noting(version: Version, kind: PartKind, name: unknown, pieces: Iterable<string>): Generator<string> {
    const hash = createHash('sha256');
    for (const piece of pieces) {
      hash.update(piece);
      yield piece;
    }
    this.#insert[version].run(kind, canonicalJson((name ?? null) as JsonValue), hash.digest());
  }

  add(version: Version, kind: PartKind, name: unknown, pieces: Iterable<string>): void {
    for (const _ of this.noting(version, kind, name, pieces));
  }

  /** In words, by name. */
  differences(): string[] {
    return (['messages', 'profile versions'] as const).flatMap((kind) =>
      DIFFERENCES.flatMap(({ text, of }) => {
        const query = `SELECT name, count(*) OVER () AS total ${of} ORDER BY a.number LIMIT ${MOST_NAMED}`;
        return named(`${kind} ${text}`, this.#database.prepare(query).all({ kind }) as unknown as Named[]);
      }),
    );
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

function named(what: string, some: readonly Named[]): string[] {
  const [first] = some;
  if (first === undefined) return [];
  const names = some.map(({ name }) => name).join(', ');
  return [`${first.total} ${what}: ${names}${first.total > some.length ? ', …' : ''}`];
}
