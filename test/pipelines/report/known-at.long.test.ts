/** What was believed at some time: against the records themselves, and against DuckDB's ASOF JOIN. */
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { UserReport } from '../../../pipelines/report/report.ts';
import { change, delivery, feedback } from '../../helpers/ledger-values.ts';
import { madeReport } from '../../helpers/made-report.ts';
import { expectedReport } from '../../helpers/report-oracle.ts';
import {
  DAY_MS,
  type MadeRecord,
  madeRecords,
  START,
  TwoHorizons,
  USERS,
} from '../../helpers/two-horizons.ts';

const MANY = 'u-many';
const FOREVER = Date.UTC(2200, 0, 1);
const CHANGES = 300;

/** 300 versions a minute apart, told late and out of order, with deletes, new beginnings and changes at one instant; sends at their very edges. */
function manyVersions(): MadeRecord[] {
  const made: MadeRecord[] = [];
  const base = { partition: 1, key: `acme/${MANY}` };
  for (let index = 0; index < CHANGES; index += 1) {
    const at = START + index * 60_000;
    const op = index % 13 === 7 ? 'DELETE' : index % 5 === 0 ? 'SNAPSHOT' : 'PATCH';
    const attributes =
      op === 'DELETE'
        ? null
        : JSON.stringify({ n: index, [`k${index % 4}`]: index % 3 === 0 ? null : index });
    const timestamp = at + ((index * 7919) % 97) * 3_600_000;
    const value = change({
      user_id: MANY,
      change_id: `m${index}`,
      op,
      changed_at: at,
      attributes,
      source_version: index % 3,
    });
    made.push({ ...base, role: 'profiles', value, timestamp });
    if (index % 11 === 0) {
      const second = change({
        user_id: MANY,
        change_id: `s${index}`,
        op: 'PATCH',
        changed_at: at,
        attributes: '{"twice":1}',
        source_version: 1,
      });
      made.push({ ...base, role: 'profiles', value: second, timestamp: timestamp + 1 });
    }
    for (const distance of [-1, 0, 1]) {
      const message_id = `many-${index}-${distance}`;
      const ids = { user_id: MANY, message_id, occurred_at: at + distance };
      const recorded = { ...base, timestamp: at + 5_000 + (index % 50) * 1_800_000 };
      if (index % 6 === 0)
        made.push({ ...recorded, role: 'delivery', value: delivery({ ...ids, event_id: `d${distance}` }) });
      if (index % 9 === 0)
        made.push({
          ...recorded,
          role: 'feedback',
          value: feedback({ ...ids, event_id: `f${distance}`, occurred_at: at }),
        });
    }
  }
  return made;
}

let world: TwoHorizons;
beforeAll(async () => {
  world = await TwoHorizons.create(inject('configFile'));
  const records = madeRecords(300, 23);
  await world.write([...records.slice(0, 200), ...manyVersions()]);
  await world.exportThrough(new Date(START + 25 * DAY_MS).toISOString().slice(0, 10));
  await world.write(records.slice(200, 250));
  await world.write(records.slice(250), { isTracked: false });
});
afterAll(() => world?.[Symbol.asyncDispose]());

/** Instants at which something was recorded, and the milliseconds beside them. */
function instants(userId: string, count: number): number[] {
  const recorded = [...world.produced.delivery, ...world.produced.feedback, ...world.produced.profiles]
    .filter(({ value }) => value.user_id === userId)
    .map(({ record }) => record.timestamp)
    .sort((a, b) => a - b);
  return Array.from({ length: count }, (_, index) => {
    const at = recorded[Math.floor((index / count) * recorded.length)] ?? START;
    return at + (index % 3) - 1;
  });
}

const plain = (report: UserReport) => {
  const { records, profile_versions } = JSON.parse(JSON.stringify(report)) as UserReport;
  return {
    records: records.map(({ changed_since_previous: _, ...record }) => record),
    profile_versions,
  };
};

it.each([...USERS, MANY])('of %s, at any time: what had been recorded by then', async (userId) => {
  for (const [index, knownAt] of [...instants(userId, 12), FOREVER].entries()) {
    const by = index % 2 === 0 ? 'send' : 'interaction';
    const range =
      index % 3 === 0 ? { from: null, to: null } : { from: START + DAY_MS / 8, to: START + 40 * DAY_MS };
    const request = { tenantId: 'acme', userId, range, by, generatedAt: 0 } as const;
    const made = await madeReport(world.context(), {
      ...request,
      knownAt: knownAt === FOREVER ? null : knownAt,
    });
    const question = { userId, knownAt, by, from: range.from ?? 0, to: range.to ?? FOREVER } as const;
    expect(plain(made)).toEqual(expectedReport(world.produced, question));
    // In the other ledger everything is local: the same answer has the same digest.
    const other = await madeReport(world.wholeContext, {
      ...request,
      knownAt: knownAt === FOREVER ? null : knownAt,
    });
    expect(other.report.digest).toBe(made.report.digest);
  }
});

it('each event has the version that DuckDB finds by ASOF JOIN', async () => {
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  await connection.run(
    `CREATE TABLE changes (who VARCHAR, id VARCHAR, op VARCHAR, changed BIGINT, source BIGINT, recorded BIGINT, part INTEGER, place INTEGER);
     CREATE TABLE events (who VARCHAR, message VARCHAR, type VARCHAR, id VARCHAR, occurred BIGINT, recorded BIGINT, part INTEGER, place INTEGER)`,
  );
  const changes = await connection.createAppender('changes');
  for (const { record, value } of world.produced.profiles) {
    for (const name of ['user_id', 'change_id', 'op']) changes.appendVarchar(String(value[name]));
    changes.appendBigInt(BigInt(value.changed_at as number));
    changes.appendBigInt(BigInt((value.source_version as number | null) ?? -1));
    changes.appendBigInt(BigInt(record.timestamp));
    changes.appendInteger(record.partition);
    changes.appendInteger(record.offset);
    changes.endRow();
  }
  changes.closeSync();
  const events = await connection.createAppender('events');
  for (const { record, value } of [...world.produced.delivery, ...world.produced.feedback]) {
    for (const name of ['user_id', 'message_id', 'type', 'event_id'])
      events.appendVarchar(String(value[name]));
    events.appendBigInt(BigInt(value.occurred_at as number));
    events.appendBigInt(BigInt(record.timestamp));
    events.appendInteger(record.partition);
    events.appendInteger(record.offset);
    events.endRow();
  }
  events.closeSync();
  for (const userId of [...USERS.slice(0, 2), MANY]) {
    for (const knownAt of instants(userId, 6)) {
      const answer = await connection.runAndReadAll(
        `WITH first_changes AS (
           SELECT * FROM changes WHERE who = $who AND recorded <= $known
           QUALIFY row_number() OVER (PARTITION BY id ORDER BY recorded, part, place) = 1),
         versions AS (
           SELECT who, changed, arg_max(op, (source, recorded, part, place)) AS op FROM first_changes GROUP BY who, changed),
         first_events AS (
           SELECT * FROM events WHERE who = $who AND recorded <= $known
           QUALIFY row_number() OVER (PARTITION BY message, type, id ORDER BY recorded, part, place) = 1)
         SELECT message, type, id, CASE WHEN v.op IS NULL THEN 'none_yet' WHEN v.op = 'DELETE' THEN 'deleted' ELSE v.changed::VARCHAR END
         FROM first_events AS e ASOF LEFT JOIN versions AS v ON e.who = v.who AND e.occurred >= v.changed`,
        { who: userId, known: BigInt(knownAt) },
      );
      const { records } = await madeReport(world.context(), {
        ...{ tenantId: 'acme', userId, range: { from: null, to: null }, knownAt, generatedAt: 0 },
      });
      const found = records.flatMap(({ message_id, delivery: sent, feedback: back }) =>
        [...sent, ...back].map(({ type, event_id, profile }) => [
          ...[message_id, type, event_id],
          profile.valid_from === null ? profile.status : String(Date.parse(profile.valid_from)),
        ]),
      );
      const inOrder = (rows: readonly unknown[]) => rows.map((row) => JSON.stringify(row)).sort();
      expect(inOrder(found)).toEqual(inOrder(answer.getRows()));
    }
  }
  connection.closeSync();
});
