/** A ledger whose days have left ClickHouse for the cold tier, as retention lets them. */
import { randomUUID } from 'node:crypto';
import { topicNames } from '../../config/topics.ts';
import { HeadStore } from '../../pipelines/archive/head.ts';
import { COLD_FOLDER, ColdStore } from '../../pipelines/cold/cold-store.ts';
import { bringMonthsTogether, exportEvents } from '../../pipelines/cold/export-events.ts';
import { type ContainerClient, createContainer } from '../../pipelines/common/blob/container.ts';
import { letGo, setGate } from '../../pipelines/retention/ttl-gate.ts';
import { LedgerDatabase } from '../helpers/ledger-database.ts';
import { type ColdLoad, dayText, insertDay, type LoadUser, pickUsers, TOPIC } from './cold-load.ts';

/** Days that are exported at once: where retention runs each week. */
const DAYS_AT_ONCE = 7;

export interface ColdLedger extends AsyncDisposable {
  readonly ledger: LedgerDatabase;
  readonly prefix: string;
  readonly users: { readonly median: LoadUser; readonly busiest: LoadUser };
  readonly exportedRows: number;
  /** Of the export and of bringing months together. */
  readonly exportSeconds: number;
  readonly months: number;
  /** Of all blobs under `tracking/`. */
  readonly bytes: number;
}

/** All but the last day are exported and gone from ClickHouse. */
export async function makeColdLedger(
  configFile: string,
  load: ColdLoad,
  say: (line: string) => void,
): Promise<ColdLedger> {
  const ledger = await LedgerDatabase.create(configFile);
  const container = createContainer(ledger.config, { maxTries: 3 });
  const prefix = `bench-cold-${randomUUID()}/`;
  const store = new ColdStore(container, prefix);
  const { client } = ledger;
  let exportMs = 0;
  for (let day = 0; day < load.days; day += 1) {
    await insertDay(ledger, load, day);
    if (day % DAYS_AT_ONCE !== DAYS_AT_ONCE - 1 && day !== load.days - 1) continue;
    const begun = performance.now();
    const extent = { through: dayText(day), next: nextOffsets(load, day) };
    const exported = await exportEvents(await store.readManifest(), extent, { store, client });
    const { replaced } = await bringMonthsTogether(exported, { store });
    exportMs += performance.now() - begun;
    const first = day - (day % DAYS_AT_ONCE);
    await setGate(client, {
      exported: extent,
      ttlDays: null,
      evictedThrough: extent.through,
      held: new Map(),
    });
    await letGo(
      client,
      Array.from({ length: day - first + 1 }, (_, index) => dayText(first + index)),
    );
    for (const path of replaced) await container.deleteBlob(prefix + path);
    say(`  ${dayText(day)}: ${((day + 1) * load.eventsPerDay).toLocaleString('en-US')} events exported`);
  }
  await insertDay(ledger, load, load.days);
  await writePositions(ledger, { container, prefix, load });
  const { manifest } = await store.readManifest();
  const months = Object.values(manifest.events.months);
  const users = await pickUsers(ledger, { ...load, days: load.days + 1 });
  return {
    ledger,
    prefix,
    users,
    exportedRows: months.reduce((sum, { rows }) => sum + rows, 0),
    exportSeconds: exportMs / 1_000,
    months: months.length,
    bytes: await bytesUnder(container, prefix + COLD_FOLDER),
    [Symbol.asyncDispose]: () => ledger[Symbol.asyncDispose](),
  };
}

function nextOffsets({ eventsPerDay }: ColdLoad, day: number): Record<string, number> {
  const { topicId, partitions } = TOPIC;
  return Object.fromEntries(partitions.map((one) => [`${topicId}/${one}`, (day + 1) * eventsPerDay]));
}

/** Tracking and the archive have come equally far. */
async function writePositions(
  ledger: LedgerDatabase,
  { container, prefix, load }: { container: ContainerClient; prefix: string; load: ColdLoad },
): Promise<void> {
  const heads = new HeadStore(container, prefix);
  const { topicId, partitions } = TOPIC;
  const topic = topicNames(ledger.config).feedback;
  const next = (load.days + 1) * load.eventsPerDay;
  for (const partition of partitions) {
    const held = { head: null, etag: null };
    await heads.replace({ topic, topicId, partition }, held, { begin: 0, next, intent: null });
  }
  await ledger.insert(
    'progress',
    partitions.map((partition) => ({
      pipeline: 'tracking',
      topic,
      topic_id: topicId,
      partition,
      next_offset: next,
      written_at: '2026-10-01 00:00:00.000',
    })),
  );
}

async function bytesUnder(container: ContainerClient, prefix: string): Promise<number> {
  let bytes = 0;
  for await (const { properties } of container.listBlobsFlat({ prefix }))
    bytes += properties.contentLength ?? 0;
  return bytes;
}
