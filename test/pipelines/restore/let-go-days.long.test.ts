/** Days that retention has let go: held for a while when they are brought back, and not brought back by `--all`. */
import type { ContainerClient } from '@azure/storage-blob';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { ColdStore } from '../../../pipelines/cold/cold-store.ts';
import { exportEvents } from '../../../pipelines/cold/export-events.ts';
import type { KafkaRecord } from '../../../pipelines/common/batch.ts';
import { createContainer } from '../../../pipelines/common/blob/container.ts';
import { EventDays } from '../../../pipelines/restore/event-days.ts';
import { holdingRoute } from '../../../pipelines/restore/hold-route.ts';
import { gateOf } from '../../../pipelines/retention/gate-of.ts';
import { letGo, setGate } from '../../../pipelines/retention/ttl-gate.ts';
import { NOON } from '../../helpers/ledger-values.ts';
import { produceLoad } from '../../helpers/restore-load.ts';
import { loseClickHouse, tableDigests } from '../../helpers/table-digests.ts';
import { WholeLedger } from '../../helpers/whole-ledger.ts';

const HOUR_MS = 3_600_000;
/** The last day that goes; later ones stay. */
const THROUGH = new Date(NOON - 5 * 24 * HOUR_MS).toISOString().slice(0, 10);

let ledger: WholeLedger;
let container: ContainerClient;
let store: ColdStore;
let days: string[];

beforeAll(async () => {
  ledger = await WholeLedger.create(inject('configFile'));
  container = createContainer(ledger.config);
  store = new ColdStore(container, ledger.config.blob.prefix);
  await produceLoad(ledger, 'one');
  const pipelines = ledger.start();
  await ledger.caughtUp();
  await pipelines.stop();
  await ledger.command('archive', 'index');
  const { client } = ledger.harness;
  const rows = await ledger.rows<{ day: string }>(
    'SELECT DISTINCT toString(toDate(occurred_at)) AS day FROM events WHERE day <= {through:String} ORDER BY day',
    { through: THROUGH },
  );
  days = rows.map(({ day }) => day);
  expect(days.length).toBeGreaterThan(3);
  const sources = await ledger.rows<{ source: string; next: string }>(
    "SELECT concat(topic_id, '/', toString(partition)) AS source, toString(max(next_offset)) AS next FROM progress WHERE pipeline = 'tracking' GROUP BY source",
  );
  const next = Object.fromEntries(sources.map((one) => [one.source, Number(one.next)]));
  const exported = await exportEvents(
    await store.readManifest(),
    { through: THROUGH, next },
    { store, client },
  );
  const { manifest } = exported;
  await store.replaceManifest(exported, {
    ...manifest,
    events: { ...manifest.events, evictedThrough: THROUGH },
  });
  await letGoAt(Date.now());
});

afterAll(() => ledger[Symbol.asyncDispose]());

/** What a run of retention at that time does. */
async function letGoAt(now: number): Promise<void> {
  const { manifest } = await store.readManifest();
  await setGate(ledger.harness.client, gateOf(manifest, ledger.config, now));
  await letGo(ledger.harness.client, days);
}

async function oldEvents(): Promise<number> {
  const [row] = await ledger.rows<{ n: string }>(
    'SELECT toString(count()) AS n FROM events FINAL WHERE toDate(occurred_at) <= toDate({through:String})',
    { through: THROUGH },
  );
  return Number(row?.n);
}

const copiesKept =
  'SELECT toString(count()) AS n FROM message_events FINAL WHERE toDate(occurred_at) <= toDate({through:String})';

it('are held as long as it is said, and go then', async () => {
  expect(await oldEvents()).toBe(0);
  const [kept] = await ledger.rows<{ n: string }>(copiesKept, { through: THROUGH });
  const until = new Date(Date.parse(THROUGH) + 24 * HOUR_MS).toISOString();
  const args = ['archive', 'restore', '--to', 'clickhouse', '--event-until', until, '--keep-for', '2h'];
  const { exitCode, stderr } = await ledger.command(...args);
  expect(exitCode, stderr).toBe(0);
  expect(stderr).toContain(`${days.length} days that retention had let go stay until`);
  // Every event of these days once: as many as are kept in short.
  expect(await oldEvents()).toBe(Number(kept?.n));
  await letGoAt(Date.now());
  expect(await oldEvents()).toBe(Number(kept?.n));
  await letGoAt(Date.now() + 3 * HOUR_MS);
  expect(await oldEvents()).toBe(0);
});

it('do not come back with everything else, and what is kept of them longer does', async () => {
  const found = await store.readManifest();
  await store.replaceManifest(found, {
    ...found.manifest,
    events: { ...found.manifest.events, held: {} },
  });
  const before = await tableDigests(ledger);
  await loseClickHouse(ledger);
  const { exitCode, stderr } = await ledger.command('archive', 'restore', '--to', 'clickhouse', '--all');
  expect(exitCode, stderr).toBe(0);
  expect(await oldEvents()).toBe(0);
  expect(await tableDigests(ledger)).toEqual(before);
  expect(
    await ledger.rows(
      "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'Null'",
    ),
  ).toEqual([]);
  // The new table has the rule of the old one.
  await letGoAt(Date.now());
  expect(await tableDigests(ledger)).toEqual(before);
});

it('are held anew in a restore that takes long, and so are those that go meanwhile', async () => {
  let now = Date.now();
  const clock = { now: () => now };
  const { config } = ledger;
  const { prefix } = config.blob;
  const { client } = ledger.harness;
  const found = await store.readManifest();
  const source = Object.keys(found.manifest.events.next)[0] ?? '';
  const gone = days[0] ?? '';
  const next = new Date(Date.parse(THROUGH) + 24 * HOUR_MS).toISOString().slice(0, 10);
  const eventDays = await EventDays.read({ container, prefix, client, config, clock, onWait: () => {} });
  const route = holdingRoute(eventDays, { clock, keepForMs: 10 * HOUR_MS });
  const prepare = (day: string) =>
    route.prepare([
      { source, record: { record: { offset: 0 } as KafkaRecord, eventTime: Date.parse(`${day}T12:00:00Z`) } },
    ]);
  const held = async (day: string) => (await store.readManifest()).manifest.events.held[day];

  await prepare(gone);
  const first = now + 10 * HOUR_MS;
  expect(await held(gone)).toBe(first);
  now += 4 * HOUR_MS;
  await prepare(gone);
  expect(await held(gone)).toBe(first);
  now += 2 * HOUR_MS;
  await prepare(gone);
  expect(await held(gone)).toBe(now + 10 * HOUR_MS);
  expect(route.held).toEqual(new Map([[gone, now + 10 * HOUR_MS]]));

  await prepare(next);
  expect(await held(next)).toBeUndefined();
  const before = await store.readManifest();
  const { events } = before.manifest;
  await store.replaceManifest(before, {
    ...before.manifest,
    events: { ...events, through: next, evictedThrough: next },
  });
  now += HOUR_MS / 2;
  await prepare(next);
  expect(await held(next)).toBe(now + 10 * HOUR_MS);
});
