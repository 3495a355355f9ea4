/** Retention as one runs it: what is due goes to the cold tier and leaves; what is not confirmed stays, and is named. */
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { ColdStore } from '../../../pipelines/cold/cold-store.ts';
import { createContainer } from '../../../pipelines/common/blob/container.ts';
import { systemClock } from '../../../pipelines/common/clock.ts';
import { reasonsOf } from '../../../pipelines/retention/reasons.ts';
import { takeRetentionLock } from '../../../pipelines/retention/retention-lock.ts';
import { startCuttingProxy } from '../../helpers/cutting-proxy.ts';
import { dayText, produceDays, rowsByDay, runWith, segmentsOf, USERS } from '../../helpers/past-days.ts';
import { ledgerCommand, type PipelineChild } from '../../helpers/pipeline-child.ts';
import { WholeLedger } from '../../helpers/whole-ledger.ts';

const NOTHING = {
  tracking: { ttlDays: null },
  messages: { ttlDays: null },
  maxBytes: null,
  replacedFilesGraceMs: 60_000,
};
/** 100 to 91 days ago, and today. */
const AGES = [...Array.from({ length: 10 }, (_, index) => 100 - index), 0];

let ledger: WholeLedger;
let writing: PipelineChild;
let rows: Record<string, number>;
beforeAll(async () => {
  ledger = await WholeLedger.create(inject('configFile'));
  await produceDays(ledger, AGES);
  writing = ledger.start(['tracking']);
  await ledger.caughtUp(['tracking']);
  rows = await rowsByDay(ledger);
});
afterAll(async () => {
  await writing?.kill();
  await ledger?.[Symbol.asyncDispose]();
});

/** Every row of events in the Parquet files, as DuckDB reads them. */
async function coldRows(): Promise<Record<string, number>> {
  const container = createContainer(ledger.config);
  const { prefix } = ledger.config.blob;
  const store = new ColdStore(container, prefix);
  const { manifest } = await store.readManifest();
  const connection = await (await DuckDBInstance.create()).connect();
  const counts: Record<string, number> = {};
  for (const listed of Object.values(manifest.events.months)) {
    for (const { path } of (await store.readList(listed)).files) {
      const file = `${ledger.folder}/${path.replaceAll('/', '_')}`;
      await container.getBlobClient(prefix + path).downloadToFile(file);
      const result = await connection.runAndReadAll(
        `SELECT strftime(occurred_at, '%Y-%m-%d') AS day, count(DISTINCT (source, "offset"))::INTEGER FROM read_parquet('${file}') GROUP BY day`,
      );
      for (const [day, count] of result.getRows() as [string, number][])
        counts[day] = (counts[day] ?? 0) + count;
    }
  }
  connection.closeSync();
  return counts;
}

const upTo = (last: string) => Object.fromEntries(Object.entries(rows).filter(([day]) => day <= last));
const after = (last: string) => Object.fromEntries(Object.entries(rows).filter(([day]) => day > last));

it('without an archive nothing goes, and each day says which partition is behind from where', async () => {
  const { look, exported } = await runWith(ledger, { ...NOTHING, tracking: { ttlDays: 95 } });
  expect(look.plan.days.map(({ day }) => day)).toEqual(Object.keys(rows).filter((day) => day <= dayText(95)));
  const texts = look.plan.days.flatMap((day) => reasonsOf(day, look.sources).map(({ text }) => text));
  expect(
    new Set(texts).has(`archive not confirmed for ${ledger.topic('delivery')} partition 0 from offset 0`),
  ).toBe(true);
  expect(exported.rows).toBe(0);
  expect(await rowsByDay(ledger)).toEqual(rows);
  const { exitCode, stdout } = await ledger.command('retention', 'plan');
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(
    new RegExp(`^${dayText(100)}: kept, archive not confirmed for \\S+ partition \\d from offset 0`, 'm'),
  );
});

describe('with the archive', () => {
  beforeAll(async () => {
    const archiving = ledger.start(['archive']);
    await ledger.caughtUp(['archive']);
    await archiving.kill();
  });

  it('a plan says what would go, and changes nothing', async () => {
    const { stdout } = await ledger.command('retention', 'plan');
    expect(stdout).toMatch(new RegExp(`^${dayText(95)}: goes \\(older than 90 days\\), \\d+ rows`, 'm'));
    expect(stdout).toMatch(/^everything is in ClickHouse so far$/m);
    expect(await rowsByDay(ledger)).toEqual(rows);
  });

  it('what is over its time is in the cold tier and no more in ClickHouse', async () => {
    const result = await runWith(ledger, { ...NOTHING, tracking: { ttlDays: 96 } });
    expect(await rowsByDay(ledger)).toEqual(after(dayText(96)));
    expect(await coldRows()).toEqual(upTo(dayText(96)));
    const count = Object.values(upTo(dayText(96))).reduce((sum, one) => sum + one, 0);
    expect(result).toMatchObject({ rowsGone: count, exported: { rows: count } });
    const again = await runWith(ledger, { ...NOTHING, tracking: { ttlDays: 96 } });
    expect(again).toMatchObject({ rowsGone: 0, exported: { rows: 0 } });
  });

  it('what comes late for a day that is gone is kept until it is there as well', async () => {
    await produceDays(ledger, [98], { tag: '-late' });
    await ledger.caughtUp(['tracking']);
    const late = USERS.length * 2;
    const settings = { ...NOTHING, tracking: { ttlDays: 96 } };
    const held = await runWith(ledger, settings);
    expect(held.look.plan.days.map(({ day, unconfirmed }) => [day, unconfirmed.length > 0])).toEqual([
      [dayText(98), true],
      [dayText(97), true],
    ]);
    expect((await rowsByDay(ledger))[dayText(98)]).toBe(late);

    const archiving = ledger.start(['archive']);
    await ledger.caughtUp(['archive']);
    await archiving.kill();
    await runWith(ledger, settings);
    expect((await rowsByDay(ledger))[dayText(98)]).toBeUndefined();
    rows[dayText(98)] = (rows[dayText(98)] ?? 0) + late;
    rows[dayText(97)] = (rows[dayText(97)] ?? 0) + USERS.length;
    expect(await coldRows()).toEqual(upTo(dayText(96)));
  });

  it('for want of space the oldest go, down to the low mark and no further', async () => {
    // Merges make tables smaller: none is to be left for between the measuring and the run.
    const { database } = ledger.config.clickhouse;
    const tables = await ledger.rows<{ name: string }>(
      `SELECT name FROM system.tables WHERE database = '${database}' AND engine LIKE '%MergeTree'`,
    );
    for (const { name } of tables) {
      const query = `OPTIMIZE TABLE ${database}.${name} FINAL`;
      await ledger.harness.client.command({ query });
    }
    const [sizes] = await ledger.rows<{ total: string; oldest: string }>(
      `SELECT toString(sum(bytes_on_disk)) AS total, toString(sumIf(bytes_on_disk, table = 'events' AND partition = '${dayText(95).replaceAll('-', '')}')) AS oldest
       FROM system.parts WHERE active AND database = '${database}'`,
    );
    const total = Number(sizes?.total);
    // One day is not enough for the low mark, two are.
    const lowWaterPercent = Math.floor(((total - Number(sizes?.oldest) * 1.2) / total) * 100);
    await runWith(ledger, { ...NOTHING, maxBytes: total - 1, lowWaterPercent });
    const left = Object.keys(await rowsByDay(ledger));
    expect(left[0] === dayText(94) || left[0] === dayText(93)).toBe(true);
    expect(await coldRows()).toEqual(upTo(dayText(left[0] === dayText(94) ? 95 : 94)));
    // A limit below what must stay: everything but today goes, and it says so.
    const short = await runWith(ledger, { ...NOTHING, maxBytes: 1_000 });
    expect(short.look.plan.overBytes).toBeGreaterThan(0);
    expect(Object.keys(await rowsByDay(ledger))).toEqual([dayText(0)]);
    expect(await coldRows()).toEqual(upTo(dayText(1)));
  });

  it('a segment that is gone holds back what came after it', async () => {
    await produceDays(ledger, [40], { tag: '-again' });
    const archiving = ledger.start(['archive']);
    await ledger.caughtUp(['tracking', 'archive']);
    await archiving.kill();
    const container = createContainer(ledger.config);
    const newest = (await segmentsOf(ledger, 'feedback')).toSorted().at(-1) ?? '';
    const blob = container.getBlockBlobClient(ledger.config.blob.prefix + newest);
    const copy = await blob.downloadToBuffer();
    const { metadata = {} } = await blob.getProperties();
    await blob.delete();
    const settings = { ...NOTHING, tracking: { ttlDays: 30 } };
    const { look } = await runWith(ledger, settings);
    const reasons = look.plan.days.flatMap((day) => reasonsOf(day, look.sources));
    expect(reasons.map(({ code }) => code)).toContain('archive_damaged');
    expect(reasons.map(({ text }) => text).join()).toMatch(
      /segment_missing: offsets \d+\.\.\d+ are in no segment/,
    );
    const before = await rowsByDay(ledger);
    expect(Object.keys(before)).toContain(dayText(40));
    await blob.upload(copy, copy.length, { metadata });
    const mended = await runWith(ledger, settings);
    expect(mended.look.plan.days.flatMap((day) => reasonsOf(day, mended.look.sources))).toEqual([]);
    expect(Object.keys(await rowsByDay(ledger))).toEqual([dayText(0)]);
  });

  it('of two at once the second says who is at it', async () => {
    const container = createContainer(ledger.config);
    const { prefix } = ledger.config.blob;
    const lock = await takeRetentionLock(container, { prefix, clock: systemClock, waitMs: 0 });
    await expect(runWith(ledger, NOTHING)).rejects.toThrow(/another retention run is under way: \S+ since /);
    await lock.release();
  });

  it('status says what is where', async () => {
    const { exitCode, stdout } = await ledger.command('retention', 'status', '--json');
    expect(exitCode).toBe(0);
    const status = JSON.parse(stdout);
    expect(status.tables.map(({ table }: { table: string }) => table)).toContain('message_events');
    const inCold = Object.values(await coldRows()).reduce((sum, one) => sum + one, 0);
    expect(status.cold.reduce((sum: number, month: { rows: number }) => sum + month.rows, 0)).toBe(inCold);
    const text = (await ledger.command('retention', 'status')).stdout;
    expect(text).toMatch(/^events \d{4}-\d\d +\d/m);
  });

  it('what fails in the middle is waited out, and nothing is lost or left undone', async () => {
    await produceDays(ledger, [60, 59], { tag: '-through' });
    const archiving = ledger.start(['archive']);
    await ledger.caughtUp(['tracking', 'archive']);
    await archiving.kill();
    const before = await rowsByDay(ledger);
    const inCold = await coldRows();
    const { config } = ledger;
    const endpoint = /BlobEndpoint=([^;]+)/.exec(config.blob.connectionString ?? '')?.[1] ?? '';
    const direct = new URL(endpoint).origin;
    const blob = await startCuttingProxy(direct);
    const clickhouse = await startCuttingProxy(config.clickhouse.url);
    const fates = ['lose', 'cut-answer', 'refuse'] as const;
    let faults = 0;
    for (const [proxy, numbers] of [
      [blob, [9, 31, 47]],
      [clickhouse, [6, 17, 33]],
    ] as const) {
      proxy.fate = (number) => {
        if (!(numbers as readonly number[]).includes(number)) return 'pass';
        faults += 1;
        return fates[faults % fates.length] ?? 'pass';
      };
    }
    const through = await ledger.configured('through', {
      retention: { tracking: { ttlDays: 30 } },
      blob: { connectionString: config.blob.connectionString?.replace(direct, blob.url) ?? null },
      clickhouse: { url: clickhouse.url },
    });
    const { exitCode, stderr } = await ledgerCommand(['retention', 'run', '--config', through]);
    await blob.close();
    await clickhouse.close();
    expect(exitCode, stderr).toBe(0);
    expect(faults).toBeGreaterThanOrEqual(4);
    expect(Object.keys(await rowsByDay(ledger))).toEqual([dayText(0)]);
    const { [dayText(0)]: _today, ...gone } = before;
    const wanted = { ...inCold };
    for (const [day, count] of Object.entries(gone)) wanted[day] = (wanted[day] ?? 0) + count;
    expect(await coldRows()).toEqual(wanted);
  });

  it('a report that meets blobs in the archive tier has all of its own brought back when told to', async () => {
    const report = (...options: string[]) =>
      ledger.command('report', 'user', '--tenant', 'acme', '--user', 'ann', ...options);
    const before = JSON.parse((await report()).stdout);
    expect(before.records.length).toBeGreaterThanOrEqual(AGES.length);
    expect(before.report.sources.cold.events).toBeGreaterThan(0);
    const container = createContainer(ledger.config);
    const prefix = `${ledger.config.blob.prefix}tracking/`;
    for await (const { name } of container.listBlobsFlat({ prefix }))
      if (name.endsWith('.parquet')) await container.getBlobClient(name).setAccessTier('Archive');
    const refused = await report();
    expect(refused).toMatchObject({ exitCode: 1, stdout: '' });
    expect(refused.stderr).toMatch(/tracking\/\S+\.parquet is offline, in the archive tier/);
    expect(refused.stderr).toMatch(/with --rehydrate/);
    const told = await report('--rehydrate');
    expect(told.exitCode).toBe(1);
    expect(told.stderr).toMatch(/[2-9] blobs \(\S+ bytes\) are being brought back[\s\S]*come back at \S+Z/);
    const after = JSON.parse((await report()).stdout);
    expect({ ...after, report: null }).toEqual({ ...before, report: null });
  });

  it('inside of run it goes by itself, and shows its metrics', async () => {
    await produceDays(ledger, [50], { tag: '-scheduled' });
    const configFile = await ledger.configured('scheduled', {
      retention: { intervalMs: 1_000, tracking: { ttlDays: 30 } },
    });
    const running = ledger.start([], { configFile });
    await running.until('a run that let go', () => running.log.some(({ rowsGone }) => Number(rowsGone) > 0));
    const url = await running.url();
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toMatch(/^ledger_rows_let_go_total [1-9]/m);
    expect(metrics).toMatch(/^ledger_kept_days\{reason="archive_behind"\} \d+$/m);
    expect(metrics).toMatch(/^ledger_local_horizon_timestamp_seconds [1-9]/m);
    expect(await running.stop()).toMatchObject({ code: 0 });
    expect(Object.keys(await rowsByDay(ledger))).toEqual([dayText(0)]);
  });
});
