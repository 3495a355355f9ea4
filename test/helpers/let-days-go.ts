/** Days of a whole ledger exported to the cold tier, and out of ClickHouse, as retention does it. */
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob';
import { ColdStore, type HeldManifest } from '../../pipelines/cold/cold-store.ts';
import { bringMonthsTogether, exportEvents } from '../../pipelines/cold/export-events.ts';
import { gateOf } from '../../pipelines/retention/gate-of.ts';
import { letGo, setGate } from '../../pipelines/retention/ttl-gate.ts';
import type { WholeLedger } from './whole-ledger.ts';

export function containerOf({ config: { blob } }: WholeLedger): ContainerClient {
  return BlobServiceClient.fromConnectionString(blob.connectionString ?? '').getContainerClient(
    blob.container,
  );
}

export function coldStoreOf(ledger: WholeLedger): ColdStore {
  return new ColdStore(containerOf(ledger), ledger.config.blob.prefix);
}

/** By what the pipelines say of themselves: all that tracking has written. */
export async function exportDays(ledger: WholeLedger, through: string): Promise<HeldManifest> {
  const positions = await ledger.rows<{ source: string; next: string }>(
    `SELECT concat(topic_id, '/', toString(partition)) AS source, toString(max(next_offset)) AS next
     FROM progress WHERE pipeline = 'tracking' GROUP BY topic_id, partition`,
  );
  const next = Object.fromEntries(positions.map((one) => [one.source, Number(one.next)]));
  const store = coldStoreOf(ledger);
  const { client } = ledger.harness;
  const held = await exportEvents(await store.readManifest(), { through, next }, { store, client });
  return (await bringMonthsTogether(held, { store })).held;
}

/** What is exported of these days and older than a day leaves ClickHouse. */
export async function letDaysGo(ledger: WholeLedger, days: readonly string[]): Promise<void> {
  const { manifest } = await coldStoreOf(ledger).readManifest();
  const retention = { ...ledger.config.retention, tracking: { ttlDays: 1 } };
  await setGate(ledger.harness.client, gateOf(manifest, { retention }, Date.now()));
  await letGo(ledger.harness.client, days);
  // Parts that are empty by now are dropped when they are next merged.
  await ledger.harness.client.command({ query: 'OPTIMIZE TABLE events FINAL' });
}
