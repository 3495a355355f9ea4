/** What is to leave ClickHouse, and why the rest may not: a pure function of what there is and what is wanted. */
import type { Config } from '../../config/schema.ts';
import type { Manifest, NextOffsets } from '../cold/manifest.ts';
import { DAY_MS, dayOf, daysAfter, laterOf, startOf } from './days.ts';
import type { TableSizes, Unconfirmed } from './table-days.ts';

export interface PlanInput {
  /** Milliseconds. */
  readonly now: number;
  readonly retention: Pick<Config['retention'], 'tracking' | 'maxBytes' | 'lowWaterPercent'>;
  readonly events: Pick<Manifest['events'], 'through' | 'evictedThrough' | 'held'>;
  /** Of each source, below which offset rows may go. */
  readonly next: NextOffsets;
  readonly sizes: TableSizes;
  /** Of the days up to yesterday. */
  readonly unconfirmed: readonly Unconfirmed[];
}

/** Why a day goes: its time is over, or there is no space for it. */
export type Cause = 'time' | 'space';

export interface PlannedDay {
  readonly day: string;
  readonly rows: number;
  readonly bytes: number;
  readonly cause: Cause;
  /** Rows that may not go yet, by source; the parts of the table that hold them stay. */
  readonly unconfirmed: readonly Unconfirmed[];
  /** Milliseconds: brought back, and wanted until then. */
  readonly heldUntil: number | null;
}

export interface RetentionPlan {
  /** The last day of the cold tier; null: nothing is to go there. */
  readonly through: string | null;
  readonly next: NextOffsets;
  readonly evictedThrough: string | null;
  /** What is over its time or has no space, oldest first. */
  readonly days: readonly PlannedDay[];
  /** Of all tables. */
  readonly bytes: number;
  /** What will be left when the days that may go have gone. */
  readonly bytesAfter: number;
  /** Null: there is no limit. */
  readonly maxBytes: number | null;
  /** Bytes by which the limit is passed even then: what is left may not go. */
  readonly overBytes: number;
}

/** Whether all of it goes. */
export function isLetGo({ unconfirmed, heldUntil }: PlannedDay): boolean {
  return unconfirmed.length === 0 && heldUntil === null;
}

export function planRetention(input: PlanInput): RetentionPlan {
  const { now, retention, events, next, sizes } = input;
  const lastExpired = lastExpiredDay(retention.tracking.ttlDays, now);
  const unconfirmed = Map.groupBy(input.unconfirmed, ({ day }) => day);
  const today = dayOf(now);
  const planned = (day: TableSizes['days'][number], cause: Cause): PlannedDay => {
    const until = events.held[day.day] ?? 0;
    return {
      ...day,
      cause,
      unconfirmed: unconfirmed.get(day.day) ?? [],
      heldUntil: until > now ? until : null,
    };
  };

  const days: PlannedDay[] = [];
  let bytes = sizes.bytes;
  let evictedThrough = events.evictedThrough;
  const take = (one: PlannedDay): void => {
    days.push(one);
    if (isLetGo(one)) bytes -= one.bytes;
  };
  const isDue = (day: string): boolean =>
    (lastExpired !== null && day <= lastExpired) || (evictedThrough !== null && day <= evictedThrough);
  for (const day of sizes.days) {
    if (!isDue(day.day)) continue;
    take(planned(day, lastExpired !== null && day.day <= lastExpired ? 'time' : 'space'));
  }
  const { maxBytes, lowWaterPercent } = retention;
  const isOver = maxBytes !== null && bytes > maxBytes;
  if (isOver) {
    const enough = Math.floor((maxBytes * lowWaterPercent) / 100);
    for (const day of sizes.days) {
      // What happens today is still being written.
      if (bytes <= enough || day.day >= today) break;
      if (isDue(day.day)) continue;
      const one = planned(day, 'space');
      take(one);
      // One that may not go is looked at again when it may: by then there may be space.
      if (isLetGo(one)) evictedThrough = day.day;
    }
  }
  // A day is exported once, when all of it may go; those in front of it that may not are exported as far as they can be.
  const lastDay = days.findLast(isLetGo)?.day ?? null;
  return {
    through: laterOf(events.through, lastDay),
    next,
    evictedThrough,
    days,
    bytes: sizes.bytes,
    bytesAfter: bytes,
    maxBytes,
    overBytes: maxBytes === null ? 0 : Math.max(0, bytes - maxBytes),
  };
}

/** As the table's TTL has it: a day goes when so many days have passed since its beginning. */
export function lastExpiredDay(ttlDays: number | null, now: number): string | null {
  if (ttlDays === null || now < ttlDays * DAY_MS) return null;
  return daysAfter(dayOf(now), -ttlDays);
}

/**
 * The first instant from which everything is still in ClickHouse; null: nothing has left yet. The table's TTL may be
 * ahead of what retention has noted.
 * @returns milliseconds
 */
export function localHorizon(
  {
    through,
    evictedThrough,
    goneThrough,
  }: Pick<Manifest['events'], 'through' | 'evictedThrough' | 'goneThrough'>,
  ttlDays: number | null,
  now: number,
): number | null {
  const wanted = laterOf(lastExpiredDay(ttlDays, now), evictedThrough);
  const mayBeGone = through === null || wanted === null ? null : through < wanted ? through : wanted;
  const gone = laterOf(goneThrough, mayBeGone);
  return gone === null ? null : startOf(gone) + DAY_MS;
}
