/** What is to go: held against the rules said once more, day by day. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { DAY_MS, dayOf } from '../../../pipelines/retention/days.ts';
import {
  isLetGo,
  lastExpiredDay,
  localHorizon,
  type PlanInput,
  planRetention,
} from '../../../pipelines/retention/plan.ts';

const NOW = Date.UTC(2026, 7, 31, 13);
const day = (age: number) => dayOf(NOW - age * DAY_MS);

const MIB = 1024 * 1024;
const anyInput = fc
  .record({
    ages: fc.uniqueArray(fc.integer({ min: -1, max: 40 }), { maxLength: 20 }),
    ttlDays: fc.option(fc.integer({ min: 1, max: 45 })),
    maxBytes: fc.option(fc.integer({ min: 1, max: 60 })),
    lowWaterPercent: fc.integer({ min: 1, max: 100 }),
    others: fc.integer({ min: 0, max: 10 }),
    evictedAge: fc.option(fc.integer({ min: 1, max: 40 })),
    throughAge: fc.option(fc.integer({ min: 1, max: 40 })),
    seeds: fc.array(fc.record({ bytes: fc.integer({ min: 1, max: 5 }), kind: fc.nat(9) }), {
      minLength: 42,
      maxLength: 42,
    }),
  })
  .map(({ ages, ttlDays, maxBytes, lowWaterPercent, others, evictedAge, throughAge, seeds }): PlanInput => {
    const days = ages
      .toSorted((a, b) => b - a)
      .map((age) => ({ age, day: day(age), rows: 10, bytes: (seeds[age + 1]?.bytes ?? 1) * MIB }));
    const kindOf = (age: number) => seeds[age + 1]?.kind;
    return {
      now: NOW,
      retention: {
        tracking: { ttlDays },
        maxBytes: maxBytes === null ? null : maxBytes * MIB,
        lowWaterPercent,
      },
      events: {
        through: throughAge === null ? null : day(throughAge),
        evictedThrough: evictedAge === null ? null : day(evictedAge),
        // Some are over already.
        held: Object.fromEntries(
          days
            .filter(({ age }) => [0, 1].includes(kindOf(age) ?? 9))
            .map(({ age, day: name }) => [name, NOW + (kindOf(age) === 0 ? 1 : -1)]),
        ),
      },
      next: { 's/0': 5 },
      sizes: {
        days: days.map(({ age: _, ...one }) => one),
        bytes: days.reduce((sum, { bytes }) => sum + bytes, others * MIB),
      },
      unconfirmed: days
        .filter(({ age }) => kindOf(age) === 2)
        .map(({ day: name }) => ({ day: name, source: 's/0', offset: 7, rows: 1 })),
    };
  });

it('by time, all days that are over it and no others; by space, the oldest until there is enough', () => {
  fc.assert(
    fc.property(anyInput, (input) => {
      const plan = planRetention(input);
      const { tracking, maxBytes, lowWaterPercent } = input.retention;
      const { events, sizes } = input;
      const isFree = (name: string) =>
        (events.held[name] ?? 0) <= NOW && !input.unconfirmed.some((one) => one.day === name);
      const ageOf = (name: string) => Math.round((Date.parse(day(0)) - Date.parse(name)) / DAY_MS);

      const goes = new Set<string>();
      const considered = new Set<string>();
      for (const one of sizes.days) {
        const isOver = tracking.ttlDays !== null && ageOf(one.day) >= tracking.ttlDays;
        const isEvicted = events.evictedThrough !== null && one.day <= events.evictedThrough;
        if (isOver || isEvicted) considered.add(one.day);
      }
      for (const name of considered) if (isFree(name)) goes.add(name);
      const left = () =>
        sizes.bytes -
        sizes.days.filter((one) => goes.has(one.day)).reduce((sum, { bytes }) => sum + bytes, 0);
      if (maxBytes !== null && left() > maxBytes) {
        for (const one of sizes.days) {
          if (left() <= Math.floor((maxBytes * lowWaterPercent) / 100)) break;
          if (ageOf(one.day) < 1 || considered.has(one.day)) continue;
          considered.add(one.day);
          if (isFree(one.day)) goes.add(one.day);
        }
      }
      expect(new Set(plan.days.map((one) => one.day))).toEqual(considered);
      expect(new Set(plan.days.filter(isLetGo).map((one) => one.day))).toEqual(goes);
      expect(plan.bytesAfter).toBe(left());
      expect(plan.overBytes).toBe(maxBytes === null ? 0 : Math.max(0, left() - maxBytes));
      // Both only grow.
      expect((plan.through ?? '') >= (events.through ?? '')).toBe(true);
      expect((plan.evictedThrough ?? '') >= (events.evictedThrough ?? '')).toBe(true);
      // What goes is exported, and what goes for want of space stays away.
      for (const name of goes) expect(name <= (plan.through ?? '')).toBe(true);
      for (const one of plan.days)
        if (one.cause === 'space' && isLetGo(one)) expect(one.day <= (plan.evictedThrough ?? '')).toBe(true);
    }),
    { numRuns: 500 },
  );
});

it('a limit smaller than what must stay is not met, and says by how much', () => {
  const plan = planRetention({
    now: NOW,
    retention: { tracking: { ttlDays: null }, maxBytes: 2 * MIB, lowWaterPercent: 90 },
    events: { through: null, evictedThrough: null, held: {} },
    next: {},
    sizes: { days: [{ day: day(0), rows: 1, bytes: 5 * MIB }], bytes: 6 * MIB },
    unconfirmed: [],
  });
  expect(plan.days).toEqual([]);
  expect(plan.overBytes).toBe(4 * MIB);
});

it('a day is over when its time has passed since its beginning', () => {
  expect(lastExpiredDay(1, Date.UTC(2026, 7, 2) - 1)).toBe('2026-07-31');
  expect(lastExpiredDay(1, Date.UTC(2026, 7, 2))).toBe('2026-08-01');
  expect(lastExpiredDay(null, NOW)).toBeNull();
  expect(lastExpiredDay(20_088, Date.UTC(2020, 0, 1))).toBeNull();
});

it('everything is local from the day after the last one that is gone', () => {
  const events = { through: '2026-08-10', evictedThrough: '2026-08-05', goneThrough: null };
  expect(localHorizon(events, null, NOW)).toBe(Date.UTC(2026, 7, 6));
  expect(localHorizon(events, 30, NOW)).toBe(Date.UTC(2026, 7, 6));
  expect(localHorizon(events, 3, NOW)).toBe(Date.UTC(2026, 7, 11));
  // It is gone, whatever is wanted now.
  expect(localHorizon({ ...events, goneThrough: '2026-08-08' }, 30, NOW)).toBe(Date.UTC(2026, 7, 9));
  expect(localHorizon({ through: null, evictedThrough: null, goneThrough: null }, 3, NOW)).toBeNull();
});

it('a day that may not go does not take the days behind it along: they are looked at again when it may', () => {
  const days = [5, 4, 3, 2].map((age) => ({ day: day(age), rows: 1, bytes: MIB }));
  const input = {
    now: NOW,
    retention: { tracking: { ttlDays: null }, maxBytes: 5 * MIB - 1, lowWaterPercent: 90 },
    events: { through: null, evictedThrough: null, held: {} },
    next: {},
    sizes: { days, bytes: 5 * MIB },
  };
  const unconfirmed = days.map((one) => ({ day: one.day, source: 's', rows: 1, offset: 0 }));
  const kept = planRetention({ ...input, unconfirmed });
  expect([kept.evictedThrough, kept.through, kept.overBytes]).toEqual([null, null, 1]);
  const free = planRetention({ ...input, events: { ...input.events, ...kept }, unconfirmed: [] });
  expect(free.days.map((one) => one.day)).toEqual([day(5)]);
});
