/** The cold tier's files: read back by us whole and by owner, and by DuckDB without a line of ours. */
import { hash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  CAMPAIGNS,
  type ColdRow,
  type ColdTable,
  compareUtf8,
  EVENTS,
  ownerOf,
  PROFILE_CHANGES,
} from '../../../pipelines/cold/cold-table.ts';
import { mergeRows } from '../../../pipelines/cold/merge-rows.ts';
import { DamagedColdFile, ParquetReader } from '../../../pipelines/cold/read-parquet.ts';
import { RowDigest } from '../../../pipelines/cold/row-digest.ts';
import { inMemory, parquetOf, sortedRows, type WrittenFile } from '../../helpers/cold-rows.ts';

const TABLES = [EVENTS, PROFILE_CHANGES, CAMPAIGNS];

let folder: string;
let duckdb: DuckDBConnection;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ledger-cold-'));
  duckdb = await (await DuckDBInstance.create(':memory:')).connect();
});
afterAll(async () => {
  duckdb.closeSync();
  await rm(folder, { recursive: true });
});

async function rowsIn(table: ColdTable, file: WrittenFile): Promise<ColdRow[]> {
  const reader = await ParquetReader.open(table, inMemory(file));
  return (await Array.fromAsync(reader.all())).flat();
}

const written = (table: ColdTable) =>
  fc.record({
    rows: sortedRows(table, { minLength: 1 }),
    groupRows: fc.integer({ min: 1, max: 20 }),
  });

describe.each(TABLES.map((table) => [table.name, table] as const))('%s', (_name, table) => {
  it('come back as they were written', () =>
    fc.assert(
      fc.asyncProperty(written(table), async ({ rows, groupRows }) => {
        const file = parquetOf(table, rows, groupRows) as WrittenFile;
        expect(await rowsIn(table, file)).toEqual(rows);
        const digest = new RowDigest();
        for (const row of rows.toReversed()) digest.add(row);
        const footerBytes = file.bytes.readUInt32LE(file.bytes.length - 8) + 8;
        expect(file.facts).toEqual({
          rows: rows.length,
          bytes: file.bytes.length,
          footerBytes,
          footerSha256: hash('sha256', file.bytes.subarray(-footerBytes)),
          sha256: hash('sha256', file.bytes),
          digest: digest.hex,
          first: ownerOf(table, rows[0] as ColdRow),
          last: ownerOf(table, rows.at(-1) as ColdRow),
          groups: expect.any(Array),
        });
        expect(file.facts.groups.map(([tenant, user]) => [tenant, user])).toEqual(
          rows.filter((_, index) => index % groupRows === 0).map((row) => ownerOf(table, row)),
        );
      }),
    ));

  it('texts keep a byte order mark at their beginning', async () => {
    const [[row] = []] = fc.sample(sortedRows(table, { minLength: 1 }), { seed: 1, numRuns: 1 });
    const marked = (row ?? []).map((value, index) =>
      table.columns[index]?.kind === 'text' ? '\ufeffa\ufeff' : value,
    );
    expect(await rowsIn(table, parquetOf(table, [marked]) as WrittenFile)).toEqual([marked]);
  });

  it('of one owner are found with one read, whoever else is there, and unpacked a row group at a time', () =>
    fc.assert(
      fc.asyncProperty(written(table), async ({ rows, groupRows }) => {
        const file = parquetOf(table, rows, groupRows) as WrittenFile;
        const owners = new Map(rows.map((row) => [JSON.stringify(ownerOf(table, row)), ownerOf(table, row)]));
        owners.set('nobody', ['a', 'nobody']);
        for (const owner of owners.values()) {
          const store = inMemory(file);
          const parts = await Array.fromAsync(ParquetReader.eachOf(table, store, owner));
          const found = parts.flat();
          expect(Math.max(0, ...parts.map(({ length }) => length))).toBeLessThanOrEqual(groupRows);
          expect(found).toEqual(rows.filter((row) => `${ownerOf(table, row)}` === `${owner}`));
          expect(store.reads.length).toBeLessThanOrEqual(1);
        }
      }),
      { numRuns: 30 },
    ));

  it('are read by DuckDB, with their types', () =>
    fc.assert(
      fc.asyncProperty(written(table), async ({ rows, groupRows }) => {
        const path = join(folder, `${table.name}.parquet`);
        await writeFile(path, (parquetOf(table, rows, groupRows) as WrittenFile).bytes);
        const columns = table.columns.map(({ name, kind }) =>
          kind === 'instant'
            ? `epoch_ms("${name}")`
            : kind === 'texts'
              ? `map_entries("${name}")`
              : `"${name}"`,
        );
        const answer = await duckdb.runAndReadAll(
          `SELECT ${columns.join(', ')} FROM read_parquet('${path}')`,
        );
        const kinds = table.columns.map(({ kind }) => kind);
        const expected = rows.map((row) =>
          row.map((value, index) =>
            value !== null && kinds[index] === 'texts'
              ? Object.entries(value)
              : kinds[index] === 'instant' && value !== null
                ? BigInt(value as number)
                : value,
          ),
        );
        const seen = answer
          .getRowsJS()
          .map((row) =>
            row.map((value, index) =>
              kinds[index] === 'texts'
                ? (value as { key: string; value: string }[]).map((one) => [one.key, one.value])
                : value,
            ),
          );
        expect(seen).toEqual(expected);
      }),
      { numRuns: 30 },
    ));
});

it('names are ordered as their bytes are', () =>
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
      expect(Math.sign(compareUtf8(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
  ));

it('several files are one, and what two of them have comes once', () =>
  fc.assert(
    fc.asyncProperty(
      sortedRows(EVENTS),
      fc.infiniteStream(fc.integer({ min: 1, max: 7 })),
      async (rows, draw) => {
        // The bits say which of three files a row is in: one of them at least.
        const files: ColdRow[][] = [[], [], []];
        for (const row of rows) {
          const bits = draw.next().value;
          for (const [index, file] of files.entries()) if ((bits & (1 << index)) !== 0) file.push(row);
        }
        const inputs = files.map(async function* (file) {
          for (let from = 0; from < file.length; from += 3) yield file.slice(from, from + 3);
        });
        expect((await Array.fromAsync(mergeRows(EVENTS, inputs))).flat()).toEqual(rows);
      },
    ),
  ));

describe('a file that is damaged', () => {
  const [sample] = fc.sample(sortedRows(EVENTS, { minLength: 20, maxLength: 40 }), { numRuns: 1, seed: 7 });
  const file = parquetOf(EVENTS, sample ?? [], 8) as WrittenFile;

  it('gives no row that was not written, wherever a byte has changed', () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 4, max: file.bytes.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        async (at, flip) => {
          const bytes = Buffer.from(file.bytes);
          bytes[at] = (bytes[at] ?? 0) ^ flip;
          const outcome = await rowsIn(EVENTS, { ...file, bytes }).catch((error: unknown) => error);
          if (outcome instanceof DamagedColdFile)
            expect(outcome.message).toContain('tracking/some.parquet is damaged');
          else expect(outcome).toEqual(sample);
        },
      ),
      { numRuns: 300 },
    ));

  it('is named when it has been cut off', async () => {
    for (const length of [0, 1, 8, file.bytes.length - 1]) {
      const bytes = file.bytes.subarray(0, length);
      await expect(rowsIn(EVENTS, { ...file, bytes })).rejects.toThrow(DamagedColdFile);
    }
  });
});
