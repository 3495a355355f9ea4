/** Brings the files of a month together, so that a user's rows lie in one of them, or two while the month goes on. */
import { hash } from 'node:crypto';
import { OfflineBlob } from '../common/blob/offline.ts';
import type { ColdStore, HeldManifest } from './cold-store.ts';
import { type ColdTable, compareOwners } from './cold-table.ts';
import { RowCutter } from './cut-rows.ts';
import type { ListedFile } from './file-list.ts';
import { mergeRows, type SortedRows } from './merge-rows.ts';
import { DamagedColdFile, ParquetReader } from './read-parquet.ts';
import { RowDigest } from './row-digest.ts';

/**
 * Rows of a file. More is a longer end with the metadata, which every report reads (1 kB for each 4,096 rows); fewer is
 * more files.
 */
export const FILE_ROWS = 200_000;
/** What is held of each input while they are merged. */
const INPUT_BYTES = 256 * 1024;
/** A month's newer files are rewritten with each export, its older ones when the newer have a quarter of their rows. */
const NEWER_SHARE = 4;

/** Sequences that are merged at once: of each some megabytes of rows are held. */
const INPUTS_AT_ONCE = 32;

/** Files of one run do not overlap: they are one sorted sequence. */
type Run = readonly ListedFile[];

/**
 * What to merge: everything where the newer files have become many, else these alone; null where there is nothing to do.
 * Days come as files of their own; what was brought together before are runs. Of very many the smallest come first: what
 * they make is one more to plan with.
 */
export function planMerge(files: readonly ListedFile[]): readonly ListedFile[] | null {
  const runs = runsOf(files).sort((a, b) => rowsIn(b) - rowsIn(a));
  if (runs.length <= 1) return null;
  if (runs.length > INPUTS_AT_ONCE) return runs.slice(-INPUTS_AT_ONCE).flat();
  const [oldest = [], ...newer] = runs;
  if (rowsIn(newer.flat()) * NEWER_SHARE >= rowsIn(oldest)) return files;
  return newer.length > 1 ? newer.flat() : null;
}

/** As few sorted sequences as the files make: each file goes behind the one that ends closest in front of it. */
export function runsOf(files: readonly ListedFile[]): Run[] {
  const runs: ListedFile[][] = [];
  for (const file of files.toSorted(
    (a, b) => compareOwners(a.first, b.first) || compareOwners(a.last, b.last),
  )) {
    const before = runs.filter((run) => compareOwners((run.at(-1) as ListedFile).last, file.first) < 0);
    const [closest] = before.sort((a, b) =>
      compareOwners((b.at(-1) as ListedFile).last, (a.at(-1) as ListedFile).last),
    );
    if (closest === undefined) runs.push([file]);
    else closest.push(file);
  }
  return runs;
}

function rowsIn(files: readonly ListedFile[]): number {
  return files.reduce((sum, { rows }) => sum + rows, 0);
}

/** Files that stay as they are, though they were to be brought together. */
export interface Skipped {
  /** `events 2026-08`, or the name of a table. */
  readonly what: string;
  /** Names the blob, and what to do about it. */
  readonly reason: string;
}

export interface BroughtTogether {
  /** With the manifest that stands now. */
  readonly held: HeldManifest;
  /** Paths that it no longer needs. */
  readonly replaced: readonly string[];
  readonly skipped: readonly Skipped[];
}

/**
 * Nothing waits for files to be brought together: a blob that cannot be read holds up those beside it alone, and not what
 * is to leave ClickHouse.
 * @param skipped is told
 * @returns null where a blob is offline or damaged
 * @throws {Outage}
 */
export async function unlessUnreadable<T>(
  what: string,
  skipped: Skipped[],
  work: () => Promise<T>,
): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof OfflineBlob || error instanceof DamagedColdFile)) throw error;
    skipped.push({ what, reason: error.message });
    return null;
  }
}

export interface MergeOptions {
  readonly store: ColdStore;
  readonly table: ColdTable;
  /** Where the new files go, without the prefix, with its `/`. */
  readonly folder: string;
  readonly fileRows?: number;
}

/**
 * Writes the rows of the files into new ones, cut between two owners. The same files give the same names and rows: what
 * an earlier attempt has written is taken as it is.
 * @throws {Outage}
 * @throws {DamagedColdFile} a file is not what was written, or rows are missing: then nothing may rely on the new ones
 */
export async function mergeFiles(
  files: readonly ListedFile[],
  { store, table, folder, fileRows = FILE_ROWS }: MergeOptions,
): Promise<ListedFile[]> {
  const name = hash(
    'sha256',
    files
      .map(({ path }) => path)
      .sort()
      .join('\n'),
  ).slice(0, 12);
  const inputs = runsOf(files).map((run) => rowsOf(run, { store, table }));
  const cutter = new RowCutter(table, mergeRows(table, inputs), fileRows);
  const merged: ListedFile[] = [];
  for (let index = 0; ; index += 1) {
    const path = `${folder}part-${name}-${String(index).padStart(5, '0')}.parquet`;
    const file = await store.writeFile(table, path, cutter.next());
    if (file === null) break;
    merged.push(file);
  }
  assertSame(files, merged);
  return merged;
}

function assertSame(before: readonly ListedFile[], after: readonly ListedFile[]): void {
  const [rows, merged] = [rowsIn(before), rowsIn(after)];
  if (rows === merged && digestOf(before) === digestOf(after)) return;
  throw new DamagedColdFile(
    `of ${rows} rows in ${before.map(({ path }) => path).join(', ')} other ${merged} came together; those files stay as they are`,
  );
}

function digestOf(files: readonly ListedFile[]): string {
  const digest = new RowDigest();
  for (const file of files) digest.merge(file.digest);
  return digest.hex;
}

async function* rowsOf(
  run: Run,
  { store, table }: Pick<MergeOptions, 'store' | 'table'>,
): SortedRows & AsyncGenerator {
  for (const file of run) yield* ParquetReader.listed(table, store.file(file)).all(INPUT_BYTES);
}
