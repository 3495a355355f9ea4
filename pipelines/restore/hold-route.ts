/** Where rows of `events` go that are brought back for a while: into the table, with their days held there first. */
import type { Clock } from '../common/clock.ts';
import { dayOf } from '../retention/days.ts';
import type { EventDays } from './event-days.ts';
import type { EventRoute } from './row-loader.ts';

export interface HeldDays extends EventRoute {
  /** Days that would else be let go earlier. */
  readonly held: ReadonlySet<string>;
}

export function holdingRoute(
  days: EventDays,
  { clock, keepForMs }: { clock: Clock; keepForMs: number },
): HeldDays {
  const held = new Set<string>();
  return {
    held,
    tableFor: () => 'events',
    async prepare(rows) {
      const until = clock.now() + keepForMs;
      const wanted = new Set<string>();
      for (const { source, record } of rows) {
        const day = dayOf(record.eventTime);
        if (!held.has(day) && days.isExported(day, source, record.record.offset) && days.goesAt(day) < until)
          wanted.add(day);
      }
      if (wanted.size === 0) return;
      await days.hold(wanted, until);
      for (const day of wanted) held.add(day);
    },
  };
}
