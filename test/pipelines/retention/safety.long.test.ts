/** What retention refuses to do when it cannot know what is where: a manifest that is gone, a ClickHouse that was lost. */
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { ColdStore } from '../../../pipelines/cold/cold-store.ts';
import { createContainer } from '../../../pipelines/common/blob/container.ts';
import { dayText, noonOf, produceDays, rowsByDay, runWith } from '../../helpers/past-days.ts';
import { WholeLedger } from '../../helpers/whole-ledger.ts';

const KEPT = { tracking: { ttlDays: null }, messages: { ttlDays: null }, maxBytes: null };
const after = (ttlDays: number) => ({ ...KEPT, tracking: { ttlDays } });
const MANIFEST = 'tracking/manifest.json';

let ledger: WholeLedger;
let rows: Record<string, number>;
beforeAll(async () => {
  ledger = await WholeLedger.create(inject('configFile'));
  await produceDays(ledger, [100, 99, 98, 97, 96, 0]);
  const writing = ledger.start(['tracking', 'profiles', 'archive']);
  await ledger.caughtUp(['tracking', 'profiles', 'archive']);
  await writing.kill();
  rows = await rowsByDay(ledger);
});
afterAll(async () => {
  await ledger?.[Symbol.asyncDispose]();
});

const place = () => {
  const container = createContainer(ledger.config);
  const { prefix } = ledger.config.blob;
  return { container, prefix, store: new ColdStore(container, prefix) };
};

async function coldPaths(): Promise<string[]> {
  const paths: string[] = [];
  for await (const { path } of place().store.files()) paths.push(path);
  return paths.sort();
}

async function reported(): Promise<unknown> {
  const { stdout } = await ledger.command('report', 'user', '--tenant', 'acme', '--user', 'ann');
  return JSON.parse(stdout).records;
}

it('what was replaced stays for those who are reading it, and goes a while after', async () => {
  const before = await reported();
  const first = await runWith(ledger, { ...after(99), replacedFilesGraceMs: 0 });
  const second = await runWith(ledger, { ...after(97), replacedFilesGraceMs: 0 });
  expect([first.filesRemoved, second.filesRemoved > 0]).toEqual([0, true]);
  // The files that this run itself has replaced are there yet.
  const { manifest } = second.held;
  expect(Object.keys(manifest.unneeded).length).toBeGreaterThan(0);
  const paths = await coldPaths();
  expect(paths).toEqual(expect.arrayContaining(Object.keys(manifest.unneeded)));
  const waited = await runWith(ledger, { ...after(97), replacedFilesGraceMs: 3_600_000 });
  expect(waited.filesRemoved).toBe(0);
  expect(await coldPaths()).toEqual(paths);
  const third = await runWith(ledger, { ...after(97), replacedFilesGraceMs: 0 });
  expect(third.filesRemoved).toBe(Object.keys(manifest.unneeded).length);
  expect(await reported()).toEqual(before);
});

it('by a manifest that is gone, or an older one, nothing is exported, let go or removed', async () => {
  const { container, prefix } = place();
  const blob = container.getBlockBlobClient(prefix + MANIFEST);
  const older = await blob.downloadToBuffer();
  await runWith(ledger, { ...after(96), replacedFilesGraceMs: 0 });
  const newer = await blob.downloadToBuffer();
  const [paths, left] = [await coldPaths(), await rowsByDay(ledger)];
  const refused = async (reason: RegExp) => {
    await expect(runWith(ledger, { ...after(95), replacedFilesGraceMs: 0 })).rejects.toThrow(reason);
    const plan = await ledger.command('retention', 'plan');
    expect(plan).toMatchObject({ exitCode: 1, stdout: '' });
    expect(plan.stderr).toMatch(reason);
    const restored = await ledger.command(
      'archive',
      'restore',
      '--to',
      'clickhouse',
      '--tenant',
      'acme',
      '--user',
      'ann',
    );
    expect(restored.exitCode).toBe(1);
    expect(restored.stderr).toMatch(reason);
    expect([await coldPaths(), await rowsByDay(ledger)]).toEqual([paths, left]);
  };
  await blob.delete();
  await refused(
    /events of days up to \S+ as being in the cold tier, but tracking\/manifest\.json is gone.*from its versions/,
  );
  await blob.upload(older, older.length);
  await refused(/tracking\/manifest\.json ends at \S+/);
  // A table that was made anew lets nothing go by itself: the files tell that there was more.
  await blob.delete();
  await ledger.harness.client.command({ query: 'ALTER TABLE events REMOVE TTL' });
  await refused(/tracking\/manifest\.json is gone, but there are files that it named, as tracking\//);
  await blob.upload(newer, newer.length);
  expect((await runWith(ledger, after(96))).rowsGone).toBe(0);
  expect(await rowsByDay(ledger)).toEqual(left);
});

it('an export that was begun waits until a ClickHouse that was lost is whole again', async () => {
  const before = await reported();
  const { store } = place();
  const held = await store.readManifest();
  const { events } = held.manifest;
  const through = dayText(95);
  await store.replaceManifest(held, {
    ...held.manifest,
    events: { ...events, pending: { through, next: { ...events.next } } },
  });
  const tables = await ledger.rows<{ name: string }>(
    `SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' AND name != 'migrations'`,
  );
  for (const { name } of tables) await ledger.harness.client.command({ query: `TRUNCATE TABLE ${name}` });

  await expect(runWith(ledger, after(95))).rejects.toThrow(
    /ClickHouse has .+ partition \d+ up to offset 0, but the cold tier up to \d+.*archive restore --all/,
  );
  const plan = await ledger.command('retention', 'plan');
  expect(plan.exitCode).toBe(0);
  expect(plan.stdout).toMatch(/^warning: ClickHouse has .+ Nothing goes until it has as much$/m);
  expect((await store.readManifest()).manifest.events).toMatchObject({ pending: { through } });

  const restored = await ledger.command('archive', 'restore', '--all');
  expect(restored.exitCode, restored.stderr).toBe(0);
  await runWith(ledger, after(95));
  const { manifest } = await store.readManifest();
  expect(manifest.events).toMatchObject({ pending: null, through });
  const inCold = Object.values(manifest.events.months).reduce((sum, month) => sum + month.rows, 0);
  const old = Object.entries(rows).filter(([day]) => Date.parse(day) < noonOf(95));
  expect(inCold).toBe(old.reduce((sum, [, count]) => sum + count, 0));
  expect(await reported()).toEqual(before);
});
