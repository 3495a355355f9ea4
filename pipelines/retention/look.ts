/** Looks at everything a plan is made of, and makes it. Changes nothing. */
import type { Manifest } from '../cold/manifest.ts';
import { confirmedNext, readSources, type SourceState } from './confirmed.ts';
import type { RetentionContext } from './context.ts';
import { dayOf, daysAfter } from './days.ts';
import { planRetention, type RetentionPlan } from './plan.ts';
import { readSizes, readUnconfirmed } from './table-days.ts';

export interface Look {
  /** Milliseconds. */
  readonly now: number;
  readonly manifest: Manifest;
  readonly sources: readonly SourceState[];
  readonly plan: RetentionPlan;
}

/**
 * The segments are listed and held against their heads only when there is something that could go.
 * @throws {Outage}
 */
export async function lookAround(
  { config, client, container, clock }: RetentionContext,
  manifest: Manifest,
): Promise<Look> {
  const now = clock.now();
  const { events } = manifest;
  const { retention } = config;
  const sizes = await readSizes(client, config.clickhouse.database);
  const planWith = (
    next: Manifest['events']['next'],
    unconfirmed: Parameters<typeof planRetention>[0]['unconfirmed'],
  ) => planRetention({ now, retention, events, next, sizes, unconfirmed });
  const draft = planWith(events.next, []);
  const isChecked = draft.days.length > 0;
  const sources = await readSources({ config, client, container, isChecked });
  if (!isChecked) return { now, manifest, sources, plan: draft };
  const next = confirmedNext('events', sources, { config, before: events.next });
  // For want of space any day may be next where an older one must stay.
  const isShort = retention.maxBytes !== null && sizes.bytes > retention.maxBytes;
  const through = isShort ? daysAfter(dayOf(now), -1) : (draft.days.at(-1)?.day ?? null);
  const unconfirmed = await readUnconfirmed(client, { through, next });
  return { now, manifest, sources, plan: planWith(next, unconfirmed) };
}
