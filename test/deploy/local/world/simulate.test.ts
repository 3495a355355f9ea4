/** The example world: the same for a seed, and believable where a reader of the demo would look. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { campaigns } from '../../../../deploy/local/world/catalogue.ts';
import { simulateWorld } from '../../../../deploy/local/world/simulate.ts';
import type { WorldRecord } from '../../../../deploy/local/world/world-record.ts';

const until = Date.parse('2026-10-01T00:00:00Z');

function digest(seed: number): string {
  const hash = createHash('sha256');
  for (const record of simulateWorld({ seed, events: 5_000, until })) hash.update(JSON.stringify(record));
  return hash.digest('hex');
}

describe('the world of 150,000 events', () => {
  const records: WorldRecord[] = [...simulateWorld({ seed: 1, events: 150_000, until })];
  const events = records.filter(
    (record): record is Extract<WorldRecord, { topic: 'delivery' | 'feedback' }> =>
      record.topic === 'delivery' || record.topic === 'feedback',
  );
  const share = (part: number, whole: number) => part / whole;
  const count = (type: string) => events.filter(({ value, isCopy }) => value.type === type && !isCopy).length;

  test('has about as many events as asked for, of all campaigns and 5,000 users', () => {
    expect(events.length).toBeGreaterThan(135_000);
    expect(events.length).toBeLessThan(165_000);
    expect(new Set(events.map(({ value }) => value.campaign_id)).size).toBe(campaigns.length);
    const users = new Set(
      records.flatMap((record) =>
        record.topic === 'profiles' ? [`${record.value.tenant_id}/${record.value.user_id}`] : [],
      ),
    );
    expect(users.size).toBeGreaterThan(4_900);
    expect(users.size).toBeLessThanOrEqual(5_000);
  });

  test('reaches Kafka in order of time, before its end, and never before it happened', () => {
    let last = 0;
    for (const record of records) {
      expect(record.sentAt).toBeGreaterThanOrEqual(last);
      expect(record.sentAt).toBeLessThan(until);
      last = record.sentAt;
    }
    expect(events.every(({ value, sentAt }) => value.occurred_at <= sentAt)).toBe(true);
  });

  test('delivers most messages, loses some, and is opened by people and machines', () => {
    expect(share(count('DELIVERED'), count('SENT'))).toBeGreaterThan(0.85);
    expect(share(count('BOUNCED'), count('SENT'))).toBeLessThan(0.06);
    expect(count('BOUNCED')).toBeGreaterThan(0);
    expect(
      events.some(({ topic, value }) => topic === 'feedback' && value.type === 'OPENED' && value.is_machine),
    ).toBe(true);
    expect(count('CLICKED')).toBeLessThan(count('OPENED'));
    for (const type of [
      'DEFERRED',
      'DROPPED',
      'UNSUBSCRIBED',
      'COMPLAINED',
      'CONVERTED',
      'DELETED',
      'REPLIED',
      'FORWARDED',
    ]) {
      expect(count(type), type).toBeGreaterThan(0);
    }
  });

  test('repeats some records to the letter', () => {
    const sent = new Set<string>();
    let copies = 0;
    for (const { isCopy, value } of records) {
      const text = JSON.stringify(value);
      expect(sent.has(text)).toBe(isCopy);
      sent.add(text);
      if (isCopy) copies += 1;
    }
    expect(copies).toBeGreaterThan(500);
  });

  test('changes profiles in every way, some of them late', () => {
    const operations = new Set(
      records.flatMap((record) => (record.topic === 'profiles' ? [record.value.op] : [])),
    );
    expect([...operations].sort()).toEqual(['DELETE', 'PATCH', 'SNAPSHOT']);
    const newest = new Map<string, number>();
    let late = 0;
    for (const record of records) {
      if (record.topic !== 'profiles') continue;
      const { tenant_id: tenant, user_id: user, changed_at: changedAt } = record.value;
      if (changedAt < (newest.get(`${tenant}/${user}`) ?? 0)) late += 1;
      else newest.set(`${tenant}/${user}`, changedAt);
    }
    expect(late).toBeGreaterThan(10);
  });
});

test('a seed decides every byte, and another seed makes another world', () => {
  expect(digest(7)).toBe(digest(7));
  expect(digest(7)).not.toBe(digest(8));
});
