/**
 * A hundred days through limits of time and space, with runs that are killed at every step: each user's report is that
 * of a ledger that lets nothing go.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { loadConfig } from '../../config/load.ts';
import { type RunningStack, startStack } from '../../deploy/local/stack/start-stack.ts';
import { createContainer } from '../../pipelines/common/blob/container.ts';
import { createClickHouse } from '../../pipelines/common/clickhouse/client.ts';
import { systemClock } from '../../pipelines/common/clock.ts';
import { WriterSchemas } from '../../pipelines/common/registry/writer-schemas.ts';
import type { UserReport } from '../../pipelines/report/report.ts';
import type { ReportContext } from '../../pipelines/report/user-report.ts';
import { ALL_USERS, DAYS, HundredDays } from '../helpers/hundred-days.ts';
import { madeReport } from '../helpers/made-report.ts';
import { dayText, produceDays, type RetentionSettings, runWith } from '../helpers/past-days.ts';
import { ledgerCommand, type PipelineChild } from '../helpers/pipeline-child.ts';
import { eventually } from '../helpers/runner-harness.ts';
import { tableDigests } from '../helpers/table-digests.ts';
import { WholeLedger } from '../helpers/whole-ledger.ts';

vi.setConfig({ testTimeout: 1_500_000, hookTimeout: 180_000 });

const STEP = 10;
const TTL_DAYS = 30;
const MESSAGE_DAYS = 60;
const CHANGE_DAYS = 45;
/** Where a run is killed, in the order in which they are tried; one that was not come to is tried again. */
const POINTS = [
  'planned',
  'export-begun',
  'changes-written',
  'export-begun:2',
  'lists-written',
  'day-written',
  'day-written:3',
  'lists-written:3',
  'exported',
  'month-merged',
  'changes-merged',
  'evictions-noted',
  'gate-set',
  'days-let-go',
  'messages-chosen',
  'messages-deleted',
  'bases-written',
  'changes-deleted',
  'changes-trimmed',
  'file-removed',
];

let dataDir: string;
let stack: RunningStack;
let ledger: WholeLedger;
let reference: string;
const running: PipelineChild[] = [];
/** The settings of the last day. */
let last: string;
/** By user, as the ledger that lets nothing go has them. */
const reports = new Map<string, UserReport>();

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'hundred-days-'));
  stack = await startStack({ dataDir, restarts: false });
  ledger = await WholeLedger.create(join(dataDir, 'config.yaml'));
  const { groupPrefix } = ledger.config.kafka;
  const { database } = ledger.config.clickhouse;
  reference = await ledger.configured('reference', {
    kafka: { groupPrefix: `${groupPrefix}-reference` },
    clickhouse: { database: `${database}_reference`, biDatabase: `${database}_reference_bi` },
  });
  const { exitCode, stderr } = await ledgerCommand(['migrate', '--config', reference]);
  expect(exitCode, stderr).toBe(0);
});
afterAll(async () => {
  await ledger?.[Symbol.asyncDispose]();
  await stack?.stop();
  await rm(dataDir, { recursive: true, force: true });
});

/** As if today were the day: what was then so old is so much older now. */
function settings(day: number, maxBytes: number | null): RetentionSettings {
  const since = DAYS - 1 - day;
  return {
    tracking: { ttlDays: TTL_DAYS + since },
    messages: { ttlDays: MESSAGE_DAYS + since },
    profileChanges: { ttlDays: CHANGE_DAYS + since },
    maxBytes,
    replacedFilesGraceMs: 60_000,
  };
}

/** @returns false when the run never came to the point */
async function killedAt(point: string, retention: RetentionSettings): Promise<boolean> {
  const configFile = await ledger.configured('killed', { retention });
  const { exitCode, stderr } = await ledgerCommand(['retention', 'run', '--config', configFile], {
    LEDGER_FAULT_POINTS: `retention/${point}=SIGKILL`,
  });
  const isKilled = stderr.includes('fault point');
  if (!isKilled) expect(exitCode, stderr).toBe(0);
  else await breakLease();
  return isKilled;
}

/** It would end by itself, half a minute later. */
async function breakLease(): Promise<void> {
  const { config } = ledger;
  const lock = createContainer(config).getBlobClient(`${config.blob.prefix}retention.lock`);
  await lock.getBlobLeaseClient().breakLease(0);
}

async function tableBytes(): Promise<number> {
  const [row] = await ledger.rows<{ bytes: string }>(
    'SELECT toString(sum(bytes_on_disk)) AS bytes FROM system.parts WHERE active AND database = currentDatabase()',
  );
  return Number(row?.bytes);
}

async function contextOf(file: string, withBlob: boolean): Promise<ReportContext> {
  const config = await loadConfig({ file, env: {} });
  return {
    clickhouse: createClickHouse(config),
    database: config.clickhouse.database,
    blob: withBlob
      ? {
          place: { container: createContainer(config), prefix: config.blob.prefix },
          config,
          schemas: new WriterSchemas({ settings: config.schemaRegistry, clock: systemClock }),
        }
      : null,
  };
}

test('a hundred days', async () => {
  running.push(
    ledger.start(['tracking', 'archive', 'profiles']),
    ledger.start(['tracking', 'profiles'], { configFile: reference }),
  );
  const compared = await contextOf(reference, false);
  const own = await contextOf(ledger.configFile, true);
  const world = new HundredDays(ledger, 7);
  const points = [...POINTS];
  const bitten: string[] = [];
  const progressOf = async ({ clickhouse }: ReportContext) => {
    const answer = await clickhouse.query({
      query: `SELECT toString(sum(next)) AS sum FROM
        (SELECT argMax(next_offset, (epoch, next_offset)) AS next FROM progress GROUP BY pipeline, topic, topic_id, partition)`,
      format: 'JSONEachRow',
    });
    return (await answer.json<{ sum: string }>())[0]?.sum;
  };
  for (let day = STEP; day <= DAYS; day += STEP) {
    await world.produce(day - STEP, day);
    await ledger.caughtUp();
    await eventually(async () => (await progressOf(compared)) === (await progressOf(own)), {
      what: 'the other ledger at the end',
      withinMs: 60_000,
    });
    // Every other time space is short as well.
    const maxBytes = (day / STEP) % 2 === 0 ? Math.floor((await tableBytes()) * 0.9) : null;
    const wanted = settings(day - 1, maxBytes);
    for (const point of points.splice(0, 4)) {
      if (await killedAt(point, wanted)) bitten.push(point);
      else points.push(point);
    }
    await runWith(ledger, wanted);
  }
  expect(bitten.toSorted()).toEqual(POINTS.toSorted());

  // Much has gone, and what is left is what was to be left.
  last = await ledger.configured('last', { retention: settings(DAYS - 1, null) });
  const { stdout } = await ledgerCommand(['retention', 'status', '--json', '--config', last]);
  const localFrom = JSON.parse(stdout).local_from.slice(0, 10);
  expect(localFrom >= dayText(TTL_DAYS)).toBe(true);
  const [oldest] = await ledger.rows<{ day: string }>(
    'SELECT toString(min(toDate(occurred_at))) AS day FROM events',
  );
  expect((oldest?.day ?? '') >= localFrom).toBe(true);
  const [local] = await ledger.rows<{ users: string }>(
    'SELECT toString(count()) AS users FROM profile_bases',
  );
  expect(Number(local?.users)).toBeGreaterThan(0);

  for (const userId of ALL_USERS) {
    const request = { tenantId: 'acme', userId, range: { from: null, to: null }, generatedAt: 0 };
    const [mine, theirs] = await Promise.all([own, compared].map((one) => madeReport(one, request)));
    expect(mine?.records.length).toBeGreaterThan(10);
    expect({ ...mine, report: null }).toEqual({ ...theirs, report: null });
    expect(mine?.report.digest).toBe(theirs?.report.digest);
    reports.set(userId, theirs as UserReport);
  }

  // Of each message all is there, or nothing.
  const messages = 'SELECT * FROM messages ORDER BY tenant_id, user_id, message_id';
  const [left, all] = await Promise.all(
    [own, compared].map(async ({ clickhouse }) =>
      (await clickhouse.query({ query: messages, format: 'JSONEachRow' })).json<{ message_id: string }>(),
    ),
  );
  const kept = new Set(left?.map(({ message_id }) => message_id));
  expect(left).toEqual(all?.filter(({ message_id }) => kept.has(message_id)));
  expect(kept.size).toBeGreaterThan(0);
  expect(kept.size).toBeLessThan(all?.length ?? 0);

  for (const { clickhouse, blob } of [own, compared]) {
    await clickhouse.close();
    await blob?.schemas.close();
  }
  const verified = await ledgerCommand(['verify', '--deep', '--config', last]);
  expect(verified.exitCode, verified.stdout).toBe(0);
});

/** What every reader sees. Old profile changes come back, and go again the next day. */
async function seen(): Promise<Record<string, unknown>> {
  const { events, campaigns, 'view profile_versions': versions } = await tableDigests(ledger);
  const messages = await ledger.rows<{ message_id: string }>('SELECT * FROM messages ORDER BY message_id');
  const young = messages.filter(({ message_id }) => Number(message_id.split('-')[1]) > DAYS - MESSAGE_DAYS);
  return { events, campaigns, versions, young };
}

test('the disk of ClickHouse lost after that', async () => {
  // A restore of everything wants the groups to be without members.
  for (const child of running) expect((await child.stop()).code).toBe(0);
  const before = await seen();
  const clickhouse = stack.part('clickhouse');
  await clickhouse.kill('SIGKILL');
  await rm(join(dataDir, 'clickhouse'), { recursive: true });
  await clickhouse.start();
  for (const command of [
    ['migrate'],
    ['archive', 'restore', '--to', 'clickhouse', '--all'],
    ['retention', 'run'],
  ]) {
    const { exitCode, stderr } = await ledgerCommand([...command, '--config', last]);
    expect(exitCode, stderr).toBe(0);
  }
  expect(await seen()).toEqual(before);
  const own = await contextOf(last, true);
  for (const [userId, report] of reports) {
    const request = { tenantId: 'acme', userId, range: { from: null, to: null }, generatedAt: 0 };
    expect({ ...(await madeReport(own, request)), report: null }).toEqual({
      ...report,
      report: null,
    });
  }
  await own.clickhouse.close();
  await own.blob?.schemas.close();

  // And on it goes from there.
  ledger.start(['tracking', 'archive', 'profiles']);
  await produceDays(ledger, [1], { tag: '-afterwards' });
  await ledger.caughtUp();
  const verified = await ledgerCommand(['verify', '--deep', '--config', last]);
  expect(verified.exitCode, verified.stdout).toBe(0);
});
