import { expect, it } from 'vitest';
import { reasonsOf } from '../../../pipelines/retention/reasons.ts';

const SOURCE = { topic: 'campaign.delivery', topicId: 'a'.repeat(32), partition: 0 };
const day = {
  day: '2026-08-01',
  rows: 1,
  bytes: 1,
  cause: 'time' as const,
  unconfirmed: [{ day: '2026-08-01', source: `${'a'.repeat(32)}/0`, rows: 1, offset: 70 }],
  heldUntil: null,
};
const state = { ...SOURCE, archived: 100, written: 100, cold: 0, damage: null };
const codesOf = (changes: Partial<Parameters<typeof reasonsOf>[1][number]>) =>
  reasonsOf(day, [{ ...state, ...changes }]).map(({ code }) => code);

it('names what is in the way: the archive that lags, that is damaged, that has lost its head, or ClickHouse itself', () => {
  expect(codesOf({ archived: 60 })).toEqual(['archive_behind']);
  expect(codesOf({ archived: null })).toEqual(['archive_behind']);
  expect(codesOf({ damage: { from: 50, message: 'segment_missing: …' } })).toEqual(['archive_damaged']);
  expect(codesOf({ archived: null, damage: { from: 0, message: 'head_missing: …' } })).toEqual([
    'archive_damaged',
  ]);
  expect(codesOf({ archived: 60, damage: { from: 80, message: '…' } })).toEqual(['archive_behind']);
  expect(codesOf({ written: 60 })).toEqual(['tracking_behind']);
  expect(codesOf({ written: 60, cold: 90 })).toEqual(['clickhouse_behind', 'tracking_behind']);
});
