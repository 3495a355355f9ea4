/** Where rows of `events` go that are brought back for a while: into the table, with their days held there first. */
import type { Clock } from '../common/clock.ts';
import { dayOf } from '../retention/days.ts';
import type { EventDays } from './event-days.ts';
import type { EventRoute } from './row-loader.ts';

export interface HeldDays extends EventRoute {
  /** Days that would else be let go earlier, each with the instant until which it stays, in milliseconds. */
  readonly held: ReadonlyMap<string, number>;
}

export function holdingRoute(
  days: EventDays,
  { clock, keepForMs }: { clock: Clock; keepForMs: number },
): HeldDays {
  const held = new Map<string, number>();
  return {
    held,
    tableFor: () => 'events',
    async prepare(rows) {
      await days.keepUp();
      const now = clock.now();
      const until = now + keepForMs;
      // Each hold takes the lock of retention: a day that is met again and again is not held anew each time.
      const longEnough = (day: string) => held.has(day) && days.goesAt(day) >= now + keepForMs / 2;
      const wanted = new Set<string>();
      for (const { source, record } of rows) {
        const day = dayOf(record.eventTime);
        if (longEnough(day) || days.goesAt(day) >= until) continue;
        if (days.isExported(day, source, record.record.offset)) wanted.add(day);
      }
      if (wanted.size === 0) return;
      await days.hold(wanted, until);
      for (const day of wanted) held.set(day, days.goesAt(day));
    },
  };
}
