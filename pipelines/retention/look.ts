/** Looks at everything a plan is made of, and makes it. Changes nothing. */
import type { Config } from '../../config/schema.ts';
import type { HeldManifest } from '../cold/cold-store.ts';
import type { Manifest } from '../cold/manifest.ts';
import { assertManifest } from './assert-safe.ts';
import { confirmedNext, readSources, type SourceState } from './confirmed.ts';
import type { RetentionContext } from './context.ts';
import { dayOf, daysAfter } from './days.ts';
import { planRetention, type RetentionPlan } from './plan.ts';
import { readSizes, readUnconfirmed } from './table-days.ts';
import { horizonOf } from './trim-profile-changes.ts';

export interface Look {
  /** Milliseconds. */
  readonly now: number;
  readonly manifest: Manifest;
  readonly sources: readonly SourceState[];
  readonly plan: RetentionPlan;
}

/**
 * Before which instant profile changes are to go; null: none are, or it was done today.
 * @returns milliseconds
 */
export function trimHorizon(
  { profile_changes }: Manifest,
  { profileChanges: { ttlDays } }: Pick<Config['retention'], 'profileChanges'>,
  now: number,
): number | null {
  if (ttlDays === null) return null;
  const horizon = horizonOf(now, ttlDays);
  return horizon > (profile_changes.trimmedTo ?? Number.NEGATIVE_INFINITY) ? horizon : null;
}

/**
 * @throws {DamagedColdFile} it is not the one that ClickHouse goes by
 * @throws {Outage}
 */
export async function readCheckedManifest({
  client,
  config,
  store,
}: RetentionContext): Promise<HeldManifest> {
  const held = await store.readManifest();
  await assertManifest(held, { client, database: config.clickhouse.database, store });
  return held;
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
  const isChecked = draft.days.length > 0 || trimHorizon(manifest, retention, now) !== null;
  const sources = await readSources({ config, manifest, client, container, isChecked });
  if (!isChecked) return { now, manifest, sources, plan: draft };
  const next = confirmedNext('events', sources, { config, before: events.next });
  // For want of space any day may be next where an older one must stay.
  const isShort = retention.maxBytes !== null && sizes.bytes > retention.maxBytes;
  const through = isShort ? daysAfter(dayOf(now), -1) : (draft.days.at(-1)?.day ?? null);
  const unconfirmed = await readUnconfirmed(client, { through, next });
  return { now, manifest, sources, plan: planWith(next, unconfirmed) };
}
