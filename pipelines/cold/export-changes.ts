/**
 * Takes what came in since the last time, profile changes or campaign definitions, into the cold tier: a file, a list, and
 * last the manifest, after which it may leave ClickHouse.
 */
import { hash } from 'node:crypto';
import { selectRows } from '../common/clickhouse/select.ts';
import { Outage } from '../common/errors.ts';
import { faultPoint } from '../common/fault-points.ts';
import {
  type BroughtTogether,
  FILE_ROWS,
  mergeFiles,
  planMerge,
  type Skipped,
  unlessUnreadable,
} from './bring-together.ts';
import { COLD_FOLDER, type HeldManifest } from './cold-store.ts';
import type { ColdTable } from './cold-table.ts';
import { type ExportOptions, exactly, nameFrom, WRITTEN_ROWS } from './export-events.ts';
import { assertNextGrown, isBetween } from './exported.ts';
import { fileListOf, type ListedFile } from './file-list.ts';
import type { Manifest, NextOffsets } from './manifest.ts';
import { selectColdRows } from './select-rows.ts';

/** Tables that have one list of files, without months: their rows are wanted whole, however old. */
export type OwnedTable = ColdTable & { readonly name: 'profile_changes' | 'campaigns' };

const folderOf = ({ name }: OwnedTable) => `${COLD_FOLDER}${name}/`;

/** Rows of one step: 16 bytes each in ClickHouse to tell them apart. Each step reads the whole table. */
const STEP_ROWS = 10_000_000;
/** Offsets are counted in so many pieces of a step. */
const PIECES = 4;

export interface OwnedExportOptions extends ExportOptions {
  readonly stepRows?: number;
  readonly fileRows?: number;
}

/**
 * Exports what `wanted` has beyond what is there, in steps of a bounded size, each with a manifest of its own: whoever
 * takes over goes on from the last. An export that was begun and not ended is ended first, as it was begun; call again
 * for the rest. Every step may be repeated.
 * @param wanted below its offsets ClickHouse and the archive have every record
 * @returns the manifest that stands now
 * @throws {Fenced} another process is at it
 * @throws {Outage}
 * @throws {DamagedColdFile}
 */
export async function exportOwned(
  held: HeldManifest,
  table: OwnedTable,
  wanted: NextOffsets,
  options: OwnedExportOptions,
): Promise<HeldManifest> {
  const { next, pending } = held.manifest[table.name];
  if (pending !== null) return endBegun(held, table, pending, options);
  assertNextGrown(next, wanted);
  if (Object.entries(wanted).every(([source, offset]) => (next[source] ?? 0) === offset)) return held;
  let now = held;
  for (const after of await stepsOf(table, { before: next, after: wanted }, options)) {
    const known = now.manifest[table.name];
    // What is to be done is written down before the first file: who takes over neither does more nor less.
    const begun = withTable(now.manifest, table, { ...known, pending: { ...after } });
    now = await endBegun(await options.store.replaceManifest(now, begun), table, after, options);
    await options.onStep?.();
  }
  return now;
}

/** @returns offsets on the way to the last, each some rows beyond the one before it */
async function stepsOf(
  table: OwnedTable,
  { before, after }: Stretch,
  { client, stepRows = STEP_ROWS }: Pick<OwnedExportOptions, 'client' | 'stepRows'>,
): Promise<NextOffsets[]> {
  const { sql, parameters } = isBetween(before, after);
  const piece = Math.ceil(stepRows / PIECES);
  const pieces = await selectRows<readonly [string, string, string]>(
    client,
    `SELECT source, toString(intDiv(offset, {piece:UInt64}) AS number), toString(count())
     FROM ${table.name} WHERE ${sql} GROUP BY source, number ORDER BY source, number`,
    { ...parameters, piece },
  );
  const steps: NextOffsets[] = [];
  const next = { ...before };
  let rows = 0;
  for (const [source, number, count] of pieces) {
    if (rows > 0 && rows + Number(count) > stepRows) {
      steps.push({ ...next });
      rows = 0;
    }
    rows += Number(count);
    next[source] = Math.min(after[source] ?? 0, (Number(number) + 1) * piece);
  }
  return [...steps, after];
}

async function endBegun(
  begun: HeldManifest,
  table: OwnedTable,
  after: NextOffsets,
  { store, client, onFile, fileRows }: OwnedExportOptions,
): Promise<HeldManifest> {
  const { next: before, files: listed } = begun.manifest[table.name];
  faultPoint('export-begun', 'retention');
  const files = await writeNew(table, { before, after }, { store, client, fileRows });
  for (const file of files) onFile?.(file);
  faultPoint('changes-written', 'retention');
  const known = listed === null ? [] : (await store.readList(listed)).files;
  const list =
    files.length === 0 ? listed : await store.writeList(folderOf(table), fileListOf([...known, ...files]));
  faultPoint('lists-written', 'retention');
  return store.replaceManifest(
    begun,
    withTable(begun.manifest, table, {
      ...begun.manifest[table.name],
      next: { ...after },
      pending: null,
      files: list,
    }),
  );
}

function withTable(manifest: Manifest, { name }: OwnedTable, part: Manifest[OwnedTable['name']]): Manifest {
  return { ...manifest, [name]: part };
}

interface Stretch {
  readonly before: NextOffsets;
  readonly after: NextOffsets;
}

/** @returns none where nothing came in: offsets may be those of transaction markers, or of dead letters */
async function writeNew(
  table: OwnedTable,
  { before, after }: Stretch,
  {
    store,
    client,
    fileRows = WRITTEN_ROWS,
  }: Pick<ExportOptions, 'store' | 'client'> & { readonly fileRows: number | undefined },
): Promise<readonly ListedFile[]> {
  const where = isBetween(before, after);
  const [[counted = '0'] = []] = await selectRows<readonly [string]>(
    client,
    `SELECT toString(sum(rows)) FROM (
       SELECT source, uniqExact(offset) AS rows FROM ${table.name} WHERE ${where.sql} GROUP BY source
     )`,
    where.parameters,
  );
  const rows = Number(counted);
  if (rows === 0) return [];
  const name = hash('sha256', JSON.stringify([before, after].map(inOrder))).slice(0, 12);
  const stem = `${folderOf(table)}new-${name}`;
  const files = await store.writeFirstFree(table, {
    nameOf: nameFrom(stem),
    rows: () => exactly(rows, selectColdRows(client, table, where)),
    fileRows,
  });
  if (files.length === 0) throw new Outage('clickhouse', `of ${rows} rows of ${table.name} none came`);
  return files;
}

function inOrder(next: NextOffsets): unknown {
  return Object.entries(next).sort(([a], [b]) => (a < b ? -1 : 1));
}

/**
 * Brings the files together where that is due, step by step, each with a manifest of its own. What was replaced stays for
 * those who are reading it, and where one of them cannot be read all stay as they are.
 * @throws {Fenced}
 * @throws {Outage}
 */
export async function bringOwnedTogether(
  held: HeldManifest,
  table: OwnedTable,
  { store }: Pick<ExportOptions, 'store'>,
): Promise<BroughtTogether> {
  let now = held;
  const replaced: string[] = [];
  const skipped: Skipped[] = [];
  for (;;) {
    const known = now.manifest[table.name];
    const { files: listed } = known;
    if (listed === null) break;
    const brought = await unlessUnreadable(table.name, skipped, async () => {
      const { files } = await store.readList(listed);
      const chosen = planMerge(files) ?? uncut(files);
      if (chosen.length === 0) return null;
      const merged = await mergeFiles(chosen, { store, table, folder: folderOf(table) });
      return { chosen, files: [...files.filter((file) => !chosen.includes(file)), ...merged] };
    });
    if (brought === null) break;
    faultPoint('changes-merged', 'retention');
    const list = await store.writeList(folderOf(table), fileListOf(brought.files));
    now = await store.replaceManifest(now, withTable(now.manifest, table, { ...known, files: list }));
    replaced.push(listed.list, ...brought.chosen.map(({ path }) => path));
  }
  return { held: now, replaced, skipped };
}

/** Files of one export that are so large that reading their metadata costs more than a user's rows. */
function uncut(files: readonly ListedFile[]): ListedFile[] {
  return files.filter(({ path, rows }) => rows > 2 * FILE_ROWS && /\/new-[^/]+$/.test(path));
}
