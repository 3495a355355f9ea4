/** Old profile changes leave ClickHouse, and no version is other than it would be with all of them there. */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { ColdStore } from '../../../pipelines/cold/cold-store.ts';
import { PROFILE_CHANGES } from '../../../pipelines/cold/cold-table.ts';
import { bringOwnedTogether, exportOwned } from '../../../pipelines/cold/export-changes.ts';
import { createContainer } from '../../../pipelines/common/blob/container.ts';
import { type ClickHouseClient, createClickHouse } from '../../../pipelines/common/clickhouse/client.ts';
import { Outage } from '../../../pipelines/common/errors.ts';
import type { Sink } from '../../../pipelines/common/sink.ts';
import { hasBase } from '../../../pipelines/profiles/bases.ts';
import { createProfilesPipeline } from '../../../pipelines/profiles/pipeline.ts';
import { profileAt } from '../../../pipelines/report/profile-timeline.ts';
import { readUser } from '../../../pipelines/report/read-clickhouse.ts';
import { localHistory, readBase } from '../../../pipelines/report/read-history.ts';
import { trimProfileChanges } from '../../../pipelines/retention/trim-profile-changes.ts';
import { Findings } from '../../../pipelines/verify/findings.ts';
import { checkVersions } from '../../../pipelines/verify/versions-check.ts';
import { LedgerHarness } from '../../helpers/ledger-harness.ts';
import { NOON } from '../../helpers/ledger-values.ts';
import { changeBatch, type RecordedChange, versionsOf } from '../../helpers/profile-changes.ts';
import { oracleVersions } from '../../helpers/profile-oracle.ts';

const HOUR_MS = 3_600_000;
const always = () => true;
const { signal } = new AbortController();

let ledger: LedgerHarness;
let sink: Sink;
let store: ColdStore;
beforeAll(async () => {
  const prefix = `trim-test-${randomUUID()}/`;
  ledger = await LedgerHarness.create(inject('configFile'), { overrides: { blob: { prefix } } });
  ({ sink } = await ledger.pipeline(createProfilesPipeline));
  store = new ColdStore(createContainer(ledger.config), prefix);
});
afterAll(() => ledger[Symbol.asyncDispose]());

/** By partition, the offset behind all that was written: offsets go on from run to run. */
const written = [0, 0];

type Draft = Omit<RecordedChange, 'offset'>;

/** Few ids and instants, so that copies, ties and late changes are the rule. */
const drafts: fc.Arbitrary<Draft> = fc
  .record({
    user_id: fc.constantFrom('u1', 'u2', 'u3', 'u4', "o'hara\\", 'grüße 🎈', '\uffee', 'tab\t{x:String}'),
    change_id: fc.constantFrom(...Array.from({ length: 12 }, (_, index) => `c${index}`)),
    op: fc.constantFrom('SNAPSHOT' as const, 'PATCH' as const, 'PATCH' as const, 'DELETE' as const),
    changed_at: fc.integer({ min: 0, max: 7 }).map((hour) => NOON + hour * HOUR_MS),
    source_version: fc.option(fc.integer({ min: 0, max: 3 })),
    attributes: fc.constantFrom(
      '{"x":1}',
      '{"x":null,"v":7.50}',
      '{"y":{"z":2}}',
      '{"y":{"z":null,"w":3}}',
      '{}',
    ),
    recordedAt: fc.integer({ min: 0, max: 5 }).map((hour) => NOON + (24 + hour) * HOUR_MS),
    partition: fc.constantFrom(0, 1),
  })
  .map((draft) => ({ ...draft, attributes: draft.op === 'DELETE' ? null : draft.attributes }));

const batches = fc.array(fc.array(drafts, { minLength: 1, maxLength: 16 }), { minLength: 3, maxLength: 6 });

let tenants = 0;
const newTenant = () => `tenant-${tenants++}`;

/** Takes offsets, and writes: a batch is of one partition. */
async function write(tenant: string, batch: readonly Draft[]): Promise<RecordedChange[]> {
  const records = batch.map((draft): RecordedChange => {
    const offset = written[draft.partition] ?? 0;
    written[draft.partition] = offset + 1;
    return { ...draft, offset };
  });
  await writeAgain(tenant, records);
  return records;
}

async function writeAgain(tenant: string, records: readonly RecordedChange[]): Promise<void> {
  for (const own of Object.values(Object.groupBy(records, ({ partition }) => partition)))
    if (own !== undefined) await sink.write([changeBatch(ledger, tenant, own)], always);
}

async function exportAll(offsets: readonly number[] = written): Promise<void> {
  const { topicId } = ledger.batch('profiles', []).source;
  const wanted = Object.fromEntries(offsets.map((offset, partition) => [`${topicId}/${partition}`, offset]));
  const { client } = ledger;
  const held = await exportOwned(await store.readManifest(), PROFILE_CHANGES, wanted, { store, client });
  await bringOwnedTogether(held, PROFILE_CHANGES, { store });
}

/** @param hours after noon */
async function trim(hours: number, client: ClickHouseClient = ledger.client): Promise<number> {
  const { manifest } = await store.readManifest();
  const horizon = NOON + hours * HOUR_MS;
  return (await trimProfileChanges({ client, store, signal, manifest, horizon, usersAtOnce: 5 })).users;
}

async function expectVersions(tenant: string, records: readonly RecordedChange[]): Promise<void> {
  const expected = Object.entries(Object.groupBy(records, ({ user_id }) => user_id)).map(
    ([user, own = []]) => [
      user,
      oracleVersions(
        own.map(({ recordedAt: timestamp, partition, offset, ...one }) => ({
          ...one,
          record: { timestamp, partition, offset },
        })),
      ),
    ],
  );
  const stored = Object.entries(await versionsOf(ledger, tenant)).map(([user, versions]) => [
    user,
    (versions as Record<string, unknown>[]).map((one) => ({
      version: one.version,
      valid_from: Number(one.validFrom),
      valid_to: one.validTo === null ? null : Number(one.validTo),
      status: one.deleted === true ? 'deleted' : 'found',
      attributes: JSON.parse(String(one.attributes)),
      change_ids: one.changeIds,
      recorded_at: Number(one.recordedAt),
    })),
  ]);
  expect(Object.fromEntries(stored)).toEqual(Object.fromEntries(expected));
}

/** What a report that asks ClickHouse alone says of each user: from the base on what is, before it that it does not know. */
async function expectLocal(tenant: string, records: readonly RecordedChange[]): Promise<number> {
  let known = 0;
  const reader = { clickhouse: ledger.client, database: ledger.config.clickhouse.database };
  for (const [userId, own = []] of Object.entries(Object.groupBy(records, ({ user_id }) => user_id))) {
    const user = { tenantId: tenant, userId };
    const { changes } = await readUser(reader, user, { onEvent: () => {} });
    const base = await readBase(reader, user);
    if (base === null) continue;
    const { versions, knownFrom } = localHistory(changes, { base, isPartial: false });
    if (knownFrom === Number.POSITIVE_INFINITY) continue;
    known += 1;
    const told = own.map(({ recordedAt: timestamp, partition, offset, ...one }) => ({
      ...one,
      record: { timestamp, partition, offset },
    }));
    const expected = oracleVersions(told).filter(({ valid_from }) => valid_from >= (knownFrom ?? 0));
    expect(
      versions.map((one) => [one.version, one.validFrom, one.deleted, JSON.parse(one.attributes)]),
    ).toEqual(expected.map((one) => [one.version, one.valid_from, one.status === 'deleted', one.attributes]));
    expect(profileAt({ versions, knownFrom }, (knownFrom ?? 0) - 1)).toEqual({ status: 'expired' });
  }
  return known;
}

/** Fails at one of its statements that change something, before or after it is done. */
function failingClient(step: number, isAfter: boolean): ClickHouseClient {
  const { client } = ledger;
  let left = step;
  const maybe = async <T>(work: () => Promise<T>): Promise<T> => {
    left -= 1;
    if (left === 0 && !isAfter) throw new Outage('clickhouse', 'as the test wants it');
    const done = await work();
    if (left === 0) throw new Outage('clickhouse', 'as the test wants it');
    return done;
  };
  return new Proxy(client, {
    get(target, name) {
      if (name === 'insert')
        return (...of: Parameters<ClickHouseClient['insert']>) => maybe(() => client.insert(...of));
      if (name === 'command')
        return (...of: Parameters<ClickHouseClient['command']>) => maybe(() => client.command(...of));
      return Reflect.get(target, name, target);
    },
  });
}

it('at several horizons, with late changes and copies of what is gone, whatever stops it', async () => {
  let [users, stops, local] = [0, 0, 0];
  await fc.assert(
    fc.asyncProperty(batches, fc.infiniteStream(fc.nat(99)), async (some, dice) => {
      const roll = (sides: number) => (dice.next().value as number) % sides;
      const tenant = newTenant();
      const all: RecordedChange[][] = [];
      for (const [index, batch] of some.entries()) {
        const before = [...written];
        all.push(await write(tenant, batch));
        // What is not exported yet stays.
        if (roll(3) > 0) await exportAll(roll(3) === 0 ? before : written);
        const hours = index + roll(3);
        if (roll(2) === 0) {
          stops += 1;
          const client = failingClient(1 + roll(3), roll(2) === 0);
          await trim(hours, client).catch((error: unknown) => expect(error).toBeInstanceOf(Outage));
        }
        if (roll(2) === 0) users += await trim(hours);
        // Of a process that was frozen, or read again from an earlier offset.
        if (roll(3) === 0) await writeAgain(tenant, all[roll(all.length)] ?? []);
        if (roll(3) === 0) await expectVersions(tenant, all.flat());
      }
      await expectVersions(tenant, all.flat());
      local += await expectLocal(tenant, all.flat());
    }),
    { numRuns: 5, endOnFailure: true },
  );
  expect(local).toBeGreaterThan(2);
  expect(users).toBeGreaterThan(5);
  expect(stops).toBeGreaterThan(2);
});

it('leaves the changes of the last instant, and a base that says so', async () => {
  const tenant = newTenant();
  const at = (hour: number, fields: Partial<Draft> = {}): Draft => ({
    user_id: 'u1',
    change_id: `at-${hour}`,
    op: 'PATCH',
    changed_at: NOON + hour * HOUR_MS,
    source_version: null,
    attributes: JSON.stringify({ [`k${hour}`]: hour }),
    recordedAt: NOON + 24 * HOUR_MS,
    partition: 0,
    ...fields,
  });
  const { client } = ledger;
  const user = { tenantId: tenant, userId: 'u1' };
  const left = async () =>
    (
      await ledger.rows<{ change_id: string }>(
        'SELECT change_id FROM profile_changes WHERE tenant_id = {tenant:String} ORDER BY changed_at',
        { tenant },
      )
    ).map(({ change_id }) => change_id);
  const all = await write(tenant, [at(1), at(2), at(3), at(4), at(6)]);
  // Nothing is exported.
  await trim(5);
  expect(await left()).toHaveLength(5);
  expect(await hasBase(client, user)).toBe(false);
  await exportAll();
  await trim(5);
  expect(await left()).toEqual(['at-4', 'at-6']);
  expect(await hasBase(client, user)).toBe(true);
  expect(
    await ledger.rows(
      `SELECT toUnixTimestamp64Milli(base_at) AS at, versions, deleted, attributes, length(change_hashes) AS hashes,
         arraySort(change_hashes) = arraySort(arrayMap(id -> reinterpretAsUInt64(substring(MD5(id), 1, 8)), ['at-1', 'at-2', 'at-3'])) AS are_theirs
       FROM profile_bases FINAL WHERE tenant_id = {tenant:String}`,
      { tenant },
    ),
  ).toEqual([
    {
      at: NOON + 4 * HOUR_MS,
      versions: 3,
      deleted: false,
      attributes: '{"k1":1,"k2":2,"k3":3}',
      hashes: 3,
      are_theirs: 1,
    },
  ]);
  // One that goes on from the base, one before it, and one that takes the version at the base away.
  all.push(...(await write(tenant, [at(5)])));
  await expectVersions(tenant, all);
  all.push(...(await write(tenant, [at(2.5, { op: 'DELETE', attributes: null })])));
  await expectVersions(tenant, all);
  all.push(...(await write(tenant, [at(7, { change_id: 'at-4', recordedAt: NOON })])));
  await expectVersions(tenant, all);
  await exportAll();
  await trim(8);
  expect(await left()).toEqual(['at-4']);
  all.push(...(await write(tenant, [at(9)])));
  await expectVersions(tenant, all);
});

it('verify folds on from bases, and finds what differs before and behind them', async () => {
  const own = await LedgerHarness.create(inject('configFile'), {
    overrides: { blob: { prefix: `trim-test-${randomUUID()}/` } },
  });
  const { sink: ownSink } = await own.pipeline(createProfilesPipeline);
  const { client, config } = own;
  const container = createContainer(config);
  const { prefix } = config.blob;
  const ownStore = new ColdStore(container, prefix);
  const records = Array.from(
    { length: 6 },
    (_, offset): RecordedChange => ({
      user_id: 'u1',
      change_id: `c${offset}`,
      op: 'PATCH',
      changed_at: NOON + offset * HOUR_MS,
      source_version: null,
      attributes: JSON.stringify({ n: offset }),
      recordedAt: NOON + 24 * HOUR_MS,
      partition: 0,
      offset,
    }),
  );
  const batch = changeBatch(own, 'acme', records);
  await ownSink.write([batch], always);
  const { source } = batch;
  const wanted = { [`${source.topicId}/0`]: 6 };
  const { manifest } = await exportOwned(await ownStore.readManifest(), PROFILE_CHANGES, wanted, {
    store: ownStore,
    client,
  });
  await trimProfileChanges({ client, store: ownStore, signal, manifest, horizon: NOON + 5 * HOUR_MS });
  const check = async () => {
    const findings = new Findings();
    const retry = <T>(ask: () => Promise<T>) => ask();
    const checked = await checkVersions({ client, container, prefix, retry, findings }, [
      { source, next: 6 },
    ]);
    return { checked, found: findings.discrepancies.map(({ code, first }) => [code, first]) };
  };
  expect(await check()).toEqual({ checked: 6, found: [] });
  const spoil = (hour: number) =>
    client.command({
      query: `INSERT INTO profile_versions SELECT * REPLACE('{"n":99}' AS attributes, fold + 1 AS fold) FROM profile_versions FINAL
        WHERE valid_from = fromUnixTimestamp64Milli({at:Int64}, 'UTC')`,
      query_params: { at: NOON + hour * HOUR_MS },
    });
  await spoil(3);
  expect((await check()).found).toEqual([['profile_version_differs', 3]]);
  await spoil(5);
  expect((await check()).found).toEqual([
    ['profile_version_differs', 3],
    ['profile_version_differs', 5],
  ]);
  await own[Symbol.asyncDispose]();
});

it('while the pipeline folds', async () => {
  const tenant = newTenant();
  const { sink: other } = await ledger.pipeline(createProfilesPipeline);
  const client = createClickHouse(ledger.config);
  const all: RecordedChange[] = [];
  const [some = []] = fc.sample(fc.array(drafts, { minLength: 96, maxLength: 96 }), {
    numRuns: 1,
    seed: 7,
  });
  let isWriting = true;
  let rounds = 0;
  let folded = [...written];
  const writing = async () => {
    for (let from = 0; from < some.length; from += 8) {
      const hour = from / 12;
      const batch = some.slice(from, from + 8).map((draft, index) => ({
        ...draft,
        // Later and later, and one in ten as late as it was.
        changed_at: index % 10 === 0 ? draft.changed_at : draft.changed_at + hour * HOUR_MS,
        change_id: index % 10 === 0 ? draft.change_id : `${from}-${draft.change_id}`,
      }));
      all.push(...(await write(tenant, batch)));
      folded = [...written];
      // A process that still has them writes them as well.
      const again = Object.values(Object.groupBy(all.slice(-6), ({ partition }) => partition));
      await Promise.all(again.map((own = []) => other.write([changeBatch(ledger, tenant, own)], always)));
    }
    isWriting = false;
  };
  const trimming = async () => {
    while (isWriting) {
      await exportAll([...folded]);
      await trim(rounds, client);
      rounds += 1;
    }
  };
  await Promise.all([writing(), trimming()]);
  await client.close();
  await expectVersions(tenant, all);
  await exportAll();
  expect(await trim(100)).toBeGreaterThan(0);
  all.push(...(await write(tenant, some.slice(0, 20))));
  await expectVersions(tenant, all);
  expect(rounds).toBeGreaterThan(1);
});
