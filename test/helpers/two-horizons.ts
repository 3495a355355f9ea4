/**
 * One history in two ledgers: in one ClickHouse kept everything; in the other days have left it for the cold tier, and
 * what came last is in the archive alone.
 */
import { randomUUID } from 'node:crypto';
import type { ContainerClient } from '@azure/storage-blob';
import fc from 'fast-check';
import { topicNames } from '../../config/topics.ts';
import { createArchivePipeline } from '../../pipelines/archive/pipeline.ts';
import { ColdStore } from '../../pipelines/cold/cold-store.ts';
import { bringMonthsTogether, exportEvents } from '../../pipelines/cold/export-events.ts';
import type { Extent } from '../../pipelines/cold/exported.ts';
import type { Batch } from '../../pipelines/common/batch.ts';
import { createContainer } from '../../pipelines/common/blob/container.ts';
import type { ClickHouseClient } from '../../pipelines/common/clickhouse/client.ts';
import { systemClock } from '../../pipelines/common/clock.ts';
import { WriterSchemas } from '../../pipelines/common/registry/writer-schemas.ts';
import { createProfilesPipeline } from '../../pipelines/profiles/pipeline.ts';
import type { ReportContext } from '../../pipelines/report/user-report.ts';
import { letGo, setGate } from '../../pipelines/retention/ttl-gate.ts';
import { createTrackingPipeline } from '../../pipelines/tracking/pipeline.ts';
import type { SeenRecord } from './kafka-witness.ts';
import { LedgerDatabase } from './ledger-database.ts';
import { LedgerHarness, type Sent } from './ledger-harness.ts';
import type { GoodRecord } from './ledger-oracle.ts';
import { change, definition, delivery, feedback } from './ledger-values.ts';

export const DAY_MS = 86_400_000;
export const START = Date.UTC(2026, 5, 10);
const DAYS = 10;
const DAYS_APART = 8;
export const USERS = ['u0', 'u1', 'u2', 'u3', "o'neil/é"];
const PARTITIONS = 2;
const always = () => true;

type Role = 'delivery' | 'feedback' | 'definitions' | 'profiles';

export class TwoHorizons implements AsyncDisposable {
  readonly harness: LedgerHarness;
  readonly whole: LedgerDatabase;
  readonly container: ContainerClient;
  readonly prefix: string;
  readonly #schemas: WriterSchemas;
  /** Everything that was written and can be a row, by topic, as it was produced. */
  readonly produced: Record<Role, GoodRecord[]> = {
    delivery: [],
    feedback: [],
    definitions: [],
    profiles: [],
  };
  readonly #next = new Map<string, number>();
  readonly #sinks: Awaited<ReturnType<typeof sinksOf>>;

  private constructor(
    harness: LedgerHarness,
    { whole, sinks }: { whole: LedgerDatabase; sinks: Awaited<ReturnType<typeof sinksOf>> },
  ) {
    this.harness = harness;
    this.whole = whole;
    this.#sinks = sinks;
    this.container = createContainer(harness.config);
    this.prefix = harness.config.blob.prefix;
    this.#schemas = new WriterSchemas({ settings: harness.config.schemaRegistry, clock: systemClock });
  }

  static async create(configFile: string): Promise<TwoHorizons> {
    const prefix = `report-test-${randomUUID()}/`;
    const harness = await LedgerHarness.create(configFile, {
      partitions: PARTITIONS,
      overrides: { blob: { prefix } },
    });
    const whole = await LedgerDatabase.create(configFile);
    return new TwoHorizons(harness, { whole, sinks: await sinksOf(harness, whole) });
  }

  get store(): ColdStore {
    return new ColdStore(this.container, this.prefix);
  }

  /** The ledger whose days have left. @param container another way to the same blobs */
  context(container = this.container): ReportContext {
    const { config } = this.harness;
    return {
      clickhouse: this.harness.client,
      database: config.clickhouse.database,
      blob: { place: { container, prefix: this.prefix }, config, schemas: this.#schemas },
    };
  }

  /** The one that kept everything. */
  get wholeContext(): ReportContext {
    return { clickhouse: this.whole.client, database: this.whole.database, blob: null };
  }

  /** Archives the records, and writes them to the whole ledger and, unless told otherwise, to the other. */
  async write(records: readonly MadeRecord[], { isTracked = true } = {}): Promise<void> {
    const batches = [...Map.groupBy(records, ({ role, partition }) => `${role}/${partition}`).values()].map(
      (some) => this.#batch(some),
    );
    const { archive, whole, ours } = this.#sinks;
    // One batch of a partition at a time, as the runner does.
    for (const batch of batches) await archive.write([batch], always);
    for (const sinks of isTracked ? [whole, ours] : [whole]) {
      const { profiles: topic } = topicNames(this.harness.config);
      await sinks.tracking.write(
        batches.filter(({ source }) => source.topic !== topic),
        always,
      );
      await sinks.profiles.write(
        batches.filter(({ source }) => source.topic === topic),
        always,
      );
    }
  }

  /** Everything up to the day that tracking has written leaves ClickHouse. */
  async exportThrough(day: string): Promise<void> {
    const { client } = this.harness;
    const extent: Extent = { through: day, next: await nextOf(client) };
    const { store } = this;
    await bringMonthsTogether(await exportEvents(await store.readManifest(), extent, { store, client }), {
      store,
    });
    await setGate(client, { exported: extent, ttlDays: null, evictedThrough: day, held: new Map() });
    const days = await this.harness.rows<{ day: string }>(
      'SELECT DISTINCT toString(toDate(occurred_at)) AS day FROM events',
    );
    await letGo(
      client,
      days.map((one) => one.day).filter((one) => one <= day),
    );
  }

  #batch(records: readonly MadeRecord[]): Batch {
    const [{ role, partition }] = records as [MadeRecord];
    const key = `${role}/${partition}`;
    const first = this.#next.get(key) ?? 0;
    this.#next.set(key, first + records.length);
    for (const [index, { value, timestamp }] of records.entries()) {
      const record = { timestamp, partition, offset: first + index } as SeenRecord;
      if (value !== null) this.produced[role].push({ record, value: value as GoodRecord['value'] });
    }
    const sent = records.map(
      ({ value, key: name, timestamp }): Sent => ({
        value: value === null ? null : this.harness.encode(role, value),
        key: Buffer.from(name),
        timestamp,
      }),
    );
    return this.harness.batch(role, sent, { partition, first });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { archive, whole } = this.#sinks;
    for (const sink of [archive, whole.tracking, whole.profiles]) await sink.close();
    await this.#schemas.close();
    await this.whole[Symbol.asyncDispose]();
    await this.harness[Symbol.asyncDispose]();
  }
}

async function sinksOf(harness: LedgerHarness, whole: LedgerDatabase) {
  const config = { ...harness.config, clickhouse: whole.config.clickhouse };
  const dependencies = harness.dependencies({ config });
  const { sink: archive } = await createArchivePipeline(harness.dependencies());
  return {
    archive,
    whole: {
      tracking: (await createTrackingPipeline(dependencies)).sink,
      profiles: (await createProfilesPipeline(dependencies)).sink,
    },
    ours: {
      tracking: (await harness.pipeline(createTrackingPipeline)).sink,
      profiles: (await harness.pipeline(createProfilesPipeline)).sink,
    },
  };
}

async function nextOf(client: ClickHouseClient): Promise<Record<string, number>> {
  const answer = await client.query({
    query: `SELECT concat(topic_id, '/', toString(partition)) AS source, toString(max(next_offset)) AS next
            FROM progress WHERE pipeline = 'tracking' GROUP BY source`,
    format: 'JSONEachRow',
  });
  const rows = await answer.json<{ source: string; next: string }>();
  return Object.fromEntries(rows.map(({ source, next }) => [source, Number(next)]));
}

export interface MadeRecord {
  readonly role: Role;
  readonly partition: number;
  /** Null for a tombstone, which no pipeline takes. */
  readonly value: object | null;
  readonly key: string;
  readonly timestamp: number;
}

/** Few ids: messages have several events, events several copies that differ in time and content. */
const common = fc.record({
  user_id: fc.constantFrom(...USERS),
  message: fc.nat({ max: 9 }),
  campaign: fc.nat({ max: 2 }),
  // On few days, over three months: an insert costs ClickHouse as much as the days that it touches.
  at: fc
    .tuple(fc.nat({ max: DAYS - 1 }), fc.nat({ max: DAY_MS - 1 }))
    .map(([day, time]) => START + day * DAYS_APART * DAY_MS + time),
  event: fc.nat({ max: 3 }),
  text: fc.string({ unit: 'grapheme', maxLength: 4 }),
});
const made = fc
  .tuple(
    fc.constantFrom<Role>(
      'delivery',
      'delivery',
      'feedback',
      'feedback',
      'feedback',
      'profiles',
      'definitions',
    ),
    common,
    fc.constantFrom(...Array.from({ length: 20 }, (_, index) => index)),
  )
  .map(([role, { user_id, message, campaign, at, event, text }, draw]): MadeRecord => {
    const key = `acme/${role === 'definitions' ? `c${campaign}` : user_id}`;
    const ids = {
      user_id,
      message_id: `${user_id}-m${message}`,
      campaign_id: `c${campaign}`,
      occurred_at: at,
    };
    const values: Readonly<Record<Role, object>> = {
      delivery: delivery({
        ...ids,
        event_id: `d${event}`,
        type: draw % 2 === 0 ? 'SENT' : 'DELIVERED',
        reason: text,
      }),
      feedback: feedback({
        ...ids,
        event_id: `f${event}`,
        type: draw % 3 === 0 ? 'OPENED' : 'CLICKED',
        link: text,
        value: draw / 8,
      }),
      profiles: change({
        user_id,
        change_id: `p${message}-${event}`,
        op: draw % 3 === 0 ? 'SNAPSHOT' : 'PATCH',
        changed_at: at,
        attributes: JSON.stringify({ [`a${campaign}`]: text, draw }),
      }),
      definitions: definition({ campaign_id: `c${campaign}`, name: text, updated_at: at }),
    };
    const partition = role === 'definitions' ? campaign % PARTITIONS : USERS.indexOf(user_id) % PARTITIONS;
    // Now and then one that cannot be a row.
    const value = draw === 19 ? null : values[role];
    return { role, partition, value, key, timestamp: at + draw * DAY_MS };
  });

export function madeRecords(count: number, seed: number): MadeRecord[] {
  return fc.sample(made, { numRuns: count, seed });
}
