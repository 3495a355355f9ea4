/** Profile changes and campaign definitions go into the cold tier once, whatever stops the export, and are found there by owner. */
import { randomUUID } from 'node:crypto';
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { loadConfig } from '../../../config/load.ts';
import { coldChangesOf } from '../../../pipelines/cold/cold-changes.ts';
import { coldRowsOf } from '../../../pipelines/cold/cold-reader.ts';
import { ColdStore } from '../../../pipelines/cold/cold-store.ts';
import {
  CAMPAIGNS,
  type ColdRow,
  compareRows,
  ownerOf,
  PROFILE_CHANGES,
} from '../../../pipelines/cold/cold-table.ts';
import { bringOwnedTogether, exportOwned, type OwnedTable } from '../../../pipelines/cold/export-changes.ts';
import { type NextOffsets, parseManifest } from '../../../pipelines/cold/manifest.ts';
import { ParquetReader } from '../../../pipelines/cold/read-parquet.ts';
import { Fenced, Outage } from '../../../pipelines/common/errors.ts';
import { Histories } from '../../../pipelines/profiles/histories.ts';
import { sortedRows } from '../../helpers/cold-rows.ts';
import { insertRows, plausible, SOURCES } from '../../helpers/cold-table-rows.ts';
import { FailingStore } from '../../helpers/failing-store.ts';
import { LedgerDatabase } from '../../helpers/ledger-database.ts';

const newPrefix = () => `cold-test-${randomUUID()}/`;
const upTo = (...offsets: number[]): NextOffsets =>
  Object.fromEntries(offsets.map((offset, index) => [SOURCES[index] ?? '', offset]));
const cellOf = ({ columns }: OwnedTable, row: ColdRow, name: string) =>
  row[columns.findIndex((column) => column.name === name)];

let container: ContainerClient;
let ledger: LedgerDatabase;
beforeAll(async () => {
  const { blob } = await loadConfig({ file: inject('configFile'), env: {} });
  const service = BlobServiceClient.fromConnectionString(blob.connectionString ?? '');
  container = service.getContainerClient(blob.container);
  ledger = await LedgerDatabase.create(inject('configFile'));
});
afterAll(async () => ledger[Symbol.asyncDispose]());

describe.each([PROFILE_CHANGES, CAMPAIGNS])('$name', (table) => {
  /** With offsets from 0 to 700 in each source. */
  let rows: ColdRow[];
  beforeAll(async () => {
    await ledger.client.command({ query: `SYSTEM STOP MERGES ${table.name}` });
    const [some = []] = fc.sample(sortedRows(table, { minLength: 300, maxLength: 300 }), {
      numRuns: 1,
      seed: 3,
    });
    rows = plausible(table, some);
    await insertRows(ledger, table, rows);
    await insertRows(ledger, table, rows.slice(0, 100));
  });

  const isBelow = (next: NextOffsets) => (row: ColdRow) =>
    Number(cellOf(table, row, 'offset')) < (next[String(cellOf(table, row, 'source'))] ?? 0);

  async function expectToHold(store: ColdStore, next: NextOffsets): Promise<void> {
    expect((await store.readManifest()).manifest[table.name]).toMatchObject({ pending: null });
    await expectToHoldBegun(store, next);
  }

  async function expectToHoldBegun(store: ColdStore, next: NextOffsets): Promise<void> {
    const known = (await store.readManifest()).manifest[table.name];
    expect(known).toMatchObject({ next });
    const files = known.files === null ? [] : (await store.readList(known.files)).files;
    const readers = files.map((file) => ParquetReader.open(table, store.file(file)));
    const found = await Promise.all(
      readers.map(async (reader) => (await Array.fromAsync((await reader).all())).flat()),
    );
    const sorted = found.flat().sort((a, b) => compareRows(table, a, b));
    expect(sorted).toEqual(rows.filter(isBelow(next)));
    expect(known.files?.rows ?? 0).toBe(sorted.length);
  }

  it('goes step by step, and each owner is answered with what is theirs', async () => {
    const prefix = newPrefix();
    const store = new ColdStore(container, prefix);
    const { client } = ledger;
    for (const next of [upTo(100), upTo(100), upTo(100, 300), upTo(690, 690, 5), upTo(9_999, 9_999, 9_999)]) {
      const held = await exportOwned(await store.readManifest(), table, next, { store, client });
      await expectToHold(store, next);
      const { replaced } = await bringOwnedTogether(held, table, { store });
      // Nobody needs what was replaced.
      for (const path of replaced) await container.deleteBlob(prefix + path);
      await expectToHold(store, next);
    }
    const { manifest } = await store.readManifest();
    const owners = new Map(rows.map((row) => [`${ownerOf(table, row)}`, ownerOf(table, row)]));
    for (const [name, owner] of owners) {
      const found = await coldRowsOf(store, table, { listed: manifest[table.name].files, owner });
      expect(found.sort((a, b) => compareRows(table, a, b))).toEqual(
        rows.filter((row) => `${ownerOf(table, row)}` === name),
      );
    }
    await expect(
      exportOwned(await store.readManifest(), table, upTo(9_998, 9_999, 9_999), { store, client }),
    ).rejects.toThrow(/already, not to 9998/);
  });

  it.each([false, true])('stopped at each write (after it: %s) ends in the same state', async (isAfter) => {
    const store = new FailingStore(container, newPrefix());
    const { client } = ledger;
    const plans = [upTo(200, 200, 200), upTo(400, 250, 300), upTo(500, 250, 400)];
    for (let step = 1; step <= 8; step += 1) {
      store.left = step;
      store.isAfter = isAfter;
      const plan = plans[Math.min(step, plans.length) - 1] ?? {};
      const stopped = (error: unknown) => expect(error).toBeInstanceOf(Outage);
      await exportOwned(await store.readManifest(), table, plan, { store, client }).catch(stopped);
      await bringOwnedTogether(await store.readManifest(), table, { store }).catch(stopped);
    }
    store.left = 0;
    const last = upTo(600, 600, 600);
    // The first ends what was begun.
    for (let run = 0; run < 2; run += 1)
      await exportOwned(await store.readManifest(), table, last, { store, client });
    await bringOwnedTogether(await store.readManifest(), table, { store });
    await expectToHold(store, last);
  });

  it('goes in steps of a bounded size: what was stopped goes on behind the last', async () => {
    const store = new FailingStore(container, newPrefix());
    const { client } = ledger;
    const files: string[] = [];
    let most = 0;
    const options = {
      ...{ store, client, stepRows: 60, fileRows: 25 },
      onFile: ({ path, rows: count }: { path: string; rows: number }) => {
        files.push(path);
        most = Math.max(most, count);
      },
    };
    const all = upTo(9_999, 9_999, 9_999);
    // Within the third step, behind its file.
    store.left = 11;
    await expect(exportOwned(await store.readManifest(), table, all, options)).rejects.toThrow(Outage);
    store.left = 0;
    const stopped = await store.readManifest();
    await expectToHoldBegun(store, stopped.manifest[table.name].next);
    const begun = await exportOwned(stopped, table, all, options);
    await expectToHold(store, begun.manifest[table.name].next);
    await exportOwned(begun, table, all, options);
    await expectToHold(store, all);
    // An owner is in one file, however many rows that makes.
    expect(most).toBeLessThan(60);
    // None was written again but those of the step that the manifest did not count yet.
    const again = files.filter((path, index) => files.indexOf(path) !== index);
    expect(new Set(again.map((path) => path.replace(/(?:\.\d+)?\.parquet$/, ''))).size).toBe(1);
    await bringOwnedTogether(await store.readManifest(), table, { store });
    await expectToHold(store, all);
  });

  it('with a file that is offline stays as it is, and that is told', async () => {
    const prefix = newPrefix();
    const store = new ColdStore(container, prefix);
    const { client } = ledger;
    await exportOwned(await store.readManifest(), table, upTo(300), { store, client });
    const held = await exportOwned(await store.readManifest(), table, upTo(300, 300), { store, client });
    const { files } = held.manifest[table.name];
    const [file] = files === null ? [] : (await store.readList(files)).files;
    await container.getBlobClient(prefix + file?.path).setAccessTier('Archive');
    expect(await bringOwnedTogether(held, table, { store })).toEqual({
      held,
      replaced: [],
      skipped: [{ what: table.name, reason: expect.stringContaining(`archive rehydrate ${file?.path}`) }],
    });
  });

  it('of two at once is ended by one, and the other is told', async () => {
    const prefix = newPrefix();
    const { client } = ledger;
    const stores = [new ColdStore(container, prefix), new ColdStore(container, prefix)] as const;
    const held = await stores[0].readManifest();
    const outcomes = await Promise.allSettled(
      stores.map((store, index) => exportOwned(held, table, upTo(300 + index), { store, client })),
    );
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(outcomes.find((one) => one.status === 'rejected')?.reason).toBeInstanceOf(Fenced);
    await expectToHold(stores[0], upTo(300 + outcomes.findIndex(({ status }) => status === 'fulfilled')));
  });
});

it('takes another name where merges have left out a copy between two attempts', async () => {
  const own = await LedgerDatabase.create(inject('configFile'));
  const { client } = own;
  const table = PROFILE_CHANGES;
  const [[row] = []] = fc.sample(sortedRows(table, { minLength: 1, maxLength: 1 }), { numRuns: 1, seed: 4 });
  const [at] = ['offset'].map((name) => table.columns.findIndex((column) => column.name === name));
  const [first, copy] = plausible(table, [row ?? []]).flatMap((one) => [one, one.with(at ?? 0, 8n)]);
  await client.command({ query: 'SYSTEM STOP MERGES profile_changes' });
  await insertRows(own, table, [first ?? []]);
  await insertRows(own, table, [copy ?? []]);
  const store = new FailingStore(container, newPrefix());
  // Behind the file.
  store.left = 3;
  await expect(exportOwned(await store.readManifest(), table, upTo(10), { store, client })).rejects.toThrow(
    Outage,
  );
  await client.command({ query: 'SYSTEM START MERGES profile_changes' });
  await own.mergeEverything(['profile_changes']);
  const { manifest } = await exportOwned(await store.readManifest(), table, upTo(10), { store, client });
  expect(manifest.profile_changes.files).toMatchObject({ files: 1, rows: 1 });
  await own[Symbol.asyncDispose]();
});

it('gives the changes of a user as ClickHouse does', async () => {
  const own = await LedgerDatabase.create(inject('configFile'));
  const { client } = own;
  const [some = []] = fc.sample(sortedRows(PROFILE_CHANGES, { minLength: 40, maxLength: 40 }), {
    numRuns: 1,
    seed: 5,
  });
  const rows = plausible(PROFILE_CHANGES, some).map((row, index) => row.with(3, `change-${index}`));
  await insertRows(own, PROFILE_CHANGES, rows);
  const store = new ColdStore(container, newPrefix());
  const { manifest } = await exportOwned(
    await store.readManifest(),
    PROFILE_CHANGES,
    upTo(9_999, 9_999, 9_999),
    { store, client },
  );
  const histories = new Histories({ client, signal: new AbortController().signal });
  const byPlace = (a: { changeId: string }, b: { changeId: string }) => (a.changeId < b.changeId ? -1 : 1);
  const owners = new Map(
    rows.map((row) => [`${ownerOf(PROFILE_CHANGES, row)}`, ownerOf(PROFILE_CHANGES, row)]),
  );
  for (const [tenantId, userId] of owners.values()) {
    const local = [...(await histories.read([{ tenantId, userId }])).values()].flat();
    const cold = await coldChangesOf(store, manifest, [tenantId, userId]);
    expect(cold.sort(byPlace)).toEqual(local.sort(byPlace));
  }
  await own[Symbol.asyncDispose]();
});

it('reads a manifest from before there were intents of these tables', () => {
  const older = { next: { 's/0': 3 }, files: null };
  const events = { through: null, next: {}, pending: null, months: {} };
  const manifest = parseManifest(
    JSON.stringify({ version: 1, events, profile_changes: older, campaigns: { next: {}, files: null } }),
  );
  expect(manifest.profile_changes).toEqual({ ...older, pending: null, trimmedTo: null });
});
