/** One run of retention, step by step. Each step may be repeated, and a run that was stopped is ended by the next. */
import { isDeepStrictEqual } from 'node:util';
import type { HeldManifest } from '../cold/cold-store.ts';
import { CAMPAIGNS, PROFILE_CHANGES } from '../cold/cold-table.ts';
import { bringOwnedTogether, exportOwned } from '../cold/export-changes.ts';
import { bringMonthsTogether, type ExportOptions, exportEvents } from '../cold/export-events.ts';
import type { Extent } from '../cold/exported.ts';
import type { LeaseLock } from '../common/blob/lease-lock.ts';
import { Outage } from '../common/errors.ts';
import { faultPoint } from '../common/fault-points.ts';
import { assertWhole } from './assert-safe.ts';
import { confirmedNext, readSources } from './confirmed.ts';
import type { RetentionContext } from './context.ts';
import { laterOf } from './days.ts';
import { gateOf } from './gate-of.ts';
import { type Look, lookAround, readCheckedManifest, trimHorizon } from './look.ts';
import { letSomeMessagesGo } from './messages.ts';
import { isLetGo, lastExpiredDay, type RetentionPlan } from './plan.ts';
import { type Swept, sweepColdTier } from './sweep.ts';
import { readSizes } from './table-days.ts';
import { trimProfileChanges } from './trim-profile-changes.ts';
import { letGo, setGate } from './ttl-gate.ts';

export interface RetentionResult {
  readonly look: Look;
  /** The manifest that stands now. */
  readonly held: HeldManifest;
  readonly exported: { readonly files: number; readonly rows: number };
  /** Rows of `events` that have left ClickHouse. */
  readonly rowsGone: number;
  readonly messagesGone: number;
  /** Users of whom profile changes have left. */
  readonly usersTrimmed: number;
  readonly filesRemoved: number;
  /** Of all tables, afterwards. */
  readonly bytes: number;
}

/** Days that are emptied with one statement. */
const DAYS_AT_ONCE = 50;

/**
 * @param lock of retention; renewed before each step
 * @throws {LockLost} another run has taken over
 * @throws {Fenced} somebody without the lock has changed the cold tier
 * @throws {Outage}
 * @throws {DamagedColdFile}
 * @throws {ClickHouseBehind}
 */
export async function runRetention(context: RetentionContext, lock: LeaseLock): Promise<RetentionResult> {
  const { config, client, store, logger } = context;
  const { database } = config.clickhouse;
  let held = await readCheckedManifest(context);
  assertWhole(await readSources({ ...context, manifest: held.manifest, isChecked: false }));
  const exported = { files: 0, rows: 0 };
  const onFile = ({ path, rows, bytes }: { path: string; rows: number; bytes: number }) => {
    exported.files += 1;
    exported.rows += rows;
    logger.info({ path, rows, bytes }, 'exported');
  };
  const onStep = () => lock.assertHeld();
  held = await endExport(context, held, { onFile, onStep });
  await lock.assertHeld();
  const look = await lookAround(context, held.manifest);
  const { plan, now } = look;
  faultPoint('planned', 'retention');

  const leaving = plan.days.filter(isLetGo).map(({ day }) => day);
  const horizon = trimHorizon(held.manifest, config.retention, now);
  if (leaving.length > 0 || horizon !== null) held = await exportChanges(context, held, { look, lock });
  if (leaving.length > 0) {
    held = await exportEvents(held, extentOf(plan), { store, client, onFile, onStep });
    faultPoint('exported', 'retention');
  }
  await lock.assertHeld();
  held = await noteEvictions(context, held, look);
  faultPoint('evictions-noted', 'retention');

  await lock.assertHeld();
  await setGate(client, gateOf(held.manifest, config, now));
  faultPoint('gate-set', 'retention');
  const before = await readSizes(client, database);
  for (let from = 0; from < leaving.length; from += DAYS_AT_ONCE) {
    await letGo(client, leaving.slice(from, from + DAYS_AT_ONCE));
    faultPoint('days-let-go', 'retention');
    await lock.assertHeld();
  }
  const messages = await messagesLetGo(context, held, now);
  held = messages.held;
  await lock.assertHeld();
  const trimmed = horizon === null ? null : await trim(context, held, horizon);
  if (trimmed !== null) held = trimmed.held;
  await lock.assertHeld();
  // Last: it saves requests, and nothing waits for it.
  held = await bringTogether(context, held, lock);
  const swept = await sweep(context, held);
  held = swept.held;
  const after = await readSizes(client, database);
  return {
    look,
    held,
    exported,
    rowsGone: Math.max(0, rowsOf(before, leaving) - rowsOf(after, leaving)),
    messagesGone: messages.count,
    usersTrimmed: trimmed?.users ?? 0,
    filesRemoved: swept.removed,
    bytes: after.bytes,
  };
}

/** What the events refer to: who campaigns and users were. Before the events themselves. */
async function exportChanges(
  { config, client, store }: RetentionContext,
  held: HeldManifest,
  { look, lock }: { readonly look: Look; readonly lock: LeaseLock },
): Promise<HeldManifest> {
  let now = held;
  for (const table of [PROFILE_CHANGES, CAMPAIGNS] as const) {
    const before = now.manifest[table.name].next;
    const next = confirmedNext(table.name, look.sources, { config, before });
    now = await exportOwned(now, table, next, { store, client, onStep: () => lock.assertHeld() });
    await lock.assertHeld();
  }
  return now;
}

async function bringTogether(
  { store, logger }: RetentionContext,
  held: HeldManifest,
  lock: LeaseLock,
): Promise<HeldManifest> {
  let now = held;
  const steps = [
    () => bringOwnedTogether(now, PROFILE_CHANGES, { store }),
    () => bringOwnedTogether(now, CAMPAIGNS, { store }),
    () => bringMonthsTogether(now, { store }),
  ];
  for (const step of steps) {
    const brought = await step();
    now = brought.held;
    for (const { what, reason } of brought.skipped)
      logger.warn(
        { what, reason },
        'retention: files that cannot be read are not brought together, and stay',
      );
    await lock.assertHeld();
  }
  return now;
}

/** Once a day: to see which are due, the whole table is read. */
async function messagesLetGo(
  { client, store, config }: RetentionContext,
  held: HeldManifest,
  now: number,
): Promise<{ readonly held: HeldManifest; readonly count: number }> {
  const { manifest } = held;
  const last = lastExpiredDay(config.retention.messages.ttlDays, now);
  if (last === null || last <= (manifest.events.messagesThrough ?? '')) return { held, count: 0 };
  const { messages: count, isAll } = await letSomeMessagesGo(client, last);
  // More are due than one run takes: the next one goes on.
  if (!isAll) return { held, count };
  const events = { ...manifest.events, messagesThrough: last };
  return { count, held: await store.replaceManifest(held, { ...manifest, events }) };
}

/** Old profile changes, once a day: what is left of each user is the base that stands for them. */
async function trim(
  { client, store }: RetentionContext,
  held: HeldManifest,
  horizon: number,
): Promise<{ readonly held: HeldManifest; readonly users: number }> {
  const { manifest } = held;
  const { signal } = new AbortController();
  const { users } = await trimProfileChanges({ client, store, signal, manifest, horizon });
  faultPoint('changes-trimmed', 'retention');
  const profile_changes = { ...manifest.profile_changes, trimmedTo: horizon };
  return { users, held: await store.replaceManifest(held, { ...manifest, profile_changes }) };
}

/** A login that may not delete keeps what is not needed any more: no harm but its price. */
async function sweep({ config, store, clock, logger }: RetentionContext, held: HeldManifest): Promise<Swept> {
  const graceMs = config.retention.replacedFilesGraceMs;
  try {
    return await sweepColdTier(held, { store, now: clock.now(), graceMs });
  } catch (error) {
    const isRefused =
      error instanceof Outage && (error.cause as { statusCode?: unknown })?.statusCode === 403;
    if (!isRefused) throw error;
    logger.warn(
      { reason: error.message },
      'files of the cold tier that were replaced stay: this login may not delete blobs (a SAS needs d)',
    );
    return { held, removed: 0 };
  }
}

/** What an earlier run has begun, as it was begun. */
async function endExport(
  { store, client }: RetentionContext,
  held: HeldManifest,
  { onFile, onStep }: Required<Pick<ExportOptions, 'onFile' | 'onStep'>>,
): Promise<HeldManifest> {
  let now = held;
  for (const table of [PROFILE_CHANGES, CAMPAIGNS] as const) {
    const { pending } = now.manifest[table.name];
    if (pending !== null) now = await exportOwned(now, table, pending, { store, client, onStep });
  }
  const { pending } = now.manifest.events;
  return pending === null ? now : exportEvents(now, pending, { store, client, onFile, onStep });
}

function extentOf({ through, next }: RetentionPlan): Extent {
  return { through, next };
}

/** They are written down before the gate: ClickHouse may be lost, and with it the gate. */
async function noteEvictions(
  { store }: RetentionContext,
  held: HeldManifest,
  { plan, now }: Look,
): Promise<HeldManifest> {
  const { events } = held.manifest;
  const wanted = {
    evictedThrough: plan.evictedThrough,
    goneThrough: laterOf(events.goneThrough, plan.days.findLast(isLetGo)?.day ?? null),
    held: Object.fromEntries(Object.entries(events.held).filter(([, until]) => until > now)),
  };
  const { evictedThrough, goneThrough, held: days } = events;
  if (isDeepStrictEqual(wanted, { evictedThrough, goneThrough, held: days })) return held;
  return store.replaceManifest(held, { ...held.manifest, events: { ...events, ...wanted } });
}

function rowsOf({ days }: Awaited<ReturnType<typeof readSizes>>, wanted: readonly string[]): number {
  return days.reduce((sum, { day, rows }) => sum + (wanted.includes(day) ? rows : 0), 0);
}
