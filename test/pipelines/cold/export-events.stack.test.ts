/** Days of events go into the cold tier once, whatever stops the export on its way, and are found there by user. */
import { randomUUID } from 'node:crypto';
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { loadConfig } from '../../../config/load.ts';
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
