/** A report says the same wherever the rows are: in ClickHouse, in the cold tier, or in the archive alone; or it says what it lacks. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { COLD_FOLDER } from '../../../pipelines/cold/cold-store.ts';
import { type ColdRow, EVENTS, PROFILE_CHANGES } from '../../../pipelines/cold/cold-table.ts';
import { fileListOf, filesOf, type ListedFile } from '../../../pipelines/cold/file-list.ts';
import { ParquetReader } from '../../../pipelines/cold/read-parquet.ts';
import { selectColdRows } from '../../../pipelines/cold/select-rows.ts';
import { createContainer } from '../../../pipelines/common/blob/container.ts';
import { Outage } from '../../../pipelines/common/errors.ts';
import type { ReportRange } from '../../../pipelines/report/event-stage.ts';
import { makeUserReport, type ReportContext } from '../../../pipelines/report/user-report.ts';
import { endpointOf, startCountingProxy, throughProxy } from '../../helpers/counting-proxy.ts';
import { startCuttingProxy } from '../../helpers/cutting-proxy.ts';
import { madeReport } from '../../helpers/made-report.ts';
import { DAY_MS, madeRecords, START, TwoHorizons, USERS } from '../../helpers/two-horizons.ts';

const dayText = (time: number) => new Date(time).toISOString().slice(0, 10);
const everything: ReportRange = { from: null, to: null };

let world: TwoHorizons;
beforeAll(async () => {
  world = await TwoHorizons.create(inject('configFile'));
  const records = madeRecords(600, 11);
  await world.write(records.slice(0, 300));
  await world.exportThrough(dayText(START + 30 * DAY_MS));
  // Late ones among them: some stay in ClickHouse, some go with the next export.
  await world.write(records.slice(300, 400));
  await world.exportThrough(dayText(START + 55 * DAY_MS));
  await world.write(records.slice(400, 450));
  // Tracking and profiles have stopped, the archive goes on.
  await world.write(records.slice(450), { isTracked: false });
});
afterAll(() => world[Symbol.asyncDispose]());

const report = (context: ReportContext, userId: string, range = everything) =>
  madeReport(context, { tenantId: 'acme', userId, range, generatedAt: 0 });

/** All but what a report was read from. */
const answer = async (...asked: Parameters<typeof report>) => {
  const { report: header, ...body } = await report(...asked);
  const { sources, pin, header_digest: _, ...rest } = header;
  return { ...rest, ...body };
};

describe('a report that crosses the horizon', () => {
  it.each(USERS)('says of %s what it would say if everything were local', async (user) => {
    const whole = await answer(world.wholeContext, user);
    expect(whole.records.length).toBeGreaterThan(5);
    expect(await answer(world.context(), user)).toEqual(whole);
    const range = { from: START + 20 * DAY_MS, to: START + 60 * DAY_MS };
    expect(await answer(world.context(), user, range)).toEqual(await answer(world.wholeContext, user, range));
  });

  it('needs all three: each has rows that the others have not', async () => {
    const { sources } = (await report(world.context(), 'u1')).report;
    expect(sources.clickhouse.events).toBeGreaterThan(0);
    expect(sources.cold?.events).toBeGreaterThan(0);
    expect(sources.raw?.events).toBeGreaterThan(0);
    expect(sources).toMatchObject({ local_only: false, cold: { through: dayText(START + 55 * DAY_MS) } });
    const local = await report({ ...world.context(), blob: null }, 'u1');
    expect(local.report.sources).toMatchObject({ local_only: true, cold: null, raw: null });
    const counted = (some: typeof local) =>
      some.records.reduce((sum, { delivery, feedback }) => sum + delivery.length + feedback.length, 0);
    expect(counted(local)).toBeLessThan(counted(await report(world.context(), 'u1')));
  });

  it('of somebody who is not there is empty', async () => {
    const { isKnownUser, document } = await makeUserReport(world.context(), {
      ...{ tenantId: 'acme', userId: 'nobody', range: everything, generatedAt: 0 },
    });
    document[Symbol.dispose]();
    expect(isKnownUser).toBe(false);
  });
});

describe('what it asks of Blob', () => {
  it('is at most two requests and three for each month, when ClickHouse is not behind', async () => {
    await using other = await TwoHorizons.create(inject('configFile'));
    const { blob } = other.harness.config;
    const proxy = await startCountingProxy(endpointOf(blob.connectionString));
    const container = createContainer({
      blob: { ...blob, connectionString: throughProxy(blob.connectionString, proxy) },
    });
    // Nothing was ever archived or exported.
    expect((await report(other.context(container), 'u1')).records).toEqual([]);
    expect(proxy.take()).toHaveLength(2);
    const records = madeRecords(200, 12);
    for (let part = 0; part < 3; part += 1) {
      await other.write(records.slice(part * 70, part * 70 + 70));
      await other.exportThrough(dayText(START + (part + 1) * 25 * DAY_MS));
      for (const user of USERS.slice(0, 2)) {
        const { sources } = (await report(other.context(container), user)).report;
        const counted = proxy.take();
        const months = sources.cold?.months ?? 0;
        expect(counted.length).toBeLessThanOrEqual(2 + 3 * months);
        expect(sources.raw).toMatchObject({ segments: [], records: 0 });
        // The listing of the heads is no part of it.
        const cold = counted.filter(({ path }) => path.includes(COLD_FOLDER));
        expect(sources.cold).toMatchObject({
          requests: cold.length,
          bytes: cold.reduce((sum, { bytes }) => sum + bytes, 0),
        });
      }
    }
    await proxy.close();
  });
});

/** Every blob whose name has the text. */
async function blobsWith(text: string): Promise<string[]> {
  const blobs = await Array.fromAsync(world.container.listBlobsFlat({ prefix: world.prefix }));
  return blobs.map(({ name }) => name).filter((name) => name.includes(text));
}

/** Does the harm to each blob in turn, and undoes it. */
async function eachHarmed(
  names: readonly string[],
  harm: (bytes: Buffer) => Buffer | null,
  see: (name: string) => Promise<void>,
): Promise<void> {
  for (const name of names) {
    const blob = world.container.getBlockBlobClient(name);
    const { metadata = {} } = await blob.getProperties();
    const bytes = await blob.downloadToBuffer();
    const harmed = harm(Buffer.from(bytes));
    if (harmed === null) await blob.delete();
    else await blob.upload(harmed, harmed.length, { metadata });
    try {
      await see(name);
    } finally {
      await blob.upload(bytes, bytes.length, { metadata });
    }
  }
}

const flipped = (bytes: Buffer) => {
  const at = Math.floor(bytes.length / 2);
  bytes[at] = (bytes[at] ?? 0) ^ 0x55;
  return bytes;
};

describe('harm', () => {
  /** The right answer, or an error that names the blob: never an answer that lacks something. */
  async function isError(name: string, isNamed: RegExp): Promise<boolean> {
    const outcome = await answer(world.context(), 'u1').catch((error: unknown) => error);
    if (outcome instanceof Error) expect(`${name}: ${outcome.message}`).toMatch(isNamed);
    else expect(outcome).toEqual(whole);
    return outcome instanceof Error;
  }
  let whole: Awaited<ReturnType<typeof answer>>;
  beforeAll(async () => {
    whole = await answer(world.wholeContext, 'u1');
  });

  it.each([
    ['deleted', () => null, /is gone.*restore the blob/],
    ['changed', flipped, /is (damaged|not one that this release can read).*restore the blob/],
    ['cut off', (bytes: Buffer) => bytes.subarray(0, 100), /(damaged|can read).*restore the blob/],
  ] as const)('a file or list of the cold tier that was %s is named', async (_how, harm, isNamed) => {
    const { manifest } = await world.store.readManifest();
    const [listed] = Object.values(manifest.events.months);
    if (listed === undefined) throw new Error('there is no month');
    const file = filesOf(await world.store.readList(listed), ['acme', 'u1'])[0]?.path ?? '';
    let errors = 0;
    const names = [listed.list, file].map((path) => world.prefix + path);
    await eachHarmed(names, harm, async (name) => {
      errors += (await isError(name, isNamed)) ? 1 : 0;
    });
    expect(errors).toBe(2);
  });

  it('a manifest that is gone, or older than what ClickHouse lets go, is no empty cold tier', async () => {
    const manifest = `${world.prefix}${COLD_FOLDER}manifest.json`;
    const older = (bytes: Buffer) =>
      Buffer.from(bytes.toString().replace(/"through": "[^"]+"/, '"through": "2026-06-20"'));
    for (const harm of [() => null, older]) {
      await eachHarmed([manifest], harm, async () => {
        await expect(report(world.context(), 'u1')).rejects.toThrow(/manifest\.json .*restore/s);
      });
    }
  });

  it.each([
    ['deleted', () => null, /are in no segment|missing by schema/],
    ['changed', flipped, /segment|sha256|block|header|cannot be/],
  ] as const)('a segment that was %s is named', async (_how, harm, isNamed) => {
    // Of the last folder, which are not in ClickHouse, and one that is.
    const names = await blobsWith('raw/');
    let errors = 0;
    await eachHarmed([...names.slice(0, 1), ...names.slice(-3)], harm, async (name) => {
      errors += (await isError(name, isNamed)) ? 1 : 0;
    });
    expect(errors).toBeGreaterThan(0);
  });

  it('Blob that fails in the middle is an outage', async () => {
    const { blob } = world.harness.config;
    const proxy = await startCuttingProxy(new URL(endpointOf(blob.connectionString)).origin);
    const connectionString = throughProxy(blob.connectionString, proxy);
    const container = createContainer({ blob: { ...blob, connectionString } });
    const whole = await answer(world.context(container), 'u2');
    const count = proxy.requests;
    for (let failing = 1; failing <= count; failing += Math.ceil(count / 4)) {
      proxy.requests = 0;
      proxy.fate = (number) => (number >= failing ? (failing % 2 === 0 ? 503 : 'cut-answer') : 'pass');
      await expect(answer(world.context(container), 'u2')).rejects.toThrow(Outage);
    }
    proxy.fate = () => 'pass';
    expect(await answer(world.context(container), 'u2')).toEqual(whole);
    await proxy.close();
  });
});

async function* once(rows: readonly ColdRow[]) {
  yield rows;
}

it('files that were replaced and removed while it read are read where their rows are now', async () => {
  const { store } = world;
  const held = await store.readManifest();
  const { events } = held.manifest;
  const [[month, listed] = ['', null]] = Object.entries(events.months);
  if (listed === null) throw new Error('there is no month');
  const replace = async () => {
    const folder = `${COLD_FOLDER}events/month=${month}/`;
    const { files } = await store.readList(listed);
    const moved: ListedFile[] = [];
    for (const [index, file] of files.entries()) {
      const rows = (await Array.fromAsync((await ParquetReader.open(EVENTS, store.file(file))).all())).flat();
      const one = await store.writeFile(EVENTS, `${folder}part-moved-${index}.parquet`, once(rows));
      if (one !== null) moved.push(one);
    }
    const list = await store.writeList(folder, fileListOf(moved));
    const months = { ...events.months, [month]: list };
    await store.replaceManifest(held, { ...held.manifest, events: { ...events, months } });
    for (const path of [listed.list, ...files.map((file) => file.path)])
      await world.container.deleteBlob(world.prefix + path);
  };
  const { blob } = world.harness.config;
  const proxy = await startCountingProxy(endpointOf(blob.connectionString));
  const connectionString = throughProxy(blob.connectionString, proxy);
  // Its manifest has been read when the list is asked for.
  let replacing: Promise<void> | null = null;
  proxy.before = async (path) => {
    if (!path.includes('/files-')) return;
    replacing ??= replace();
    await replacing;
  };
  const context = world.context(createContainer({ blob: { ...blob, connectionString } }));
  expect(await answer(context, 'u1')).toEqual(await answer(world.wholeContext, 'u1'));
  const manifests = proxy.take().filter(({ path }) => path.includes('manifest.json'));
  expect(manifests).toHaveLength(2);
  await proxy.close();
});

it('profile changes that have left ClickHouse are found in the cold tier', async () => {
  const { store } = world;
  const { client } = world.harness;
  const where = { sql: 'user_id IN {users:Array(String)}', parameters: { users: USERS.slice(0, 3) } };
  const folder = `${COLD_FOLDER}profile_changes/`;
  const rows = selectColdRows(client, PROFILE_CHANGES, where);
  const file = await store.writeFile(PROFILE_CHANGES, `${folder}changes-1.parquet`, rows);
  if (file === null) throw new Error('there are no changes');
  const files = await store.writeList(folder, fileListOf([file]));
  const held = await store.readManifest();
  const { profile_changes: before } = held.manifest;
  await store.replaceManifest(held, { ...held.manifest, profile_changes: { ...before, files } });
  await client.command({
    query: `DELETE FROM profile_changes WHERE ${where.sql}`,
    query_params: where.parameters,
  });
  // What tells that there are more: retention writes it before the changes go.
  const bases = USERS.slice(0, 3).map((user_id) => ({ tenant_id: 'acme', user_id }));
  await client.insert({ table: 'profile_bases', values: bases, format: 'JSONEachRow' });
  for (const user of USERS)
    expect(await answer(world.context(), user)).toEqual(await answer(world.wholeContext, user));
  const { sources } = (await report(world.context(), 'u1')).report;
  expect(sources.clickhouse.profile_changes).toBe(0);
  expect(sources.cold?.profile_changes).toBeGreaterThan(0);
});
