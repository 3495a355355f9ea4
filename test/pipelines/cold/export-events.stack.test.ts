/** Days of events go into the cold tier once, whatever stops the export on its way, and are found there by user. */
import { randomUUID } from 'node:crypto';
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { loadConfig } from '../../../config/load.ts';
import { runsOf } from '../../../pipelines/cold/bring-together.ts';
import { readColdEvents } from '../../../pipelines/cold/cold-reader.ts';
import { ColdStore } from '../../../pipelines/cold/cold-store.ts';
import { type ColdRow, compareRows, EVENTS, ownerOf } from '../../../pipelines/cold/cold-table.ts';
import { bringMonthsTogether, exportEvents } from '../../../pipelines/cold/export-events.ts';
import type { Extent } from '../../../pipelines/cold/exported.ts';
import { ParquetReader } from '../../../pipelines/cold/read-parquet.ts';
import { Fenced, Outage } from '../../../pipelines/common/errors.ts';
import { sortedRows } from '../../helpers/cold-rows.ts';
import { dayText, insertRows, isEventIn, plausible, SOURCES } from '../../helpers/cold-table-rows.ts';
import { FailingStore } from '../../helpers/failing-store.ts';
import { LedgerDatabase } from '../../helpers/ledger-database.ts';

let container: ContainerClient;
let ledger: LedgerDatabase;
/** In two months, with offsets from 0 to 700 in each source. */
let rows: ColdRow[];

beforeAll(async () => {
  const { blob } = await loadConfig({ file: inject('configFile'), env: {} });
  container = BlobServiceClient.fromConnectionString(blob.connectionString ?? '').getContainerClient(
    blob.container,
  );
  ledger = await LedgerDatabase.create(inject('configFile'));
  await ledger.client.command({ query: 'SYSTEM STOP MERGES events' });
  const [some = []] = fc.sample(sortedRows(EVENTS, { minLength: 300, maxLength: 300 }), {
    numRuns: 1,
    seed: 2,
  });
  rows = plausible(EVENTS, some, { days: 10, apart: 4 });
  await insertRows(ledger, EVENTS, rows);
  await insertRows(ledger, EVENTS, rows.slice(0, 100));
});
afterAll(async () => ledger[Symbol.asyncDispose]());

const newPrefix = () => `cold-test-${randomUUID()}/`;
const upTo = (day: number, offset: number): Extent => ({
  through: dayText(day),
  next: Object.fromEntries(SOURCES.map((source) => [source, offset])),
});
const byPlace = (some: readonly ColdRow[]) => some.toSorted((a, b) => compareRows(EVENTS, a, b));

/** What was exported is there and nothing else. */
async function expectToHold(store: ColdStore, extent: Extent): Promise<void> {
  const { manifest } = await store.readManifest();
  expect(manifest.events).toMatchObject({ ...extent, pending: null });
  const found: ColdRow[] = [];
  for (const listed of Object.values(manifest.events.months)) {
    for (const file of (await store.readList(listed)).files) {
      const reader = await ParquetReader.open(EVENTS, store.file(file));
      found.push(...(await Array.fromAsync(reader.all())).flat());
    }
  }
  expect(byPlace(found)).toEqual(rows.filter((row) => isEventIn(extent, row)));
}

/** Each user is answered with what is theirs. */
async function expectByUser(store: ColdStore): Promise<void> {
  const { manifest } = await store.readManifest();
  const owners = new Map(rows.map((row) => [`${ownerOf(EVENTS, row)}`, ownerOf(EVENTS, row)]));
  for (const [name, owner] of owners) {
    const theirs = rows.filter(
      (row) => `${ownerOf(EVENTS, row)}` === name && isEventIn(manifest.events, row),
    );
    const found: ColdRow[] = [];
    await readColdEvents(store, manifest, { user: owner, onRows: (some) => found.push(...some) });
    expect(byPlace(found)).toEqual(theirs);
  }
}

it('step by step: days, and what came late for those that were there', async () => {
  const prefix = newPrefix();
  const store = new ColdStore(container, prefix);
  const { client } = ledger;
  for (const [day, offset] of [
    [3, 100],
    [3, 100],
    [3, 300],
    [35, 300],
    [36, 650],
    [50, 10_000],
  ] as const) {
    const extent = upTo(day, offset);
    const held = await exportEvents(await store.readManifest(), extent, { store, client });
    await expectToHold(store, extent);
    if (day === 35) await expectByUser(store);
    const { replaced } = await bringMonthsTogether(held, { store });
    await expectToHold(store, extent);
    // Nobody needs what was replaced.
    for (const path of replaced) await container.deleteBlob(prefix + path);
    await expectToHold(store, extent);
  }
  await expectByUser(store);
  const { manifest } = await store.readManifest();
  expect(Object.keys(manifest.events.months)).toEqual(['2026-08', '2026-09']);
  await expect(exportEvents(await store.readManifest(), upTo(50, 9_999), { store, client })).rejects.toThrow(
    /already, not to 9999/,
  );
});

it.each([false, true])('stopped at each write (after it: %s) it ends in the same state', async (isAfter) => {
  const store = new FailingStore(container, newPrefix());
  const { client } = ledger;
  const plans = [upTo(2, 200), upTo(33, 400)];
  for (let step = 1; step <= 6; step += 1) {
    store.left = step;
    store.isAfter = isAfter;
    const plan = plans[Math.min(step, plans.length) - 1] as Extent;
    await exportEvents(await store.readManifest(), plan, { store, client }).catch((error: unknown) => {
      expect(error).toBeInstanceOf(Outage);
    });
    await bringMonthsTogether(await store.readManifest(), { store }).catch((error: unknown) => {
      expect(error).toBeInstanceOf(Outage);
    });
  }
  store.left = 0;
  const last = upTo(40, 500);
  // The first ends what was begun.
  for (let run = 0; run < 2; run += 1)
    await exportEvents(await store.readManifest(), last, { store, client });
  await bringMonthsTogether(await store.readManifest(), { store });
  await expectToHold(store, last);
});

it('some days at a time: what was stopped goes on behind the last step', async () => {
  const store = new FailingStore(container, newPrefix());
  const { client } = ledger;
  const days: string[] = [];
  const onFile = ({ path }: { path: string }) => {
    days.push(/day=([\d-]{10})/.exec(path)?.[1] ?? '');
  };
  const options = { store, client, onFile, stepRows: 80 };
  const extent = upTo(28, 10_000);
  let steps = 0;
  const onStep = async () => {
    steps += 1;
    if (steps === 2) throw new Outage('blob', 'as the test wants it');
  };
  const first = exportEvents(await store.readManifest(), extent, { ...options, onStep });
  await expect(first).rejects.toThrow(Outage);
  const done = [...days];
  expect(done.length).toBeGreaterThanOrEqual(2);
  const through = done.toSorted().at(-1) ?? '';
  await expectToHold(store, { ...extent, through });
  // In the middle of a step.
  store.left = 2;
  await expect(exportEvents(await store.readManifest(), extent, options)).rejects.toThrow(Outage);
  store.left = 0;
  const ended = await exportEvents(await store.readManifest(), extent, { store, client, onFile });
  expect((ended.manifest.events.through ?? '') > through).toBe(true);
  expect(ended.manifest.events.through).not.toBe(extent.through);
  await exportEvents(ended, extent, options);
  await expectToHold(store, extent);
  // What the manifest counted was not written again.
  for (const day of done) expect(days.filter((one) => one === day)).toEqual([day]);
  // Late rows for days that are there, and new days: the first go with the first step.
  const late = new ColdStore(container, newPrefix());
  await exportEvents(await late.readManifest(), upTo(12, 300), { store: late, client });
  const rest = upTo(50, 10_000);
  await exportEvents(await late.readManifest(), rest, { store: late, client, stepRows: 1 });
  await expectToHold(late, rest);
});

it('a day with very many rows is cut between users, and what stands there of it is taken as it is', async () => {
  const store = new FailingStore(container, newPrefix());
  const { client } = ledger;
  const extent = upTo(12, 500);
  const options = { store, client, fileRows: 10 };
  // Behind a day's files: they are there, and nothing counts them.
  store.left = 2;
  store.isAfter = true;
  await expect(exportEvents(await store.readManifest(), extent, options)).rejects.toThrow(Outage);
  const held = await exportEvents(await store.readManifest(), extent, options);
  await expectToHold(store, extent);
  await expectByUser(store);
  for (const listed of Object.values(held.manifest.events.months)) {
    const { files } = await store.readList(listed);
    const byDay = Map.groupBy(files, ({ path }) => /day=[\d-]{10}/.exec(path)?.[0]);
    for (const own of byDay.values()) {
      expect(own.length).toBeGreaterThan(1);
      expect(runsOf(own)).toHaveLength(1);
    }
  }
  await bringMonthsTogether(held, { store });
  await expectToHold(store, extent);
});

it('of two at once one ends it, and the other is told', async () => {
  const prefix = newPrefix();
  const { client } = ledger;
  const stores = [new ColdStore(container, prefix), new ColdStore(container, prefix)] as const;
  const held = await stores[0].readManifest();
  const outcomes = await Promise.allSettled(
    stores.map((store, index) => exportEvents(held, upTo(5 + index, 300), { store, client })),
  );
  expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  expect(outcomes.find((one) => one.status === 'rejected')?.reason).toBeInstanceOf(Fenced);
  const won = outcomes.findIndex(({ status }) => status === 'fulfilled');
  await expectToHold(stores[0], upTo(5 + won, 300));
});

it('a month with a file that is offline or damaged stays as it is, and holds up no other', async () => {
  const prefix = newPrefix();
  const store = new ColdStore(container, prefix);
  const { client } = ledger;
  const extent = upTo(40, 500);
  const held = await exportEvents(await store.readManifest(), extent, { store, client });
  const [august, september] = Object.values(held.manifest.events.months);
  const [file] = august === undefined ? [] : (await store.readList(august)).files;
  const blob = container.getBlockBlobClient(prefix + file?.path);
  const whole = await blob.downloadToBuffer();
  await blob.setAccessTier('Archive');
  const first = await bringMonthsTogether(held, { store });
  expect(first.skipped).toEqual([
    { what: 'events 2026-08', reason: expect.stringContaining(`archive rehydrate ${file?.path}`) },
  ]);
  expect(first.held.manifest.events.months['2026-08']).toEqual(august);
  expect(first.held.manifest.events.months['2026-09']).not.toEqual(september);
  await blob.setAccessTier('Hot');
  await blob.upload(whole.fill(0, 100, 200), whole.length);
  const { skipped } = await bringMonthsTogether(first.held, { store });
  expect(skipped).toEqual([
    { what: 'events 2026-08', reason: expect.stringMatching(`${file?.path} is damaged`) },
  ]);
});
