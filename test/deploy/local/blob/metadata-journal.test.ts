import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type LokiCollection,
  type LokiDatabase,
  type LokiDocument,
  MetadataJournal,
} from '../../../../deploy/local/blob/metadata-journal.ts';

interface Blob extends LokiDocument {
  name: string;
  etag: number;
}

interface Database extends LokiDatabase {
  addCollection(name: string, options: object): Collection;
  getCollection(name: string): Collection | null;
  loadDatabase(options: object, done: (error?: unknown) => void): void;
  close(done: () => void): void;
}

interface Collection extends LokiCollection {
  findOne(query: Partial<Blob>): Blob | null;
  find(query?: Partial<Blob>): Blob[];
  findAndRemove(query: Partial<Blob>): void;
}

// The very LokiJS that Azurite uses.
const Loki = createRequire(createRequire(import.meta.url).resolve('azurite/package.json'))('lokijs') as new (
  file: string,
  options: object,
) => Database;

let folder: string;
let copies = 0;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'journal-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** As Azurite's stores begin. */
async function open(dataDir: string) {
  const database = new Loki(join(dataDir, 'db.json'), {
    persistenceMethod: 'fs',
    autosave: true,
    autosaveInterval: 5000,
  });
  if (statSync(database.filename, { throwIfNoEntry: false }) !== undefined)
    await new Promise<void>((resolve, reject) => {
      database.loadDatabase({}, (error) => (error ? reject(error) : resolve()));
    });
  const blobs = database.getCollection('blobs') ?? database.addCollection('blobs', { indices: ['name'] });
  const journal = await MetadataJournal.open(database);
  return { database, blobs, journal };
}

/** What a process would find that starts after a kill -9 at this moment. */
async function afterKill(change: (dataDir: string) => void = () => {}) {
  const copy = join(folder, '..', `journal-copy-${process.pid}-${copies++}`);
  cpSync(folder, copy, { recursive: true });
  try {
    change(copy);
    return await open(copy);
  } finally {
    rmSync(copy, { recursive: true });
  }
}

function contentOf(blobs: Collection): [string, number][] {
  return blobs
    .find()
    .map(({ name, etag }): [string, number] => [name, etag])
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Azurite's way to overwrite a blob. */
function replace(blobs: Collection, name: string, etag: number): void {
  const present = blobs.findOne({ name });
  if (present !== null) blobs.remove(present);
  blobs.insert({ name, etag } as Blob);
}

function journalFile(dataDir: string): string {
  const names = readdirSync(dataDir).filter((name) => name.includes('.journal-'));
  expect(names).toHaveLength(1);
  return join(dataDir, names[0] ?? '');
}

describe('MetadataJournal', () => {
  it('finds everything again after a kill at any moment, however it was changed', async () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd');
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ do: fc.constant('replace' as const), name }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('update' as const), name }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('remove' as const), name }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('save' as const), name }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 15 }), async (steps) => {
        rmSync(folder, { recursive: true });
        folder = mkdtempSync(join(tmpdir(), 'journal-'));
        const { blobs, journal } = await open(folder);
        const model = new Map<string, number>();
        for (const [index, { do: what, name: of }] of steps.entries()) {
          if (what === 'replace') {
            replace(blobs, of, index);
            model.set(of, index);
          } else if (what === 'update') {
            const present = blobs.findOne({ name: of });
            if (present === null) continue;
            present.etag = index;
            blobs.update(present);
            model.set(of, index);
          } else if (what === 'remove') {
            blobs.findAndRemove({ name: of });
            model.delete(of);
          } else {
            await journal.save();
          }
          await Promise.resolve();
        }
        const found = await afterKill();
        const expected = [...model].sort(([x], [y]) => (x < y ? -1 : 1));
        expect(contentOf(found.blobs)).toEqual(expected);
        // By the index too, and with numbers that were never given before.
        for (const [of, etag] of expected) expect(found.blobs.findOne({ name: of })?.etag).toBe(etag);
        expect(found.blobs.maxId).toBe(blobs.maxId);
        replace(found.blobs, 'new', 99);
        expect(found.blobs.find()).toHaveLength(expected.length + 1);
      }),
      { numRuns: 60 },
    );
  });

  it('a step that was cut short has not happened at all', async () => {
    const { blobs } = await open(folder);
    replace(blobs, 'head', 1);
    await Promise.resolve();
    const before = statSync(journalFile(folder)).size;
    replace(blobs, 'head', 2);
    await Promise.resolve();
    const after = statSync(journalFile(folder)).size;
    for (let size = before; size < after; size += 7) {
      const found = await afterKill((dataDir) => truncateSync(journalFile(dataDir), size));
      expect(contentOf(found.blobs)).toEqual([['head', 1]]);
    }
    expect(contentOf((await afterKill()).blobs)).toEqual([['head', 2]]);
  });

  it('bears a kill between a save and the end of the journals that it stands for', async () => {
    const { blobs, journal } = await open(folder);
    for (const etag of [1, 2, 3]) replace(blobs, 'head', etag);
    replace(blobs, 'gone', 1);
    blobs.findAndRemove({ name: 'gone' });
    await Promise.resolve();
    const old = journalFile(folder);
    const content = readFileSync(old);
    await journal.save();
    const { writeFileSync } = await import('node:fs');
    const found = await afterKill((dataDir) =>
      writeFileSync(join(dataDir, old.slice(folder.length)), content),
    );
    expect(contentOf(found.blobs)).toEqual([['head', 3]]);
  });

  it('writes nothing anew for a change: the cost of one does not grow with what there is', async () => {
    const { blobs } = await open(folder);
    const sizes: number[] = [];
    for (let n = 0; n < 300; n += 1) {
      const before = statSync(journalFile(folder)).size;
      replace(blobs, `blob-${String(n).padStart(4, '0')}`, n);
      await Promise.resolve();
      sizes.push(statSync(journalFile(folder)).size - before);
    }
    expect(Math.max(...sizes)).toBeLessThan(2 * Math.min(...sizes));
  });
});
