/** Profile versions on the engine: late writes of older folds, withdrawn versions, and the profile at each send. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { foldProfile, type ProfileChange } from '../../../pipelines/profiles/fold/fold-profile.ts';
import { LedgerDatabase } from '../../helpers/ledger-database.ts';
import { oracleVersions } from '../../helpers/profile-oracle.ts';
import { time } from './event-model.ts';

let ledger: LedgerDatabase;

beforeAll(async () => {
  ledger = await LedgerDatabase.create(inject('configFile'));
});

afterAll(async () => ledger[Symbol.asyncDispose]());

const START = Date.UTC(2026, 0, 1);
const TOPIC_ID = '0123456789abcdef0123456789abcdef';

/** Few ids and times: copies of one change that name different times, and several changes at one instant. */
const changeLists = fc
  .array(
    fc.record({
      changeId: fc.constantFrom('c1', 'c2', 'c3', 'c4'),
      op: fc.constantFrom('SNAPSHOT', 'PATCH', 'DELETE'),
      changedAt: fc.nat(4).map((step) => START + step),
      sourceVersion: fc.constantFrom(null, 1n, 2n),
      plan: fc.constantFrom('free', 'plus', 'pro'),
      recordedAt: fc.nat(3).map((step) => START + 1_000 + step),
      partition: fc.constantFrom(0, 2, 10),
    }),
    { minLength: 1, maxLength: 8 },
  )
  .map((list) =>
    list.map(({ plan, ...change }, offset): ProfileChange => {
      const attributes = change.op === 'DELETE' ? null : JSON.stringify({ plan });
      return { ...change, attributes, topicId: TOPIC_ID, offset };
    }),
  );

function toChangeRow(userId: string, change: ProfileChange): object {
  return {
    tenant_id: 't',
    user_id: userId,
    changed_at: time(change.changedAt),
    change_id: change.changeId,
    op: change.op,
    source_version: change.sourceVersion === null ? null : Number(change.sourceVersion),
    attributes: change.attributes,
    source: `${change.topicId}/${change.partition}`,
    offset: change.offset,
    recorded_at: time(change.recordedAt),
  };
}

/** As the pipeline does it: what the table holds of the user now, folded, as rows of `profile_versions`. */
async function foldRows(userId: string, known: readonly ProfileChange[]): Promise<object[]> {
  const changes = await ledger.rows<{ changed_at: string; fold: string }>(
    `SELECT DISTINCT toString(changed_at) AS changed_at,
            (SELECT toString(sum(toUInt256(first))) FROM
               (SELECT max(precedence) AS first FROM profile_changes WHERE user_id = {userId:String} GROUP BY change_id)) AS fold
     FROM profile_changes WHERE user_id = {userId:String}`,
    { userId },
  );
  const versions = new Map(foldProfile(known).map((version) => [time(version.validFrom), version]));
  return changes.map(({ changed_at, fold }) => {
    const version = versions.get(changed_at);
    const key = { tenant_id: 't', user_id: userId, valid_from: changed_at, fold };
    if (version === undefined) return { ...key, withdrawn: 1 };
    return {
      ...key,
      valid_to: version.validTo === null ? null : time(version.validTo),
      version: version.version,
      deleted: version.deleted,
      attributes: version.attributes,
      change_ids: version.changeIds,
      recorded_at: time(version.recordedAt),
      withdrawn: 0,
    };
  });
}

const expectedVersions = (changes: readonly ProfileChange[]) =>
  foldProfile(changes).map(({ version, validFrom, validTo, deleted, attributes, changeIds, recordedAt }) => ({
    version,
    valid_from: time(validFrom),
    valid_to: validTo === null ? null : time(validTo),
    status: deleted ? 'deleted' : 'found',
    attributes,
    change_ids: changeIds,
    recorded_at: time(recordedAt),
  }));

test('the fold that knew most stands, in whatever order folds are written', async () => {
  let count = 0;
  const worlds = changeLists.chain((changes) =>
    fc.record({
      changes: fc.constant(changes),
      writes: fc.shuffledSubarray(
        changes.map((_, index) => index),
        { minLength: changes.length },
      ),
    }),
  );
  await fc.assert(
    fc.asyncProperty(worlds, async ({ changes, writes }) => {
      const userId = `fold-${count++}`;
      const folds: object[][] = [];
      for (const [index, change] of changes.entries()) {
        await ledger.insert('profile_changes', [toChangeRow(userId, change)]);
        folds.push(await foldRows(userId, changes.slice(0, index + 1)));
      }
      // A process may have stood still between its fold and its write for any length of time.
      for (const index of writes) await ledger.insert('profile_versions', folds[index] ?? []);
      const read = () =>
        ledger.rows(
          `SELECT version, valid_from, valid_to, status, attributes, change_ids, recorded_at
           FROM ${ledger.bi}.profile_versions WHERE tenant_id = 't' AND user_id = {userId:String} ORDER BY valid_from`,
          { userId },
        );
      expect(await read()).toEqual(expectedVersions(changes));
      await ledger.mergeEverything(['profile_changes', 'profile_versions']);
      expect(await read()).toEqual(expectedVersions(changes));
    }),
    { numRuns: 20, interruptAfterTimeLimit: 100_000 },
  );
}, 300_000);

test('each message has the version that began at or before its sent_at', async () => {
  const user = { tenant_id: 't', user_id: 'sent-to' };
  const versions = [
    {
      valid_from: time(START + 10),
      valid_to: time(START + 20),
      version: 1,
      deleted: false,
      attributes: '{"plan":"free"}',
    },
    { valid_from: time(START + 20), valid_to: time(START + 30), version: 2, deleted: true, attributes: '{}' },
    {
      valid_from: time(START + 30),
      valid_to: null,
      version: 3,
      deleted: false,
      attributes: '{"plan":"pro"}',
    },
  ].map((version) => ({ ...user, ...version, change_ids: ['c'], recorded_at: time(START), fold: '9' }));
  // An older fold knew the first version otherwise, and one that there is no more.
  const [first] = versions;
  const older = [
    { ...first, attributes: '{"plan":"old"}', fold: '5' },
    { ...first, valid_from: time(START + 15), attributes: '{"plan":"gone"}', fold: '5' },
  ];
  await ledger.insert('profile_versions', [{ ...older[1], fold: '9', withdrawn: 1 }]);
  await ledger.insert('profile_versions', versions);
  await ledger.insert('profile_versions', older);
  const sends = [9, 10, 19, 20, 29, 30, 31];
  await ledger.insert(
    'events',
    sends.map((ms, offset) => ({
      ...user,
      campaign_id: 'c',
      message_id: `m${ms}`,
      event_id: 'e',
      type: 'SENT',
      kind: 'delivery',
      channel: 'EMAIL',
      occurred_at: time(START + ms),
      source: `${TOPIC_ID}/0`,
      offset,
      recorded_at: time(START + 100),
    })),
  );
  const rows = await ledger.rows(
    `SELECT message_id, profile_status, profile_version, profile_valid_from, profile_attributes
     FROM ${ledger.bi}.messages_with_profile WHERE user_id = 'sent-to' ORDER BY sent_at`,
  );
  const found = (version: number, from: number, plan: string) => ({
    profile_status: 'found',
    profile_version: version,
    profile_valid_from: time(START + from),
    profile_attributes: JSON.stringify({ plan }),
  });
  const none = { profile_version: null, profile_valid_from: null, profile_attributes: null };
  expect(rows).toEqual([
    { message_id: 'm9', profile_status: 'none_yet', ...none },
    { message_id: 'm10', ...found(1, 10, 'free') },
    { message_id: 'm19', ...found(1, 10, 'free') },
    { message_id: 'm20', profile_status: 'deleted', ...none },
    { message_id: 'm29', profile_status: 'deleted', ...none },
    { message_id: 'm30', ...found(3, 30, 'pro') },
    { message_id: 'm31', ...found(3, 30, 'pro') },
  ]);
});

/** A fold of what was known, as the pipeline writes it; `fold` grows with what was known. */
function versionRows(userId: string, known: readonly ProfileChange[]): object[] {
  const fold = String(known.length);
  const versions = foldProfile(known);
  const standing = new Set(versions.map(({ validFrom }) => validFrom));
  const gone = [...new Set(known.map(({ changedAt }) => changedAt))].filter((at) => !standing.has(at));
  const key = { tenant_id: 't', user_id: userId, fold };
  return [
    ...gone.map((at) => ({ ...key, valid_from: time(at), withdrawn: 1 })),
    ...versions.map((version) => ({
      ...key,
      valid_from: time(version.validFrom),
      valid_to: version.validTo === null ? null : time(version.validTo),
      version: version.version,
      deleted: version.deleted,
      attributes: version.attributes,
      change_ids: version.changeIds,
      recorded_at: time(version.recordedAt),
      withdrawn: 0,
    })),
  ];
}

test('whatever the changes, ties, late ones, deletes and re-creations, each message has the version of its millisecond', async () => {
  const worlds = fc.sample(changeLists, { numRuns: 300, seed: 6 });
  // One before the first possible change, every millisecond at which there may be one, and one after the last.
  const sends = [-1, 0, 1, 2, 3, 4, 5];
  const users = worlds.map((changes, index) => ({ userId: `asof-${index}`, changes }));
  // Newer folds first, so that every older one comes too late; the history is known after the last alone.
  for (const length of [8, 5, 3, 2, 1])
    await ledger.insert(
      'profile_versions',
      users.flatMap(({ userId, changes }) => versionRows(userId, changes.slice(0, length))),
    );
  await ledger.insert(
    'events',
    users.flatMap(({ userId }, user) =>
      sends.flatMap((ms) =>
        // Two messages in one millisecond are two messages.
        ['a', 'b'].map((twin) => ({
          tenant_id: 't',
          user_id: userId,
          campaign_id: 'asof',
          message_id: `${ms}${twin}`,
          event_id: 'e',
          type: 'SENT',
          kind: 'delivery',
          channel: 'EMAIL',
          occurred_at: time(START + ms),
          source: `${TOPIC_ID}/0`,
          offset: user,
          recorded_at: time(START + 100),
        })),
      ),
    ),
  );
  const expected = users.flatMap(({ userId, changes }) => {
    const versions = oracleVersions(
      changes.map(
        ({ changeId, op, changedAt, sourceVersion, attributes, recordedAt, partition, offset }) => ({
          change_id: changeId,
          op,
          changed_at: changedAt,
          source_version: sourceVersion === null ? null : Number(sourceVersion),
          attributes,
          record: { timestamp: recordedAt, partition, offset },
        }),
      ),
    );
    return sends.flatMap((ms) => {
      const valid = versions.filter(({ valid_from }) => valid_from <= START + ms).at(-1);
      const isFound = valid?.status === 'found';
      return ['a', 'b'].map((twin) => ({
        message: `${userId} ${ms}${twin}`,
        status: valid?.status ?? 'none_yet',
        version: isFound ? valid.version : null,
        from: isFound ? time(valid.valid_from) : null,
        attributes: isFound ? valid.attributes : null,
      }));
    });
  });
  const read = async () => {
    const rows = await ledger.rows<{ message: string; attributes: string | null }>(
      `SELECT concat(user_id, ' ', message_id) AS message, profile_status AS status, profile_version AS version,
              profile_valid_from AS from, profile_attributes AS attributes
       FROM ${ledger.bi}.messages_with_profile WHERE tenant_id = 't' AND campaign_id = 'asof'`,
    );
    const found = rows.map((row) => [
      row.message,
      { ...row, attributes: row.attributes === null ? null : (JSON.parse(row.attributes) as unknown) },
    ]);
    return Object.fromEntries(found) as object;
  };
  const wanted = Object.fromEntries(expected.map((row) => [row.message, row]));
  expect(await read()).toEqual(wanted);
  await ledger.mergeEverything(['profile_versions', 'message_events']);
  expect(await read()).toEqual(wanted);
  // Every kind of answer is among them.
  expect(new Set(expected.map(({ status }) => status))).toEqual(new Set(['none_yet', 'deleted', 'found']));
});
