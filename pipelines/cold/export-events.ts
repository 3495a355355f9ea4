/** Takes days of `events` into the cold tier: files, lists, and last the manifest, after which they may leave ClickHouse. */
import { hash } from 'node:crypto';
import type { ClickHouseClient } from '@clickhouse/client';
import { eachAtMost } from '../archive/each-at-most.ts';
import { selectRows } from '../common/clickhouse/select.ts';
import { Outage } from '../common/errors.ts';
import { faultPoint } from '../common/fault-points.ts';
import {
  type BroughtTogether,
  mergeFiles,
  planMerge,
  type Skipped,
  unlessUnreadable,
} from './bring-together.ts';
import { COLD_FOLDER, type ColdStore, type HeldManifest } from './cold-store.ts';
import { type ColdRow, EVENTS } from './cold-table.ts';
import { assertGrown, type Condition, type Extent, isNew } from './exported.ts';
import { fileListOf, type ListedFile } from './file-list.ts';
import type { ListedFiles, Manifest } from './manifest.ts';
import { selectColdRows } from './select-rows.ts';

export interface ExportOptions {
  readonly store: ColdStore;
  readonly client: ClickHouseClient;
  /** Told of each file that is there. */
  readonly onFile?: (file: ListedFile) => void;
  /** Awaited after each step that the manifest counts: what it throws ends the export there, and the next goes on. */
  readonly onStep?: () => Promise<void>;
}

/** Rows of one step: what is done again, to meet what stands there already, where an export was stopped. */
const STEP_ROWS = 20_000_000;

/** Rows of a file: whoever writes it or reads it back holds its metadata, some 100 MB for so many. */
export const WRITTEN_ROWS = 1_000_000;

export interface EventsExportOptions extends ExportOptions {
  readonly stepRows?: number;
  readonly fileRows?: number;
}

const folderOf = (month: string) => `${COLD_FOLDER}events/month=${month}/`;
const monthOf = (day: string) => day.slice(0, 7);

/**
 * Exports what `wanted` has beyond what is there, some days at a time, each time with a manifest of its own: whoever takes
 * over goes on from the last. An export that was begun and not ended is ended first, as it was begun; call again for the
 * rest. Every step may be repeated: the same rows go into the same files.
 * @param wanted below its offsets ClickHouse and the archive have every record
 * @returns the manifest that stands now
 * @throws {Fenced} another process is at it
 * @throws {Outage}
 * @throws {DamagedColdFile}
 */
export async function exportEvents(
  held: HeldManifest,
  wanted: Extent,
  options: EventsExportOptions,
): Promise<HeldManifest> {
  const { events } = held.manifest;
  if (events.pending !== null) {
    const days = await newDays(options.client, events, events.pending);
    return endBegun(held, { days, after: events.pending }, options);
  }
  assertGrown(events, wanted);
  const isSame =
    events.through === wanted.through &&
    Object.entries(wanted.next).every(([source, offset]) => events.next[source] === offset);
  if (isSame) return held;
  let now = held;
  for (const step of stepsOf(await newDays(options.client, events, wanted), events, wanted, options)) {
    const { through, next } = step.after;
    // What is to be done is written down before the first file: who takes over neither does more nor less.
    const begun = withEvents(now.manifest, {
      ...now.manifest.events,
      pending: { through, next: { ...next } },
    });
    now = await endBegun(await options.store.replaceManifest(now, begun), step, options);
    await options.onStep?.();
  }
  return now;
}

interface NewDay {
  readonly day: string;
  /** Copies and all. */
  readonly rows: number;
}

/** Small days take requests rather than time of this CPU, and little memory of ClickHouse. */
const DAYS_AT_ONCE = 4;
const isSmall = ({ rows }: NewDay) => rows <= 250_000;

interface Step {
  readonly days: readonly NewDay[];
  readonly after: Extent;
}

/** The first has what came late for days that are there already: it goes no further back than the last that was. */
function stepsOf(
  days: readonly NewDay[],
  before: Extent,
  wanted: Extent,
  { stepRows = STEP_ROWS }: Pick<EventsExportOptions, 'stepRows'>,
): Step[] {
  const steps: Step[] = [];
  let some: NewDay[] = [];
  let rows = 0;
  for (const one of days) {
    const last = some.at(-1)?.day ?? '';
    const isNewDay = one.day > (before.through ?? '');
    if (isNewDay && rows > 0 && rows + one.rows > stepRows) {
      const through = last > (before.through ?? '') ? last : before.through;
      steps.push({ days: some, after: { through, next: wanted.next } });
      [some, rows] = [[], 0];
    }
    some.push(one);
    rows += one.rows;
  }
  return [...steps, { days: some, after: wanted }];
}

async function endBegun(
  begun: HeldManifest,
  { days, after }: Step,
  { store, client, onFile, ...sizes }: EventsExportOptions,
): Promise<HeldManifest> {
  const { pending: _, ...before } = begun.manifest.events;
  faultPoint('export-begun', 'retention');
  const added = new Map<string, ListedFile[]>();
  const write = async ({ day }: NewDay): Promise<void> => {
    const files = await writeDay({ day, before, after }, { store, client, ...sizes });
    for (const file of files) onFile?.(file);
    faultPoint('day-written', 'retention');
    const month = monthOf(day);
    added.set(month, [...(added.get(month) ?? []), ...files]);
  };
  await eachAtMost(DAYS_AT_ONCE, days.filter(isSmall), write);
  for (const day of days) if (!isSmall(day)) await write(day);
  const months = { ...begun.manifest.events.months };
  for (const [month, files] of added) months[month] = await addTo(months[month], { month, files, store });
  faultPoint('lists-written', 'retention');
  const { through, next } = after;
  return store.replaceManifest(
    begun,
    withEvents(begun.manifest, {
      ...begun.manifest.events,
      through,
      next: { ...next },
      pending: null,
      months,
    }),
  );
}

function withEvents(manifest: Manifest, events: Manifest['events']): Manifest {
  return { ...manifest, events };
}

/** Days with rows to export, in their order. */
async function newDays(client: ClickHouseClient, before: Extent, after: Extent): Promise<NewDay[]> {
  const { sql, parameters } = isNew(before, after);
  const days = await selectRows<readonly [string, string]>(
    client,
    `SELECT toString(toDate(occurred_at)) AS day, toString(count()) FROM events WHERE ${sql} GROUP BY day ORDER BY day`,
    parameters,
  );
  return days.map(([day, rows]) => ({ day, rows: Number(rows) }));
}

/** Day by day: to tell offsets apart takes 16 bytes a row in ClickHouse. */
async function countRows(client: ClickHouseClient, { sql, parameters }: Condition): Promise<number> {
  const [[rows] = ['0']] = await selectRows<readonly [string]>(
    client,
    `SELECT toString(sum(rows)) FROM (SELECT source, uniqExact(offset) AS rows FROM events WHERE ${sql} GROUP BY source)`,
    parameters,
  );
  return Number(rows);
}

interface DayExport {
  readonly day: string;
  readonly before: Extent;
  readonly after: Extent;
}

async function writeDay(
  { day, before, after }: DayExport,
  { store, client, fileRows = WRITTEN_ROWS }: Pick<EventsExportOptions, 'store' | 'client' | 'fileRows'>,
): Promise<readonly ListedFile[]> {
  const { sql, parameters } = isNew(before, after);
  const where = { sql: `${sql} AND toDate(occurred_at) = {day:Date}`, parameters: { ...parameters, day } };
  const rows = await countRows(client, where);
  const name = hash('sha256', JSON.stringify([before, after].map(inOrder))).slice(0, 12);
  const stem = `${folderOf(monthOf(day))}day=${day}-${name}`;
  const files = await store.writeFirstFree(EVENTS, {
    nameOf: nameFrom(stem),
    rows: () => exactly(rows, selectColdRows(client, EVENTS, where)),
    fileRows,
  });
  if (files.length === 0) throw new Outage('clickhouse', `of ${rows} rows of ${day} none came`);
  return files;
}

function inOrder({ through, next }: Extent): unknown {
  return [through, Object.entries(next).sort(([a], [b]) => (a < b ? -1 : 1))];
}

/** Of the files of an export: in a further attempt, and behind the first of them, with a number. */
export function nameFrom(stem: string): (attempt: number, index: number) => string {
  const number = (mark: string, from0: number) => (from0 === 0 ? '' : `${mark}${from0 + 1}`);
  return (attempt, index) => `${stem}${number('-', attempt)}${number('.', index)}.parquet`;
}

/** An answer that ends early looks like one that has ended. */
export async function* exactly(
  expected: number,
  rows: AsyncIterable<readonly ColdRow[]>,
): AsyncGenerator<readonly ColdRow[]> {
  let count = 0;
  for await (const some of rows) {
    count += some.length;
    yield some;
  }
  if (count !== expected)
    throw new Outage('clickhouse', `${count} rows came where ${expected} were counted; nothing was written`);
}

interface Addition {
  readonly month: string;
  readonly files: readonly ListedFile[];
  readonly store: ColdStore;
}

async function addTo(
  known: ListedFiles | undefined,
  { month, files, store }: Addition,
): Promise<ListedFiles> {
  const before = known === undefined ? [] : (await store.readList(known)).files;
  return store.writeList(folderOf(month), fileListOf([...before, ...files]));
}

/**
 * Brings the files of each month together where that is due. What was replaced stays for those who are reading it, and a
 * month with a file that cannot be read stays as it is.
 * @throws {Fenced}
 * @throws {Outage}
 */
export async function bringMonthsTogether(
  held: HeldManifest,
  { store }: Pick<ExportOptions, 'store'>,
): Promise<BroughtTogether> {
  let now = held;
  const replaced: string[] = [];
  const skipped: Skipped[] = [];
  for (const [month, listed] of Object.entries(held.manifest.events.months)) {
    const brought = await unlessUnreadable(`events ${month}`, skipped, () =>
      mergeMonth(month, listed, store),
    );
    if (brought === null) continue;
    faultPoint('month-merged', 'retention');
    const list = await store.writeList(folderOf(month), fileListOf(brought.files));
    const { events } = now.manifest;
    const months = { ...events.months, [month]: list };
    now = await store.replaceManifest(now, withEvents(now.manifest, { ...events, months }));
    replaced.push(listed.list, ...brought.replaced);
  }
  return { held: now, replaced, skipped };
}

/** @returns null where there is nothing to do */
async function mergeMonth(
  month: string,
  listed: ListedFiles,
  store: ColdStore,
): Promise<{ readonly files: readonly ListedFile[]; readonly replaced: readonly string[] } | null> {
  const { files } = await store.readList(listed);
  const chosen = planMerge(files);
  if (chosen === null) return null;
  const merged = await mergeFiles(chosen, { store, table: EVENTS, folder: folderOf(month) });
  const kept = files.filter((file) => !chosen.includes(file));
  return { files: [...kept, ...merged], replaced: chosen.map(({ path }) => path) };
}
