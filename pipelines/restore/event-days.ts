/** Days of `events` that retention lets go: what is brought back of them is held, or goes where it had gone before. */
import type { Config } from '../../config/schema.ts';
import { ColdStore, type HeldManifest } from '../cold/cold-store.ts';
import type { Manifest } from '../cold/manifest.ts';
import type { ContainerClient } from '../common/blob/container.ts';
import type { ClickHouseClient } from '../common/clickhouse/client.ts';
import type { Clock } from '../common/clock.ts';
import { assertManifest } from '../retention/assert-safe.ts';
import { DAY_MS, startOf } from '../retention/days.ts';
import { gateOf } from '../retention/gate-of.ts';
import { takeRetentionLock } from '../retention/retention-lock.ts';
import { setGate } from '../retention/ttl-gate.ts';

/** How long to wait for a run of retention to end. */
const LOCK_WAIT_MS = 600_000;
/** Retention goes on exporting while a restore runs, for hours. */
const BELIEVED_FOR_MS = 120_000;

export interface DaysContext {
  readonly container: ContainerClient;
  /** `blob.prefix` of the configuration. */
  readonly prefix: string;
  readonly client: ClickHouseClient;
  readonly config: Pick<Config, 'retention' | 'clickhouse'>;
  readonly clock: Clock;
  /** Called when retention is under way and is waited for. */
  readonly onWait: (holder: string) => void;
}

export class EventDays {
  readonly #context: DaysContext;
  readonly #store: ColdStore;
  #manifest: Manifest;
  #readAt: number;

  private constructor(context: DaysContext, store: ColdStore, manifest: Manifest) {
    this.#context = context;
    this.#store = store;
    this.#manifest = manifest;
    this.#readAt = context.clock.now();
  }

  /** @throws {Outage} @throws {DamagedColdFile} */
  static async read(context: DaysContext): Promise<EventDays> {
    const store = new ColdStore(context.container, context.prefix);
    return new EventDays(context, store, (await readChecked(context, store)).manifest);
  }

  /** Sees what was exported meanwhile. @throws {Outage} @throws {DamagedColdFile} */
  async keepUp(): Promise<void> {
    const now = this.#context.clock.now();
    if (now - this.#readAt < BELIEVED_FOR_MS) return;
    this.#manifest = (await readChecked(this.#context, this.#store)).manifest;
    this.#readAt = now;
  }

  /** Whether any day was ever exported: else none can be let go. */
  get hasExported(): boolean {
    return this.#manifest.events.through !== null;
  }

  /** Whether the row is in the cold tier. */
  isExported(day: string, source: string, offset: number): boolean {
    const { through, next } = this.#manifest.events;
    return through !== null && day <= through && offset < (next[source] ?? 0);
  }

  /** When rows of the day go that are in the cold tier, in milliseconds. Infinite: not by themselves. */
  goesAt(day: string): number {
    const { evictedThrough, held } = this.#manifest.events;
    const until = held[day];
    if (until !== undefined && until > this.#context.clock.now()) return until;
    if (evictedThrough !== null && day <= evictedThrough) return 0;
    const { ttlDays } = this.#context.config.retention.tracking;
    return ttlDays === null ? Number.POSITIVE_INFINITY : startOf(day) + ttlDays * DAY_MS;
  }

  /**
   * The days stay until then, where they would go earlier. Resolves when the table's own rule says so.
   * @throws {Outage}
   * @throws {LockTaken} a run of retention does not end
   */
  async hold(days: Iterable<string>, untilMs: number): Promise<void> {
    if ([...days].every((day) => this.goesAt(day) >= untilMs)) return;
    const { container, prefix, clock, client, config, onWait } = this.#context;
    const lock = await takeRetentionLock(container, { prefix, clock, waitMs: LOCK_WAIT_MS, onWait });
    try {
      const found = await readChecked(this.#context, this.#store);
      this.#manifest = found.manifest;
      const held = { ...found.manifest.events.held };
      for (const day of days) if (this.goesAt(day) < untilMs) held[day] = untilMs;
      await lock.assertHeld();
      const manifest = { ...found.manifest, events: { ...found.manifest.events, held } };
      this.#manifest = (await this.#store.replaceManifest(found, manifest)).manifest;
      await setGate(client, gateOf(manifest, config, clock.now()));
    } finally {
      await lock.release();
    }
  }

  /** The gate as the manifest has it: for a table that was made anew. @throws {Outage} */
  async setGate(): Promise<void> {
    const { client, config, clock } = this.#context;
    await setGate(client, gateOf(this.#manifest, config, clock.now()));
  }
}

/** By a manifest that is gone or an old one, the days that it names would not be held, and a new one would hide what is there. */
async function readChecked({ client, config }: DaysContext, store: ColdStore): Promise<HeldManifest> {
  const held = await store.readManifest();
  await assertManifest(held, { client, database: config.clickhouse.database, store });
  return held;
}
