/** Blobs move to cheaper tiers as time passes, are named when they are offline, and come back when that is asked for. */
import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  BlobServiceClient,
  ContainerClient,
  ContainerSASPermissions,
  newPipeline,
} from '@azure/storage-blob';
import { execa } from 'execa';
import { afterEach, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import { loadConfig } from '../../../../config/load.ts';
import { eachAtMost } from '../../../../pipelines/archive/each-at-most.ts';
import { type MoveOptions, moveTiers } from '../../../../pipelines/archive/tiers/move-tiers.ts';
import { offlineAmong, startRehydration } from '../../../../pipelines/archive/tiers/rehydrate.ts';
import { ColdStore } from '../../../../pipelines/cold/cold-store.ts';
import { OfflineBlob } from '../../../../pipelines/common/blob/offline.ts';
import { Outage } from '../../../../pipelines/common/errors.ts';
import { endpointOf, throughProxy } from '../../../helpers/counting-proxy.ts';
import { startCuttingProxy } from '../../../helpers/cutting-proxy.ts';
import { type RecordingServer, startRecordingServer } from '../../../helpers/recording-server.ts';

const MAIN = new URL('../../../../pipelines/main.ts', import.meta.url).pathname;
const DAY_MS = 86_400_000;
const SEGMENTS = 'raw/campaign.feedback/dt=2026-01-01/hour=00/';
const NEVER = { coolAfterDays: null, coldAfterDays: null, archiveAfterDays: null };

let container: ContainerClient;
let prefix: string;

beforeAll(async () => {
  const { blob } = await loadConfig({ file: inject('configFile'), env: {} });
  container = BlobServiceClient.fromConnectionString(blob.connectionString ?? '').getContainerClient(
    blob.container,
  );
});
beforeEach(() => {
  prefix = `tiers-${randomUUID()}/`;
});
afterEach(async () => {
  for await (const { name } of container.listBlobsFlat({ prefix })) await container.deleteBlob(name);
});

const blobOf = (path: string) => container.getBlockBlobClient(prefix + path);
const write = (paths: readonly string[], bytes = 10) =>
  eachAtMost(16, paths, async (path) => {
    await blobOf(path).upload(Buffer.alloc(bytes), bytes);
  });

async function tiersNow(): Promise<Record<string, string | undefined>> {
  const found: Record<string, string | undefined> = {};
  for await (const { name, properties } of container.listBlobsFlat({ prefix }))
    found[name.slice(prefix.length)] = properties.accessTier;
  return found;
}

function move(days: number, rules: Partial<MoveOptions['rules']>, isApplied = true) {
  return moveTiers({
    container,
    prefix,
    rules: { raw: NEVER, tracking: NEVER, ...rules },
    isApplied,
    now: Date.now() + days * DAY_MS,
    retry: (ask) => ask(),
  });
}

const ledger = (args: readonly string[], env: Record<string, string> = {}) =>
  execa(process.execPath, [MAIN, 'archive', ...args], {
    reject: false,
    env: { CAMPAIGN_LEDGER_CONFIG: inject('configFile'), CAMPAIGN_LEDGER_BLOB_PREFIX: prefix, ...env },
  });

it('step by step as they age, and nothing that must stay online', async () => {
  const parquet = 'tracking/events/month=2026-01/day=2026-01-01-a.parquet';
  const stays = [
    'tracking/manifest.json',
    'tracking/events/month=2026-01/files-0123456789abcdef.json',
    'heads/campaign.feedback/a/0.json',
    'retention.lock',
  ];
  await write([`${SEGMENTS}a.avro`, 'undecodable/campaign.feedback/b.avro', parquet, ...stays]);
  const rules = {
    raw: { coolAfterDays: 10, coldAfterDays: 20, archiveAfterDays: 30 },
    tracking: { coolAfterDays: null, coldAfterDays: 25, archiveAfterDays: 60 },
  };
  const hot = Object.fromEntries(stays.map((path) => [path, 'Hot']));
  const expected = [
    [9, 'Hot', 'Hot'],
    [11, 'Cool', 'Hot'],
    [26, 'Cold', 'Cold'],
    [31, 'Archive', 'Cold'],
    [61, 'Archive', 'Archive'],
    // A clock that went back moves nothing up.
    [0, 'Archive', 'Archive'],
  ] as const;
  for (const [days, raw, tracking] of expected) {
    const before = await tiersNow();
    const plan = await move(days, rules, false);
    expect(await tiersNow()).toEqual(before);
    const report = await move(days, rules);
    expect(report.moves).toEqual(plan.moves);
    expect(await tiersNow()).toEqual({
      [`${SEGMENTS}a.avro`]: raw,
      'undecodable/campaign.feedback/b.avro': raw,
      [parquet]: tracking,
      ...hot,
    });
    expect(report.tiers).toEqual([
      { kind: 'raw', tier: raw, blobs: 2, bytes: 20 },
      { kind: 'tracking', tier: tracking, blobs: 1, bytes: 10 },
    ]);
  }
});

it('more than one batch, of which some were moved by an earlier attempt and one was removed meanwhile', async () => {
  const paths = Array.from(
    { length: 300 },
    (_, index) => `${SEGMENTS}${String(index).padStart(4, '0')}.avro`,
  );
  await write(paths, 1);
  for (const path of paths.slice(0, 5)) await blobOf(path).setAccessTier('Cool');
  const [, , , , , , gone = ''] = paths;
  let isFirst = true;
  const report = await moveTiers({
    container,
    prefix,
    rules: { raw: { ...NEVER, coolAfterDays: 1 }, tracking: NEVER },
    isApplied: true,
    now: Date.now() + 8 * DAY_MS,
    retry: async (ask) => {
      if (isFirst) await blobOf(gone).delete();
      isFirst = false;
      return ask();
    },
  });
  expect(report.moves).toEqual([{ kind: 'raw', from: 'Hot', to: 'Cool', blobs: 294, bytes: 294 }]);
  expect(report.tiers).toEqual([{ kind: 'raw', tier: 'Cool', blobs: 299, bytes: 299 }]);
  expect(new Set(Object.values(await tiersNow()))).toEqual(new Set(['Cool']));
  expect((await move(8, { raw: { ...NEVER, coolAfterDays: 1 } })).moves).toEqual([]);
});

it('an offline blob says so in one line, comes back when it is asked for, and stays for a while', async () => {
  const path = `${SEGMENTS}a.avro`;
  await write([path, `${SEGMENTS}b.avro`]);
  const rules = { raw: { ...NEVER, archiveAfterDays: 100 } };
  await move(101, rules);
  const cat = await ledger(['cat', path]);
  expect(cat.exitCode).toBe(1);
  expect(cat.stderr.split('\n')).toHaveLength(1);
  expect(cat.stderr).toContain(
    `${path} is offline, in the archive tier: \`campaign-ledger archive rehydrate ${path}\` brings it back, which takes up to 15 hours`,
  );
  expect(await offlineAmong({ container, prefix }, [path, `${SEGMENTS}b.avro`, 'raw/none.avro'])).toEqual([
    path,
    `${SEGMENTS}b.avro`,
  ]);

  const asked = await ledger(['rehydrate', SEGMENTS, '--to', 'cool']);
  expect(asked.exitCode).toBe(0);
  expect(asked.stdout).toMatch(
    /^2 blobs \(20 bytes\) are being brought back, up to 15 hours\ncome back at 20\d\d-/,
  );
  // Here it takes no time.
  expect(new Set(Object.values(await tiersNow()))).toEqual(new Set(['Cool']));
  expect((await move(3, { raw: { ...NEVER, archiveAfterDays: 1 } })).moves).toEqual([]);
  expect((await move(8, { raw: { ...NEVER, archiveAfterDays: 1 } })).moves).toHaveLength(1);

  const place = { container, prefix };
  const again = await startRehydration(place, [path, 'raw/none.avro'], { priority: 'high', tier: 'Hot' });
  expect(again).toEqual({
    started: { blobs: 1, bytes: 10 },
    pending: { blobs: 0, bytes: 0 },
    online: { blobs: 0, bytes: 0 },
    missing: ['raw/none.avro'],
  });
  const done = await ledger(['rehydrate', path, 'raw/none.avro', '--json']);
  expect(done.exitCode).toBe(1);
  expect(JSON.parse(done.stdout)).toMatchObject({ online: { blobs: 1 }, missing: ['raw/none.avro'] });
});

it('a file of the cold tier that is offline is told from one that is damaged', async () => {
  const path = 'tracking/events/month=2026-01/day=2026-01-01-a.parquet';
  await write([path]);
  await blobOf(path).setAccessTier('Archive');
  const store = new ColdStore(container, prefix);
  const facts = { footerBytes: 5, footerSha256: '', sha256: '', digest: '', groups: [], rows: 1 };
  const file = store.file({ path, bytes: 10, ...facts, first: ['', ''], last: ['', ''] });
  await expect(file.read(5, 10)).rejects.toThrow(OfflineBlob);
});

it('the command says what it would do, does it, and prints a policy', async () => {
  await write([`${SEGMENTS}a.avro`]);
  const rules = {
    CAMPAIGN_LEDGER_ACCESS_TIERS_RAW_COLD_AFTER_DAYS: '0',
    CAMPAIGN_LEDGER_ACCESS_TIERS_TRACKING_ARCHIVE_AFTER_DAYS: '400',
  };
  const plan = await ledger(['tiers', '--plan', '--json'], rules);
  const moved = [{ kind: 'raw', from: 'Hot', to: 'Cold', blobs: 1, bytes: 10 }];
  expect(JSON.parse(plan.stdout)).toMatchObject({ isApplied: false, moves: moved, tiers: [{ tier: 'Hot' }] });
  const done = await ledger(['tiers'], rules);
  expect([done.exitCode, done.stdout]).toEqual([0, '']);
  expect(done.stderr).toMatch(
    /moved +from +to[\s\S]*raw +Hot +Cold +1 +10[\s\S]*now +in[\s\S]*raw +Cold +1 +10/,
  );
  const policy = await ledger(['tiers', '--policy'], rules);
  expect(JSON.parse(policy.stdout)).toMatchObject({ rules: [{ name: 'campaign-ledger-raw' }] });
  expect(policy.stderr).toContain('accessTiers.tracking.archiveAfterDays is left out');
});

it('blobs that the account will not move are named and hold up no other, nor does a page that fails once', async () => {
  const stuck = Array.from({ length: 12 }, (_, index) => `${SEGMENTS}${String(index).padStart(2, '0')}.avro`);
  const parquet = 'tracking/events/month=2026-01/day=2026-01-01-a.parquet';
  await write([...stuck, `${SEGMENTS}a.avro`, 'undecodable/campaign.feedback/b.avro', parquet]);
  for (const path of stuck) await blobOf(path).getBlobLeaseClient().acquireLease(-1);
  const { blob } = await loadConfig({ file: inject('configFile'), env: {} });
  const proxy = await startCuttingProxy(new URL(endpointOf(blob.connectionString)).origin);
  let lists = 0;
  proxy.fate = (_, { url = '' }) => {
    if (url.includes('comp=list')) lists += 1;
    return url.includes('comp=list') && lists === 2 ? 503 : 'pass';
  };
  const done = await ledger(['tiers'], {
    CAMPAIGN_LEDGER_ACCESS_TIERS_RAW_COLD_AFTER_DAYS: '0',
    CAMPAIGN_LEDGER_ACCESS_TIERS_TRACKING_COLD_AFTER_DAYS: '0',
    CAMPAIGN_LEDGER_BLOB_CONNECTION_STRING: throughProxy(blob.connectionString, proxy),
  });
  await proxy.close();
  for (const path of stuck) await blobOf(path).getBlobLeaseClient().breakLease(0);
  expect(lists).toBeGreaterThan(2);
  expect(done.exitCode).toBe(1);
  expect(done.stderr).toMatch(/^12 blobs were not moved/m);
  for (const path of stuck.slice(0, 10)) expect(done.stderr).toContain(`\n  ${path}: LeaseIdMissing\n`);
  expect(done.stderr).not.toContain(stuck[11]);
  expect(await tiersNow()).toMatchObject({
    [`${SEGMENTS}a.avro`]: 'Cold',
    'undecodable/campaign.feedback/b.avro': 'Cold',
    [parquet]: 'Cold',
  });
});

it('needs to read, to list and to write, and no more', async () => {
  const path = `${SEGMENTS}a.avro`;
  await write([path]);
  const withSas = async (permissions: string) => {
    const url = await container.generateSasUrl({
      permissions: ContainerSASPermissions.parse(permissions),
      expiresOn: new Date(Date.now() + 3_600_000),
    });
    const place = { container: new ContainerClient(url), prefix };
    const rules = { raw: { ...NEVER, archiveAfterDays: 0 }, tracking: NEVER };
    const now = Date.now() + 8 * DAY_MS;
    await moveTiers({ ...place, rules, isApplied: true, now, retry: (ask) => ask() });
    await startRehydration(place, [path], { priority: 'standard', tier: 'Hot' });
  };
  await expect(withSas('rl')).rejects.toThrow(Outage);
  expect(await tiersNow()).toEqual({ [path]: 'Hot' });
  await withSas('rwl');
  const { accessTier, accessTierInferred } = await blobOf(path).getProperties();
  expect([accessTier, accessTierInferred]).toEqual(['Hot', false]);
});

/** Azurite brings blobs back at once; the answers of the account are those of its documentation. */
async function whileRehydrating(
  priority: string,
  work: (place: { container: ContainerClient; prefix: string }, server: RecordingServer) => Promise<void>,
): Promise<void> {
  const server = await startRecordingServer(({ method, query }, reply) => {
    if (query.comp === 'list') {
      void reply.type('application/xml');
      return Readable.from([
        `<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="http://a/" ContainerName="c">
         <Blobs><Blob><Name>raw/a.avro</Name><Properties><Last-Modified>Thu, 01 Jan 2026 00:00:00 GMT</Last-Modified>
         <Etag>0x1</Etag><Content-Length>10</Content-Length><BlobType>BlockBlob</BlobType><AccessTier>Archive</AccessTier>
         <ArchiveStatus>rehydrate-pending-to-hot</ArchiveStatus></Properties></Blob></Blobs><NextMarker /></EnumerationResults>`,
      ]);
    }
    if (method === 'HEAD') {
      return reply
        .headers({
          'x-ms-access-tier': 'Archive',
          'x-ms-archive-status': 'rehydrate-pending-to-hot',
          'x-ms-rehydrate-priority': priority,
          'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT',
        })
        .send();
    }
    return reply.code(202).send();
  });
  try {
    const service = new BlobServiceClient(
      server.url,
      newPipeline(undefined, { retryOptions: { maxTries: 1 } }),
    );
    await work({ container: service.getContainerClient('c'), prefix: '' }, server);
  } finally {
    await server.close();
  }
}

it('what is on its way is counted, and left alone but for being hastened', async () => {
  const asksIn = ({ requests }: RecordingServer) =>
    requests
      .filter(({ method }) => method === 'PUT')
      .map(({ headers }) => headers['x-ms-rehydrate-priority']);
  await whileRehydrating('Standard', async (place, server) => {
    const rules = { raw: { ...NEVER, archiveAfterDays: 1 }, tracking: NEVER };
    const report = await moveTiers({
      ...place,
      rules,
      isApplied: true,
      now: Date.now(),
      retry: (ask) => ask(),
    });
    // Every folder is answered with the same list.
    expect(report).toMatchObject({ moves: [], pending: { blobs: 2, bytes: 20 } });
    const standard = await startRehydration(place, ['raw/a.avro'], { priority: 'standard', tier: 'Hot' });
    expect(standard).toMatchObject({ started: { blobs: 0 }, pending: { blobs: 1 } });
    expect(asksIn(server)).toEqual([]);
    await startRehydration(place, ['raw/a.avro'], { priority: 'high', tier: 'Hot' });
    expect(asksIn(server)).toEqual(['High']);
  });
  await whileRehydrating('High', async (place, server) => {
    await startRehydration(place, ['raw/a.avro'], { priority: 'high', tier: 'Hot' });
    expect(asksIn(server)).toEqual([]);
  });
});
