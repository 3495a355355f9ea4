/** Messages leave whole, and only when nothing of them is in ClickHouse alone. */
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import type { ClickHouseClient } from '../../../pipelines/common/clickhouse/client.ts';
import { letSomeMessagesGo } from '../../../pipelines/retention/messages.ts';
import { LedgerDatabase } from '../../helpers/ledger-database.ts';

/** Pass after pass, as retention does from run to run. @returns messages removed */
async function letMessagesGo(client: ClickHouseClient, last: string): Promise<number> {
  for (let sum = 0; ; ) {
    const { messages, isAll } = await letSomeMessagesGo(client, last);
    sum += messages;
    if (isAll) return sum;
  }
}

const NOW = Date.UTC(2026, 7, 31, 13);
const DAY_MS = 86_400_000;
/** Ten days before. */
const LAST = '2026-08-21';
const TOPIC_ID = '0123456789abcdef0123456789abcdef';

let ledger: LedgerDatabase;
beforeEach(async () => {
  ledger = await LedgerDatabase.create(inject('configFile'));
});
afterEach(async () => ledger[Symbol.asyncDispose]());

let offset = 0;
/** @param age days */
function event(message_id: string, age: number, fields: object = {}): object {
  offset += 1;
  const occurred_at = new Date(NOW - age * DAY_MS).toISOString().slice(0, -1);
  return {
    tenant_id: 'acme',
    user_id: 'u1',
    message_id,
    campaign_id: 'spring',
    channel: 'EMAIL',
    kind: 'delivery',
    type: 'SENT',
    event_id: `e${offset}`,
    occurred_at,
    recorded_at: occurred_at,
    source: `${TOPIC_ID}/0`,
    offset,
    ...fields,
  };
}

const messages = () => ledger.rows<{ message_id: string }>('SELECT * FROM messages ORDER BY message_id');
const idsOf = (rows: readonly { message_id: string }[]) => rows.map(({ message_id }) => message_id);
const left = async () => idsOf(await messages());
const campaignsOf = async () =>
  (await ledger.rows<{ n: string }>('SELECT toString(count()) AS n FROM message_campaigns FINAL'))[0]?.n;

/** As if their days had left. */
async function empty(condition: string): Promise<void> {
  await ledger.client.command({
    query: `ALTER TABLE events DELETE WHERE ${condition}`,
    clickhouse_settings: { mutations_sync: '2' },
  });
}

it('those whose last event is over the limit, and all of each', async () => {
  await ledger.insert('events', [
    event('old', 20),
    event('old', 11, { type: 'DELIVERED' }),
    event('young', 20),
    event('young', 9, { type: 'OPENED', kind: 'feedback' }),
    event('new', 1),
    // Copies that contradict one another: one of its campaigns alone is old.
    event('torn', 20, { event_id: 'torn' }),
    event('torn', 2, { event_id: 'torn', campaign_id: 'autumn' }),
  ]);
  await empty("toDate(occurred_at) < '2026-08-25'");
  const before = await messages();
  expect(idsOf(before)).toEqual(['new', 'old', 'torn', 'young']);
  expect(await letMessagesGo(ledger.client, LAST)).toBe(1);
  expect(await messages()).toEqual(before.filter(({ message_id }) => message_id !== 'old'));
  expect(await campaignsOf()).toBe('4');
  expect(await letMessagesGo(ledger.client, LAST)).toBe(0);
});

it('one with an event that has not left ClickHouse stays', async () => {
  await ledger.insert('events', [
    event('gone', 20),
    event('kept', 20),
    event('kept', 19, { type: 'DELIVERED' }),
  ]);
  await empty("message_id = 'gone' OR type = 'SENT'");
  expect(await letMessagesGo(ledger.client, LAST)).toBe(1);
  expect(await left()).toEqual(['kept']);
  await empty('true');
  expect(await letMessagesGo(ledger.client, LAST)).toBe(1);
  expect(await left()).toEqual([]);
  expect(await campaignsOf()).toBe('0');
});

it('the limit is a day: what happened on the last day of it stays', async () => {
  const midnight = Date.UTC(2026, 7, 22);
  const at = (time: number) => ({ occurred_at: new Date(time).toISOString().slice(0, -1) });
  await ledger.insert('events', [event('before', 0, at(midnight - 1)), event('after', 0, at(midnight))]);
  await empty('true');
  await letMessagesGo(ledger.client, LAST);
  expect(await left()).toEqual(['after']);
});

it('for a few the tables are not written anew', async () => {
  const many = Array.from({ length: 150 }, (_, index) => event(`new-${index}`, 1));
  await ledger.insert('events', [event('old', 20), ...many]);
  await empty('true');
  expect(await letMessagesGo(ledger.client, LAST)).toBe(0);
  expect(await left()).toHaveLength(151);
  expect(await ledger.rows('SELECT * FROM messages_let_go')).toEqual([]);
});

it('more than are held at once go in several passes, each whole, however few of all they are', async () => {
  const due = Array.from({ length: 8 }, (_, index) => event(`old-${index}`, 20));
  const young = Array.from({ length: 350 }, (_, index) => event(`new-${index}`, 1));
  const torn = [
    event('torn', 20, { event_id: 'torn' }),
    event('torn', 2, { event_id: 'torn', campaign_id: 'autumn' }),
  ];
  await ledger.insert('events', [...due, ...young, ...torn]);
  await empty('true');
  // Three of so many would not be worth while, if they were all.
  const pass = () => letSomeMessagesGo(ledger.client, LAST, { messagesAtOnce: 3 });
  const passes = [];
  for (let isAll = false; !isAll; isAll = passes.at(-1)?.isAll === true) {
    passes.push(await pass());
    expect((passes.at(-1)?.messages ?? 0) <= 3).toBe(true);
    expect(await ledger.rows('SELECT * FROM messages_let_go')).toEqual([]);
  }
  expect(passes.length).toBeGreaterThanOrEqual(3);
  const ids = await left();
  const gone = passes.reduce((sum, { messages: some }) => sum + some, 0);
  expect(ids.filter((id) => id.startsWith('old-'))).toHaveLength(8 - gone);
  expect(gone).toBeGreaterThanOrEqual(6);
  expect(ids).toContain('torn');
  expect(ids.filter((id) => id.startsWith('new-'))).toHaveLength(350);
});
