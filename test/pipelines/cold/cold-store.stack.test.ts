/** The cold tier's blobs: whole or not there, the same rows or an error, and one hand at the manifest. */
import { randomBytes, randomUUID } from 'node:crypto';
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob';
import fc from 'fast-check';
import { beforeAll, expect, inject, it } from 'vitest';
import { loadConfig } from '../../../config/load.ts';
import { COLD_FOLDER, ColdStore } from '../../../pipelines/cold/cold-store.ts';
import { type ColdRow, EVENTS, ownerOf } from '../../../pipelines/cold/cold-table.ts';
import { fileListOf, filesOf, type ListedFile } from '../../../pipelines/cold/file-list.ts';
import { EMPTY_MANIFEST } from '../../../pipelines/cold/manifest.ts';
import { DamagedColdFile, ParquetReader } from '../../../pipelines/cold/read-parquet.ts';
import { Fenced } from '../../../pipelines/common/errors.ts';
import { sortedRows } from '../../helpers/cold-rows.ts';

const PATH = `${COLD_FOLDER}events/month=2026-08/day=2026-08-03-1.parquet`;

let container: ContainerClient;
let rows: ColdRow[];

beforeAll(async () => {
  const { blob } = await loadConfig({ file: inject('configFile'), env: {} });
  const service = BlobServiceClient.fromConnectionString(blob.connectionString ?? '');
  container = service.getContainerClient(blob.container);
  rows = fc.sample(sortedRows(EVENTS, { minLength: 30 }), { numRuns: 1, seed: 3 })[0] ?? [];
});

function newStore(): { store: ColdStore; blobs: () => Promise<string[]> } {
  const prefix = `cold-test-${randomUUID()}/`;
  const blobs = async () => {
    const found = await Array.fromAsync(container.listBlobsFlat({ prefix }));
    return found.map(({ name }) => name.slice(prefix.length));
  };
  return { store: new ColdStore(container, prefix), blobs };
}

async function* inParts(all: readonly ColdRow[]) {
  for (let from = 0; from < all.length; from += 7) yield all.slice(from, from + 7);
}

async function rowsOf(store: ColdStore, file: ListedFile): Promise<ColdRow[]> {
  const reader = await ParquetReader.open(EVENTS, store.file(file));
  return (await Array.fromAsync(reader.all())).flat();
}

it('a file is written once: again with the same rows is the same file, with others an error', async () => {
  const { store } = newStore();
  const file = await store.writeFile(EVENTS, PATH, inParts(rows));
  expect(file).toMatchObject({ path: PATH, rows: rows.length });
  expect(await store.writeFile(EVENTS, PATH, inParts(rows))).toEqual(file);
  await expect(store.writeFile(EVENTS, PATH, inParts(rows.slice(1)))).rejects.toThrow(DamagedColdFile);
  expect(await rowsOf(store, file as ListedFile)).toEqual(rows);
});

it('a file of several blocks is whole, and the same again', async () => {
  const { store } = newStore();
  const [row = []] = rows;
  const [tenant, user] = EVENTS.owner;
  const attributes = EVENTS.columns.findIndex(({ name }) => name === 'attributes');
  const large = Array.from({ length: 1_200 }, (_, index) =>
    row
      .with(tenant, 'acme')
      .with(user, `user-${String(index).padStart(5, '0')}`)
      .with(attributes, { noise: randomBytes(9_000).toString('base64') }),
  );
  const file = await store.writeFile(EVENTS, PATH, inParts(large));
  expect(file?.bytes).toBeGreaterThan(2 * 4 * 1024 * 1024);
  expect(await rowsOf(store, file as ListedFile)).toEqual(large);
  expect(await store.writeFile(EVENTS, PATH, inParts(large))).toEqual(file);
});

it('without rows, or with an error among them, there is no file', async () => {
  const { store, blobs } = newStore();
  expect(await store.writeFile(EVENTS, PATH, inParts([]))).toBeNull();
  const failing = async function* () {
    yield rows;
    throw new Error('the table went away');
  };
  await expect(store.writeFile(EVENTS, PATH, failing())).rejects.toThrow('the table went away');
  expect(await blobs()).toEqual([]);
});

it('a file that is gone, and one that another has been put in the place of, are named', async () => {
  const { store } = newStore();
  const file = (await store.writeFile(EVENTS, PATH, inParts(rows))) as ListedFile;
  await expect(rowsOf(store, { ...file, path: `${PATH}-none` })).rejects.toThrow(`${PATH}-none is gone`);
  const others = newStore().store;
  await others.writeFile(EVENTS, PATH, inParts(rows.slice(0, 5)));
  await expect(rowsOf(others, file)).rejects.toThrow(`${PATH} is damaged`);
});

it('whoever holds an older manifest may not replace it; an answer that was lost is no loss', async () => {
  const { store } = newStore();
  const none = await store.readManifest();
  expect(none).toEqual({ manifest: EMPTY_MANIFEST, etag: null });
  const through = (day: string) => ({
    ...EMPTY_MANIFEST,
    events: { ...EMPTY_MANIFEST.events, through: day },
  });
  const first = await store.replaceManifest(none, through('2026-08-01'));
  expect(await store.replaceManifest(none, through('2026-08-01'))).toEqual(first);
  await expect(store.replaceManifest(none, through('2026-08-02'))).rejects.toThrow(Fenced);
  const second = await store.replaceManifest(first, through('2026-08-02'));
  await expect(store.replaceManifest(first, through('2026-08-03'))).rejects.toThrow(Fenced);
  expect(await store.readManifest()).toEqual(second);
});

it('of several files those of an owner are found by their list', async () => {
  const { store } = newStore();
  const [half] = [Math.floor(rows.length / 2)];
  const files = [rows.slice(0, half), rows.slice(half)].map((some, index) =>
    store.writeFile(EVENTS, PATH.replace('-1.', `-${index}.`), inParts(some)),
  );
  const list = fileListOf((await Promise.all(files)).filter((file) => file !== null));
  const listed = await store.writeList(`${COLD_FOLDER}events/month=2026-08/`, list);
  expect(listed).toMatchObject({ files: 2, rows: rows.length });
  const again = await store.readList(listed);
  expect(again).toEqual(list);
  for (const row of rows) {
    const owner = ownerOf(EVENTS, row);
    const found = await Promise.all(
      filesOf(again, owner).map(async (file) => ParquetReader.rowsOf(EVENTS, store.file(file), owner)),
    );
    expect(found.flat()).toEqual(rows.filter((one) => `${ownerOf(EVENTS, one)}` === `${owner}`));
  }
});
