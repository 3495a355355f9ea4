/** A month's files become few, with every row in one place and no owner in two. */
import { randomUUID } from 'node:crypto';
import { BlobServiceClient } from '@azure/storage-blob';
import fc from 'fast-check';
import { beforeAll, expect, inject, it } from 'vitest';
import { loadConfig } from '../../../config/load.ts';
import { mergeFiles, planMerge, runsOf } from '../../../pipelines/cold/bring-together.ts';
import { COLD_FOLDER, ColdStore } from '../../../pipelines/cold/cold-store.ts';
import {
  type ColdRow,
  compareOwners,
  compareRows,
  EVENTS,
  ownerOf,
} from '../../../pipelines/cold/cold-table.ts';
import type { ListedFile } from '../../../pipelines/cold/file-list.ts';
import { DamagedColdFile, ParquetReader } from '../../../pipelines/cold/read-parquet.ts';
import { sortedRows } from '../../helpers/cold-rows.ts';

const FOLDER = `${COLD_FOLDER}events/month=2026-08/`;

let newStore: () => ColdStore;
beforeAll(async () => {
  const { blob } = await loadConfig({ file: inject('configFile'), env: {} });
  const service = BlobServiceClient.fromConnectionString(blob.connectionString ?? '');
  newStore = () => new ColdStore(service.getContainerClient(blob.container), `cold-test-${randomUUID()}/`);
});

async function* once(rows: readonly ColdRow[]) {
  yield rows;
}

async function rowsOf(store: ColdStore, file: ListedFile): Promise<ColdRow[]> {
  return (await Array.fromAsync((await ParquetReader.open(EVENTS, store.file(file))).all())).flat();
}

const days = fc.array(sortedRows(EVENTS, { minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 4 });

it('of several days', () =>
  fc.assert(
    fc.asyncProperty(days, fc.integer({ min: 4, max: 40 }), async (byDay, fileRows) => {
      const store = newStore();
      const options = { store, table: EVENTS, folder: FOLDER, fileRows };
      // Days have no row in common.
      const seen = new Set<string>();
      const files: ListedFile[] = [];
      const all: ColdRow[] = [];
      for (const [index, day] of byDay.entries()) {
        const rows = day.filter((row) => !seen.has(`${row[17]}/${row[18]}`));
        for (const row of rows) seen.add(`${row[17]}/${row[18]}`);
        const file = await store.writeFile(
          EVENTS,
          `${FOLDER}day=2026-08-0${index + 1}-1.parquet`,
          once(rows),
        );
        if (file !== null) files.push(file);
        all.push(...rows);
      }
      const merged = await mergeFiles(files, options);
      const parts = await Promise.all(merged.map((file) => rowsOf(store, file)));
      expect(parts.flat()).toEqual(all.toSorted((a, b) => compareRows(EVENTS, a, b)));
      expect(runsOf(merged)).toHaveLength(1);
      for (const [index, part] of parts.entries()) {
        const owners = part.map((row) => ownerOf(EVENTS, row));
        expect([merged[index]?.first, merged[index]?.last]).toEqual([owners[0], owners.at(-1)]);
        // Full, but for the last; and not longer than its last owner makes it.
        if (index < parts.length - 1) expect(part.length).toBeGreaterThanOrEqual(fileRows);
        const before = part.slice(0, fileRows).map((row) => ownerOf(EVENTS, row));
        if (part.length > fileRows) expect(owners.at(-1)).toEqual(before.at(-1));
      }
      // Again: what an earlier attempt has written is taken as it is.
      expect(await mergeFiles(files, options)).toEqual(merged);
    }),
    { numRuns: 8 },
  ));

it('files that have a row in common are not brought together: one of them is not what it should be', async () => {
  const store = newStore();
  const [rows = []] = fc.sample(sortedRows(EVENTS, { minLength: 10 }), { numRuns: 1, seed: 5 });
  const files = await Promise.all(
    [rows, rows.slice(3, 4)].map((some, index) =>
      store.writeFile(EVENTS, `${FOLDER}day=2026-08-0${index + 1}-1.parquet`, once(some)),
    ),
  );
  const listed = files.filter((file) => file !== null);
  await expect(mergeFiles(listed, { store, table: EVENTS, folder: FOLDER })).rejects.toThrow(DamagedColdFile);
});

const name = fc.integer({ min: 0, max: 30 }).map((number) => String.fromCharCode(65 + number));
const file = fc.record({ ends: fc.tuple(name, name), rows: fc.integer({ min: 1, max: 1_000 }) }).map(
  ({ ends, rows }) =>
    ({
      ...{ path: '', bytes: 0, footerBytes: 0, footerSha256: '', sha256: '', digest: '', groups: [] },
      ...{ rows, first: ['t', ends.toSorted()[0]], last: ['t', ends.toSorted()[1]] },
    }) as ListedFile,
);

it('sequences are as few as the files that one owner may be in', () =>
  fc.assert(
    fc.property(fc.array(file, { maxLength: 12 }), (files) => {
      const runs = runsOf(files);
      expect(new Set(runs.flat())).toEqual(new Set(files));
      expect(runs.flat()).toHaveLength(files.length);
      for (const run of runs)
        for (const [index, one] of run.entries())
          if (index > 0)
            expect(compareOwners((run[index - 1] as ListedFile).last, one.first)).toBeLessThan(0);
      const most = files.map(
        ({ first }) => files.filter((one) => one.first[1] <= first[1] && first[1] <= one.last[1]).length,
      );
      expect(runs).toHaveLength(Math.max(0, ...most));
    }),
  ));

it('after a merge a month is one sequence, or two of which the newer is small', () =>
  fc.assert(
    fc.property(fc.array(file, { maxLength: 12 }), (files) => {
      const chosen = planMerge(files);
      const rest = files.filter((one) => chosen?.includes(one) !== true);
      const runs = runsOf(rest).length + (chosen === null || chosen.length === 0 ? 0 : 1);
      expect(runs).toBeLessThanOrEqual(2);
      const rows = (some: readonly ListedFile[]) => some.reduce((sum, one) => sum + one.rows, 0);
      if (rest.length > 0 && chosen !== null) expect(rows(chosen) * 4).toBeLessThan(rows(rest));
    }),
  ));

it('of very many sequences some are merged at a time, the smallest first, until one is left', () => {
  const overlapping = (index: number): ListedFile => ({
    ...{ path: `${index}`, bytes: 0, footerBytes: 0, footerSha256: '', sha256: '', digest: '', groups: [] },
    ...{ rows: index + 1, first: ['t', 'a'], last: ['t', 'z'] },
  });
  let files = Array.from({ length: 100 }, (_, index) => overlapping(index));
  const sizes: number[] = [];
  for (let chosen = planMerge(files); chosen !== null; chosen = planMerge(files)) {
    sizes.push(chosen.length);
    const rows = chosen.reduce((sum, one) => sum + one.rows, 0);
    files = [...files.filter((one) => !chosen?.includes(one)), { ...overlapping(0), rows }];
  }
  expect(Math.max(...sizes)).toBe(32);
  expect(files.map(({ rows }) => rows)).toEqual([5_050]);
});
