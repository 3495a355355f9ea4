/** Node's own SQLite as scratch space: a database without a name, which is gone when it is closed. */
import type { DatabaseSync } from 'node:sqlite';

const { DatabaseSync: Database } = loadQuietly();

/** Node warns on standard error that the module may change; what is used of it here is covered by tests. */
function loadQuietly(): typeof import('node:sqlite') {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return process.getBuiltinModule('node:sqlite');
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** Held in memory up to the cache, beyond it in a file that nobody else can open. Not durable, and not meant to be. */
export function openDatabase({ cacheKib }: { readonly cacheKib: number }): DatabaseSync {
  const database = new Database('');
  database.exec(
    `PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA temp_store = FILE; PRAGMA cache_size = -${cacheKib}`,
  );
  return database;
}
