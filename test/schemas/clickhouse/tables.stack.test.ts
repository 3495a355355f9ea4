/** What the other tables promise: progress, campaigns, days without number, index reads, comments everywhere. */
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { dataDictionary, readTableColumns } from '../../../schemas/data-dictionary.ts';
import { LedgerDatabase } from '../../helpers/ledger-database.ts';
import { time } from './event-model.ts';

const START = Date.UTC(2026, 0, 1);
const DAY = 86_400_000;
const TOPIC_ID = '0123456789abcdef0123456789abcdef';

let ledger: LedgerDatabase;

beforeAll(async () => {
  ledger = await LedgerDatabase.create(inject('configFile'));
});

afterAll(async () => ledger[Symbol.asyncDispose]());

test('progress never goes back by a late write, and does by a new epoch', async () => {
  const write = (epoch: number, next_offset: number) =>
    ledger.insert('progress', [
      {
        pipeline: 'tracking',
        topic: 'a',
        topic_id: TOPIC_ID,
        partition: 3,
        epoch,
        next_offset,
        written_at: time(START),
      },
    ]);
  const read = async () => {
    const [row] = await ledger.rows<{ next: string }>(
      'SELECT toString(argMax(next_offset, (epoch, next_offset))) AS next FROM progress WHERE partition = 3',
    );
    return row?.next;
  };
  await write(0, 100);
  await write(0, 250);
  await write(0, 180);
  expect(await read()).toBe('250');
  await write(1, 50);
  await write(0, 900);
  expect(await read()).toBe('50');
  await ledger.mergeEverything(['progress']);
  expect(await read()).toBe('50');
});

test('every campaign definition is kept, and the latest by updated_at, then by recording, is current', async () => {
  const definition = (
    name: string,
    place: { updated: number; recorded: number; partition: number; offset: number },
  ) => ({
    tenant_id: 't',
    campaign_id: 'c',
    updated_at: time(START + place.updated),
    name,
    channel: 'EMAIL',
    attributes: {},
    source: `${TOPIC_ID}/${place.partition}`,
    offset: place.offset,
    recorded_at: time(START + place.recorded),
  });
  const definitions = [
    definition('late to arrive, older', { updated: 1, recorded: 9, partition: 0, offset: 9 }),
    definition('first of two at one time', { updated: 5, recorded: 2, partition: 2, offset: 2 }),
    definition('second of two at one time', { updated: 5, recorded: 2, partition: 10, offset: 1 }),
  ];
  await ledger.insert('campaigns', definitions);
  await ledger.insert('campaigns', definitions.toReversed());
  await ledger.mergeEverything(['campaigns']);
  expect(await ledger.rows('SELECT toUInt8(count()) AS count FROM campaigns')).toEqual([{ count: 3 }]);
  expect(await ledger.rows('SELECT name FROM current_campaigns')).toEqual([
    { name: 'second of two at one time' },
  ]);
  expect(await ledger.rows(`SELECT name, subject, messages FROM ${ledger.bi}.campaign_results`)).toEqual([
    { name: 'second of two at one time', subject: null, messages: 0 },
  ]);
});

describe('events of many users and days', () => {
  const users = 200;
  beforeAll(async () => {
    // One insert: 1,000 days, 20 events a day.
    await ledger.client.command({
      query: `INSERT INTO events (tenant_id, user_id, occurred_at, message_id, type, event_id, kind, campaign_id, channel, attributes, source, offset, recorded_at)
              SELECT 'many', 'u' || toString(number % ${users}), toDateTime64('2024-01-01 12:00:00', 3, 'UTC') + toIntervalDay(number % 1000),
                     'm' || toString(number), 'SENT', 'e', 'delivery', 'c' || toString(number % 10), 'EMAIL', map(), '${TOPIC_ID}/0', number, now64(3)
              FROM numbers(20000)`,
    });
  });

  test('a batch on 1,000 different days goes in', async () => {
    const [row] = await ledger.rows(
      `SELECT toUInt32(count()) AS events, toUInt32(uniqExact(occurred_on)) AS days FROM ${ledger.bi}.events`,
    );
    expect(row).toEqual({ events: 20_000, days: 1_000 });
  });

  const granules = async (query: string) => {
    const plan = await ledger.client.query({
      query: `EXPLAIN indexes = 1 ${query}`,
      format: 'TabSeparatedRaw',
    });
    const text = await plan.text();
    const [, selected, all] = /PrimaryKey[\s\S]*?Granules: (\d+)\/(\d+)/.exec(text) ?? [];
    return { text, selected: Number(selected), all: Number(all) };
  };

  test.each(['messages', 'messages_with_profile'])(
    "one campaign of the view %s is read by the table's key",
    async (view) => {
      await ledger.client.command({
        query: `INSERT INTO events (tenant_id, user_id, occurred_at, message_id, type, event_id, kind, campaign_id, channel, attributes, source, offset, recorded_at)
              SELECT 'wide', 'u' || toString(number), toDateTime64('2024-01-01', 3, 'UTC'), 'm', 'SENT', 'e', 'delivery', 'c' || toString(number % 10), 'EMAIL', map(), '${TOPIC_ID}/1', number, now64(3)
              FROM numbers(200000)`,
      });
      await ledger.mergeEverything(['message_events']);
      const { selected, all } = await granules(
        `SELECT * FROM ${ledger.bi}.${view} WHERE tenant_id = 'wide' AND campaign_id = 'c7'`,
      );
      expect(all).toBeGreaterThan(20);
      expect(selected).toBeLessThan(all / 5);
    },
  );

  test("one user's events are read by the key, and only the key columns of a granule before the rest", async () => {
    await ledger.client.command({ query: 'OPTIMIZE TABLE events PARTITION 20240101 FINAL' });
    const { text, selected, all } = await granules(
      `SELECT * FROM ${ledger.bi}.events WHERE tenant_id = 'wide' AND user_id = 'u77'`,
    );
    expect(all).toBeGreaterThan(90);
    expect(selected).toBeLessThan(5);
    expect(text).toMatch(/Prewhere filter column: .*user_id/);
  });

  test('a filter on occurred_on reads those days alone', async () => {
    const { text } = await granules(
      `SELECT count() FROM ${ledger.bi}.events WHERE occurred_on BETWEEN '2025-01-01' AND '2025-01-07'`,
    );
    expect(Number(/Parts: (\d+)/.exec(text)?.[1])).toBeLessThanOrEqual(14);
  });

  test('a filter on occurred_at does not bring back a copy whose first was on another day', async () => {
    const copy = (day: number, recorded: number) => ({
      tenant_id: 'retry',
      user_id: 'u',
      occurred_at: time(START + day * DAY),
      message_id: 'm',
      type: 'OPENED',
      event_id: 'e',
      kind: 'feedback',
      campaign_id: 'c',
      channel: 'EMAIL',
      source: `${TOPIC_ID}/0`,
      offset: recorded,
      recorded_at: time(START + recorded),
    });
    await ledger.insert('events', [copy(3, 2), copy(1, 1)]);
    const count = async (condition: string) => {
      const [row] = await ledger.rows<{ count: string }>(
        `SELECT count() AS count FROM ${ledger.bi}.events WHERE tenant_id = 'retry' AND ${condition}
         SETTINGS do_not_merge_across_partitions_select_final = 1`,
      );
      return Number(row?.count);
    };
    expect(await count("occurred_at >= '2026-01-03'")).toBe(0);
    expect(await count("occurred_at < '2026-01-03'")).toBe(1);
  });
});

test('the BI views have plain types, and every table, view and column has a comment', async () => {
  const columns = await readTableColumns(ledger.client, [ledger.database, ledger.bi]);
  const withoutComment = columns
    .filter(
      ({ engine, comment, tableComment }) =>
        engine !== 'MaterializedView' && (comment === '' || tableComment === ''),
    )
    .map(({ table, column }) => `${table}.${column}`);
  expect(withoutComment).toEqual([]);
  const bi = columns.filter(({ database }) => database === ledger.bi);
  expect(new Set(bi.map(({ table }) => table))).toEqual(
    new Set([
      'campaign_results',
      'campaign_stats',
      'events',
      'messages',
      'messages_with_profile',
      'profile_versions',
    ]),
  );
  for (const { type } of bi) {
    expect(type).not.toMatch(/LowCardinality|AggregateFunction|UInt128|UInt256/);
  }
});

test('docs/data-dictionary.md says what the database and the schemas say; vitest -u writes it anew', async () => {
  const columns = await readTableColumns(ledger.client, [ledger.database, ledger.bi]);
  const named = columns.map((column) => ({
    ...column,
    database: column.database === ledger.bi ? 'ledger_bi' : 'ledger',
  }));
  await expect(dataDictionary(named)).toMatchFileSnapshot('../../../docs/data-dictionary.md');
});
