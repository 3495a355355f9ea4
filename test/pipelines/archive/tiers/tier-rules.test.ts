/** Which tier is due: only ever a cheaper one, and a policy that says the same without taking lists offline. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { configSchema } from '../../../../config/schema.ts';
import { lifecyclePolicy } from '../../../../pipelines/archive/tiers/tier-policy.ts';
import {
  dueTier,
  isTiered,
  STAYS_DAYS,
  TIERS,
  type TieredBlob,
} from '../../../../pipelines/archive/tiers/tier-rules.ts';

const DAY_MS = 86_400_000;
const RULES = { coolAfterDays: 30, coldAfterDays: 90, archiveAfterDays: 365 };
const WRITTEN = Date.UTC(2026, 0, 1);

const blob = (change: Partial<TieredBlob> = {}): TieredBlob => ({
  path: 'raw/t/dt=2026-01-01/hour=00/a.avro',
  bytes: 1,
  writtenAt: WRITTEN,
  tier: 'Hot',
  tierChangedAt: null,
  isPending: false,
  ...change,
});
const after = (days: number, change: Partial<TieredBlob> = {}, rules = RULES) =>
  dueTier(rules as Parameters<typeof dueTier>[0], blob(change), WRITTEN + days * DAY_MS);

test('the day that is configured is the day', () => {
  expect([29.9, 30, 89.9, 90, 364.9, 365].map((days) => after(days))).toEqual([
    null,
    'Cool',
    'Cool',
    'Cold',
    'Cold',
    'Archive',
  ]);
});

test('a step that is left out is passed over', () => {
  const rules = { ...RULES, coldAfterDays: null } as unknown as typeof RULES;
  expect([90, 365].map((days) => after(days, {}, rules))).toEqual(['Cool', 'Archive']);
});

test('never to a dearer tier, nor to the one it is in, whatever the rules and the age', () => {
  const days = fc.option(fc.integer({ min: 0, max: 1_000 }));
  const rules = fc.record({ coolAfterDays: days, coldAfterDays: days, archiveAfterDays: days });
  fc.assert(
    fc.property(
      rules,
      fc.constantFrom(...TIERS),
      fc.double({ min: 0, max: 2_000, noNaN: true }),
      (some, tier, age) => {
        const due = dueTier(some, blob({ tier }), WRITTEN + age * DAY_MS);
        if (due !== null) expect(TIERS.indexOf(due)).toBeGreaterThan(TIERS.indexOf(tier));
        const limits = {
          Hot: 0,
          Cool: some.coolAfterDays,
          Cold: some.coldAfterDays,
          Archive: some.archiveAfterDays,
        };
        if (due !== null) expect(age).toBeGreaterThanOrEqual(limits[due] ?? Number.NaN);
      },
    ),
  );
});

test('what was brought back stays for a week, what is on its way is left alone, an account without tiers too', () => {
  const tierChangedAt = WRITTEN + 400 * DAY_MS;
  expect(after(400 + STAYS_DAYS - 1, { tierChangedAt })).toBe(null);
  expect(after(400 + STAYS_DAYS, { tierChangedAt })).toBe('Archive');
  expect(after(400, { tier: 'Archive', isPending: true })).toBe(null);
  expect(after(400, { tier: null })).toBe(null);
});

test('lists, heads, the manifest and locks never move', () => {
  expect(isTiered('raw', 'raw/t/dt=2026-01-01/hour=00/a.avro')).toBe(true);
  expect(isTiered('tracking', 'tracking/events/month=2026-01/day=1.parquet')).toBe(true);
  for (const path of ['tracking/manifest.json', 'tracking/events/month=2026-01/files-0.json'])
    expect(isTiered('tracking', path)).toBe(false);
});

test('as a policy: prefixes with the container, no archive rule for what has lists among it', () => {
  const { accessTiers } = configSchema.parse({
    kafka: { brokers: ['b:1'] },
    schemaRegistry: { url: 'http://r' },
    clickhouse: { url: 'http://c' },
    blob: { connectionString: 'UseDevelopmentStorage=true' },
    accessTiers: { raw: RULES, tracking: RULES },
  });
  const blobConfig = { container: 'ledger', prefix: 'eu/' } as Parameters<typeof lifecyclePolicy>[0]['blob'];
  const { rules } = lifecyclePolicy({ blob: blobConfig, accessTiers });
  const days = (daysAfterModificationGreaterThan: number) => ({ daysAfterModificationGreaterThan });
  expect(rules.map(({ name, definition }) => [name, definition])).toEqual([
    [
      'campaign-ledger-raw',
      {
        filters: { blobTypes: ['blockBlob'], prefixMatch: ['ledger/eu/raw/', 'ledger/eu/undecodable/'] },
        actions: {
          baseBlob: {
            tierToCool: days(30),
            tierToCold: days(90),
            tierToArchive: { ...days(365), daysAfterLastTierChangeGreaterThan: STAYS_DAYS },
          },
        },
      },
    ],
    [
      'campaign-ledger-tracking',
      {
        filters: {
          blobTypes: ['blockBlob'],
          prefixMatch: ['events', 'profile_changes', 'campaigns'].map(
            (table) => `ledger/eu/tracking/${table}/`,
          ),
        },
        actions: { baseBlob: { tierToCool: days(30), tierToCold: days(90) } },
      },
    ],
  ]);
  const none = { coolAfterDays: null, coldAfterDays: null, archiveAfterDays: null };
  const onlyArchive = { raw: none, tracking: { ...none, archiveAfterDays: 1 } };
  expect(lifecyclePolicy({ blob: blobConfig, accessTiers: onlyArchive })).toEqual({ rules: [] });
});
