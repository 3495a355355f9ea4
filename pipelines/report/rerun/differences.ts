/** What differs between a written report and the one that was made anew, by name. In a database: there may be millions of messages. */
import { createHash } from 'node:crypto';
import { canonicalJson, type JsonValue } from '../../profiles/fold/json-value.ts';
import { CANONICAL, recordPieces } from '../record-pieces.ts';
import type { ReportDocument } from '../report.ts';
import { openDatabase } from '../sqlite.ts';
import { readWrittenParts } from './written-parts.ts';

/** Names that are said of each kind of difference. */
const MOST_NAMED = 5;
const CACHE_KIB = 8192;

/** Of a name that occurs again the last counts. */
const COLUMNS =
  '(number INTEGER PRIMARY KEY, kind TEXT, name TEXT, digest BLOB, UNIQUE (kind, name) ON CONFLICT REPLACE)';
const TABLES = `CREATE TABLE written ${COLUMNS}; CREATE TABLE made ${COLUMNS}; BEGIN`;

/** In their order. */
const DIFFERENCES = [
  { text: 'that are missing now', of: alone('written', 'made') },
  { text: 'that were not there', of: alone('made', 'written') },
  {
    text: 'that say something else',
    of: 'FROM written AS a JOIN made AS b USING (kind, name) WHERE kind = :kind AND a.digest <> b.digest',
  },
] as const;

function alone(one: string, other: string): string {
  return `FROM ${one} AS a WHERE kind = :kind AND NOT EXISTS (SELECT 1 FROM ${other} AS b WHERE b.kind = a.kind AND b.name = a.name)`;
}

/** @throws what `readWrittenParts` throws */
export async function differences(file: string, document: ReportDocument): Promise<string[]> {
  using database = openDatabase({ cacheKib: CACHE_KIB });
  database.exec(TABLES);
  const into = (table: 'written' | 'made') => {
    const insert = database.prepare(`INSERT INTO ${table} (kind, name, digest) VALUES (?, ?, ?)`);
    return (kind: string, name: unknown, pieces: Iterable<string>): void => {
      const hash = createHash('sha256');
      for (const piece of pieces) hash.update(piece);
      insert.run(kind, String(name), hash.digest());
    };
  };
  const [addWritten, addMade] = [into('written'), into('made')];
  await readWrittenParts(file, {
    record: (record) => addWritten('messages', record.message_id, recordPieces(record, CANONICAL)),
    version: (version) => addWritten('profile versions', version.valid_from, [canonicalJson(version)]),
  });
  for (const record of document.records())
    addMade('messages', record.message_id, recordPieces(record, CANONICAL));
  for (const version of document.versions)
    addMade('profile versions', version.valid_from, [canonicalJson(version as unknown as JsonValue)]);
  return ['messages', 'profile versions'].flatMap((kind) =>
    DIFFERENCES.flatMap(({ text, of }) => {
      const query = `SELECT name, count(*) OVER () AS total ${of} ORDER BY a.number LIMIT ${MOST_NAMED}`;
      return named(`${kind} ${text}`, database.prepare(query).all({ kind }) as unknown as Named[]);
    }),
  );
}

interface Named {
  readonly name: string;
  /** Of all that the query finds. */
  readonly total: number;
}

function named(what: string, some: readonly Named[]): string[] {
  const [first] = some;
  if (first === undefined) return [];
  const names = some.map(({ name }) => JSON.stringify(name)).join(', ');
  return [`${first.total} ${what}: ${names}${first.total > some.length ? ', …' : ''}`];
}
