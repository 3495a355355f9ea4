/** The profiles pipeline on real services: whatever order changes come in, the versions are those of one fold over all. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { DeadLetterCodeName } from '../../../pipelines/common/dead-letters/codes.ts';
import type { Sink } from '../../../pipelines/common/sink.ts';
import { foldProfile } from '../../../pipelines/profiles/fold/fold-profile.ts';
import { createProfilesPipeline } from '../../../pipelines/profiles/pipeline.ts';
import { LedgerHarness, type Sent } from '../../helpers/ledger-harness.ts';
import { change, NOON } from '../../helpers/ledger-values.ts';
import {
  changeBatch,
  type RecordedChange,
  versionsOf as storedVersions,
} from '../../helpers/profile-changes.ts';
import { eventually } from '../../helpers/runner-harness.ts';

const DAY_MS = 86_400_000;
const always = () => true;

let ledger: LedgerHarness;
let sink: Sink;
beforeAll(async () => {
  ledger = await LedgerHarness.create(inject('configFile'));
  ({ sink } = await ledger.pipeline(createProfilesPipeline));
});
afterAll(() => ledger[Symbol.asyncDispose]());

type Recorded = RecordedChange;

const batchOf = (tenant: string, records: readonly Recorded[]) => changeBatch(ledger, tenant, records);
const versionsOf = (tenant: string) => storedVersions(ledger, tenant);

function foldOf(topicId: string, records: readonly Recorded[]) {
  return foldProfile(
    records.map(
      ({ change_id, op, changed_at, source_version, attributes, recordedAt, partition, offset }) => ({
        changeId: change_id,
        op,
        changedAt: changed_at,
        sourceVersion: source_version === null ? null : BigInt(source_version),
        attributes,
        recordedAt,
        topicId,
        partition,
        offset,
      }),
    ),
  );
}

function expectedVersions(records: readonly Recorded[]): Record<string, unknown[]> {
  const { topicId } = ledger.batch('profiles', []).source;
  return Object.fromEntries(
    Object.entries(Object.groupBy(records, ({ user_id }) => user_id)).map(([user, own = []]) => [
      user,
      foldOf(topicId, own),
    ]),
  );
}

const attributes = fc.oneof(
  fc.constantFrom(
    '{"plan":"free"}',
    '{"plan":null}',
    '{"a":{"b":1,"c":null}}',
    '{"a":{"b":null,"d":12345678901234567890}}',
    '{"__proto__":{"x":1}}',
    '{ "plan" : "gold", "tags": [1, 1.0, null] }',
    '{}',
  ),
  fc
    .dictionary(fc.string({ maxLength: 3 }), fc.jsonValue({ maxDepth: 2 }))
    .map((value) => JSON.stringify(value)),
);

/** Few users, instants and change ids, so that copies, ties and late changes are the rule. */
const histories = fc
  .array(
    fc.record({
      user_id: fc.constantFrom(
        'u1',
        'u2',
        "o'hara\\",
        'line\nbreak\ttab',
        'grüße 🎈',
        'nul\u0000l',
        '{x:String}',
      ),
      change_id: fc.constantFrom(...Array.from({ length: 9 }, (_, index) => `c${index}`)),
      op: fc.constantFrom('SNAPSHOT', 'PATCH', 'PATCH', 'PATCH', 'DELETE'),
      changed_at: fc.integer({ min: 0, max: 6 }).map((hour) => NOON + hour * 3_600_000),
      source_version: fc.option(fc.integer({ min: 0, max: 3 })),
      attributes,
      recordedAt: fc.integer({ min: 0, max: 5 }).map((hour) => NOON + DAY_MS + hour * 3_600_000),
      partition: fc.integer({ min: 0, max: 1 }),
    }),
    { minLength: 1, maxLength: 40 },
  )
  .map((changes): Recorded[] =>
    changes.map(({ op, ...rest }, offset) => ({
      ...rest,
      op: op as Recorded['op'],
      attributes: op === 'DELETE' ? null : rest.attributes,
      offset,
    })),
  );

/** Cuts a history into batches; each is of one partition. */
const cutHistories = histories.chain((records) =>
  fc
    .array(fc.integer({ min: 1, max: 10 }), { minLength: records.length, maxLength: records.length })
    .map((sizes) => {
      const batches: Recorded[][] = [];
      for (const partition of [0, 1]) {
        const own = records.filter((record) => record.partition === partition);
        for (let from = 0; from < own.length; ) {
          const size = sizes[from] ?? 1;
          batches.push(own.slice(from, from + size));
          from += size;
        }
      }
      return { records, batches };
    }),
);

let tenants = 0;
const newTenant = () => `tenant-${tenants++}`;

describe('versions', () => {
  test('are those of one fold over all changes, however they are cut, ordered and repeated', async () => {
    await fc.assert(
      fc.asyncProperty(cutHistories, fc.infiniteStream(fc.nat()), async ({ records, batches }, dice) => {
        const tenant = newTenant();
        const shuffled = [...batches].sort(() => ((dice.next().value as number) % 2 === 0 ? 1 : -1));
        for (const batch of shuffled) await sink.write([batchOf(tenant, batch)], always);
        const again = shuffled[(dice.next().value as number) % shuffled.length];
        if (again !== undefined) await sink.write([batchOf(tenant, again)], always);
        expect(await versionsOf(tenant)).toEqual(expectedVersions(records));
      }),
      { numRuns: 50, endOnFailure: true },
    );
  });

  test('do not care who folds at the same time', async () => {
    const { sink: other } = await ledger.pipeline(createProfilesPipeline);
    await fc.assert(
      fc.asyncProperty(cutHistories, async ({ records, batches }) => {
        const tenant = newTenant();
        const half = batches.length >> 1;
        const writeAll = async (by: Sink, some: readonly Recorded[][]) => {
          for (const batch of some) await by.write([batchOf(tenant, batch)], always);
        };
        await Promise.all([writeAll(sink, batches.slice(0, half)), writeAll(other, batches.slice(half))]);
        expect(await versionsOf(tenant)).toEqual(expectedVersions(records));
      }),
      { numRuns: 30, endOnFailure: true },
    );
  });

  test('win against the rows of an older fold that arrive late, of a process that was frozen', async () => {
    const { client } = ledger;
    await client.command({
      query:
        'CREATE TABLE late ENGINE = Memory AS SELECT *, toUInt32(0) AS taken FROM profile_versions WHERE 0',
    });
    await client.command({
      query:
        'CREATE TABLE known ENGINE = Memory AS SELECT user_id, valid_from, fold FROM profile_versions WHERE 0',
    });
    const run = (query: string, query_params: Record<string, unknown>) =>
      client.command({ query, query_params, clickhouse_settings: { lightweight_deletes_sync: '2' } });
    /** Writes a batch, and takes the rows of its fold away as if they had not come yet. */
    const writeFrozen = async (tenant: string, batch: readonly Recorded[], taken: number) => {
      const isOurs = 'tenant_id = {tenant:String}';
      const isNew = `${isOurs} AND (user_id, valid_from, fold) NOT IN known`;
      await run('TRUNCATE TABLE known', {});
      await run(`INSERT INTO known SELECT user_id, valid_from, fold FROM profile_versions WHERE ${isOurs}`, {
        tenant,
      });
      await sink.write([batchOf(tenant, batch)], always);
      await run(`INSERT INTO late SELECT *, {taken:UInt32} FROM profile_versions WHERE ${isNew}`, {
        tenant,
        taken,
      });
      await run(`DELETE FROM profile_versions WHERE ${isNew}`, { tenant });
    };
    await fc.assert(
      fc.asyncProperty(cutHistories, fc.infiniteStream(fc.nat(2)), async ({ records, batches }, dice) => {
        const tenant = newTenant();
        await client.command({ query: 'TRUNCATE TABLE late' });
        let abandoned: Recorded[][] = [];
        for (const [taken, batch] of batches.entries()) {
          if (dice.next().value === 0) {
            await writeFrozen(tenant, batch, taken);
            abandoned.push(batch);
          } else await sink.write([batchOf(tenant, batch)], always);
          if (dice.next().value === 0) {
            // Whoever took over reads them again.
            for (const one of abandoned) await sink.write([batchOf(tenant, one)], always);
            abandoned = [];
          }
        }
        for (const one of abandoned) await sink.write([batchOf(tenant, one)], always);
        for (let taken = batches.length - 1; taken >= 0; taken -= 1) {
          await client.command({
            query:
              'INSERT INTO profile_versions SELECT * EXCEPT taken FROM late WHERE taken = {taken:UInt32}',
            query_params: { taken },
          });
        }
        expect(await versionsOf(tenant)).toEqual(expectedVersions(records));
      }),
      { numRuns: 30, endOnFailure: true },
    );
  });

  test('of a history too long for one piece are the same as of a short one', async () => {
    const tenant = newTenant();
    const long = Array.from(
      { length: 25_000 },
      (_, index): Recorded => ({
        user_id: 'busy',
        change_id: `c${index}`,
        op: index % 9_000 === 0 ? 'SNAPSHOT' : 'PATCH',
        // Two changes at each instant, and none in order.
        changed_at: NOON + ((index * 7_919) % 12_500) * 1_000,
        source_version: index % 3,
        attributes: JSON.stringify({ [`k${index % 50}`]: index, plan: index % 2 === 0 ? null : 'gold' }),
        recordedAt: NOON + DAY_MS,
        partition: 0,
        offset: index,
      }),
    );
    await sink.write([batchOf(tenant, long)], always);
    expect(await versionsOf(tenant)).toEqual(expectedVersions(long));
    const late = { ...(long[0] as Recorded), change_id: 'late', changed_at: NOON - 5_000, offset: 25_000 };
    const newest = { ...late, change_id: 'newest', changed_at: NOON + DAY_MS, offset: 25_001 };
    const count = async () =>
      (await ledger.rows<{ n: number }>('SELECT count() AS n FROM profile_versions'))[0]?.n ?? 0;
    await ledger.client.command({ query: 'SYSTEM STOP MERGES profile_versions' });
    const before = await count();
    await sink.write([batchOf(tenant, [newest])], always);
    // The version before has an end now; all others are as they were.
    expect(Number(await count()) - Number(before)).toBe(2);
    await sink.write([batchOf(tenant, [late])], always);
    await ledger.client.command({ query: 'SYSTEM START MERGES profile_versions' });
    expect(await versionsOf(tenant)).toEqual(expectedVersions([...long, late, newest]));
  });
});

test('a change that comes late renumbers what follows, and no version vanishes', async () => {
  const tenant = newTenant();
  const at = (hours: number, fields: Partial<Recorded>): Recorded => ({
    user_id: 'u1',
    change_id: `c${hours}`,
    op: 'PATCH',
    changed_at: NOON + hours * 3_600_000,
    source_version: null,
    attributes: '{}',
    recordedAt: NOON + DAY_MS,
    partition: 0,
    offset: 0,
    ...fields,
  });
  await sink.write([batchOf(tenant, [at(0, { op: 'SNAPSHOT', attributes: '{"plan":"free"}' })])], always);
  await sink.write([batchOf(tenant, [at(4, { attributes: '{"city":"Oslo"}', offset: 1 })])], always);
  await sink.write([batchOf(tenant, [at(2, { attributes: '{"plan":"gold"}', offset: 2 })])], always);
  expect((await versionsOf(tenant)).u1).toMatchObject([
    { version: 1, validTo: NOON + 7_200_000, attributes: '{"plan":"free"}' },
    { version: 2, validTo: NOON + 14_400_000, attributes: '{"plan":"gold"}' },
    { version: 3, validTo: null, attributes: '{"city":"Oslo","plan":"gold"}' },
  ]);
});

describe('a change that cannot be folded', () => {
  const cases: readonly (readonly [string, DeadLetterCodeName, object])[] = [
    ['op UNKNOWN', 'op_unknown', { op: 'UNKNOWN' }],
    ['a patch without attributes', 'attributes_missing', { op: 'PATCH', attributes: null }],
    ['a snapshot without attributes', 'attributes_missing', { attributes: null }],
    ['a list', 'attributes_not_object', { attributes: '[{"plan":"free"}]' }],
    ['a text', 'attributes_not_object', { attributes: '"plan"' }],
    ['null', 'attributes_not_object', { attributes: 'null' }],
    ['nothing', 'attributes_not_object', { attributes: '' }],
    ['half an object', 'attributes_not_object', { attributes: '{"plan":' }],
    ['two objects', 'attributes_not_object', { attributes: '{}{}' }],
    ['a byte order mark', 'attributes_not_object', { attributes: '\ufeff{}' }],
    ['a bad delete', 'attributes_not_object', { op: 'DELETE', attributes: 'gone' }],
    [
      'a profile 101 deep',
      'attributes_too_deep',
      { attributes: `${'{"a":'.repeat(101)}1${'}'.repeat(101)}` },
    ],
    ['a million brackets', 'attributes_too_deep', { attributes: '['.repeat(900_000) }],
    ['an empty user', 'empty_id', { user_id: '' }],
    ['an empty change id', 'empty_id', { change_id: '' }],
    ['time zero', 'time_too_early', { changed_at: 0 }],
  ];

  test('is a letter, and its user is folded without it', async () => {
    const tenant_id = newTenant();
    const sent = (fields: object): Sent => ({
      value: ledger.encode('profiles', change({ tenant_id, ...fields })),
      timestamp: NOON + DAY_MS,
    });
    const deep = `${'{"a":'.repeat(100)}1${'}'.repeat(100)}`;
    await sink.write(
      [
        ledger.batch('profiles', [
          sent({}),
          ...cases.map(([, , fields], index) => sent({ change_id: `bad-${index}`, ...fields })),
          { value: null },
          sent({ change_id: 'deep', changed_at: NOON + 1, attributes: deep }),
        ]),
      ],
      always,
    );
    const letters = await ledger.letters('profiles');
    expect(letters.map(({ dl }) => dl.code)).toEqual([...cases.map(([, code]) => code), 'tombstone']);
    expect((await versionsOf(tenant_id)).u1).toMatchObject([
      { version: 1, changeIds: ['c1'], attributes: '{"plan":"free"}' },
      { version: 2, changeIds: ['deep'], attributes: deep },
    ]);
  });
});

test('from Kafka, every change becomes a version, and progress says so', async () => {
  const other = await LedgerHarness.create(inject('configFile'));
  const running = await other.run(createProfilesPipeline);
  const changes = Array.from({ length: 300 }, (_, index) => ({
    value: other.encode(
      'profiles',
      change({
        user_id: `u${index % 30}`,
        change_id: `c${index}`,
        op: 'PATCH',
        changed_at: NOON + index * 1_000,
        attributes: JSON.stringify({ [`k${index}`]: index }),
      }),
    ),
    key: Buffer.from(`acme/u${index % 30}`),
    timestamp: NOON + DAY_MS,
  }));
  await other.produce('profiles', changes);
  const count = async (query: string) => Number((await other.rows<{ n: string }>(query))[0]?.n);
  await eventually(async () => (await count('SELECT count() AS n FROM profile_versions FINAL')) === 300, {
    what: 'all versions',
  });
  await running.stop();
  expect(
    await count(
      "SELECT toUInt64(sum(next)) AS n FROM (SELECT max(next_offset) AS next FROM progress WHERE pipeline = 'profiles' GROUP BY partition)",
    ),
  ).toBe(300);
  await other[Symbol.asyncDispose]();
});
