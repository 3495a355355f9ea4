/** Blob and ClickHouse failing while a range is restored; topics of which there is nothing; tables that are not there. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createContainer } from '../../../pipelines/common/blob/container.ts';
import { type CuttingProxy, startCuttingProxy } from '../../helpers/cutting-proxy.ts';
import { definition } from '../../helpers/ledger-values.ts';
import { ledgerCommand } from '../../helpers/pipeline-child.ts';
import { produceLoad } from '../../helpers/restore-load.ts';
import { emptyTables, tableDigests } from '../../helpers/table-digests.ts';
import { ROLES, WholeLedger } from '../../helpers/whole-ledger.ts';

let ledger: WholeLedger;
let blob: CuttingProxy;
let clickhouse: CuttingProxy;
/** Through the proxies. */
let throughFile: string;

beforeAll(async () => {
  ledger = await WholeLedger.create(inject('configFile'));
  const { config } = ledger;
  const connectionString = config.blob.connectionString ?? '';
  const endpoint = /BlobEndpoint=([^;]+)/.exec(connectionString)?.[1] ?? '';
  blob = await startCuttingProxy(new URL(endpoint).origin);
  clickhouse = await startCuttingProxy(config.clickhouse.url);
  throughFile = await ledger.configured('through', {
    blob: { connectionString: connectionString.replace(new URL(endpoint).origin, blob.url) },
    clickhouse: { url: clickhouse.url },
  });
});

afterAll(async () => {
  await blob.close();
  await clickhouse.close();
  await ledger[Symbol.asyncDispose]();
});

describe('restore --to clickhouse', () => {
  it('says that the archive holds nothing of a topic, and restores the others', async () => {
    const topics = [ledger.topic('definitions'), ledger.topic('delivery')];
    const restore = () => ledger.command('archive', 'restore', '--to', 'clickhouse', ...topics);
    const empty = await restore();
    expect(empty.exitCode).toBe(1);
    for (const topic of topics) expect(empty.stderr).toContain(`the archive has no segment of ${topic}`);

    await ledger.harness.produce('definitions', [
      { value: ledger.harness.encode('definitions', definition({ name: 'first of all' })) },
    ]);
    const archive = ledger.start(['archive']);
    await ledger.caughtUp(['archive']);
    const { exitCode, stderr } = await restore();
    expect(exitCode, stderr).toBe(0);
    expect(stderr).toContain(`the archive has no segment of ${ledger.topic('delivery')}`);
    expect(await ledger.rows('SELECT name FROM campaigns')).toEqual([{ name: 'first of all' }]);
    await produceLoad(ledger, 'one');
    await ledger.caughtUp(['archive']);
    await archive.stop();
  });

  it('waits out what fails in the middle, and loses nothing', async () => {
    const topics = ROLES.map((role) => ledger.topic(role));
    const restore = (file: string) =>
      ledgerCommand(['archive', 'restore', '--to', 'clickhouse', ...topics, '--config', file]);
    expect((await restore(ledger.configFile)).exitCode).toBe(0);
    const whole = await tableDigests(ledger);
    await emptyTables(ledger);
    const fates = ['refuse', 'lose', 'cut-request', 'cut-answer', 503] as const;
    let faults = 0;
    const everyNth = (n: number) => (number: number) => {
      if (number % n !== 0) return 'pass';
      faults += 1;
      return fates[faults % fates.length] ?? 'pass';
    };
    blob.fate = everyNth(5);
    // Fewer than what is tried again at once asks: else no attempt would ever come to its end.
    clickhouse.fate = everyNth(7);
    const { exitCode, stderr } = await restore(throughFile);
    expect(exitCode, stderr).toBe(0);
    expect(faults).toBeGreaterThan(10);
    expect(await tableDigests(ledger)).toEqual(whole);
  });

  it('restores nothing while segments are in the archive tier, and has them brought back when told to', async () => {
    const { config } = ledger;
    const topics = [ledger.topic('delivery'), ledger.topic('feedback')];
    const container = createContainer(config);
    const offline: string[] = [];
    for (const topic of topics) {
      let archived = 0;
      for await (const { name } of container.listBlobsFlat({
        prefix: `${config.blob.prefix}raw/${topic}/`,
      })) {
        await container.getBlobClient(name).setAccessTier('Archive');
        archived += 1;
      }
      offline.push(`of \\d+ segments of ${topic} ${archived} are in the archive tier`);
    }
    const whole = await tableDigests(ledger);
    await emptyTables(ledger);
    const restore = (...options: string[]) =>
      ledger.command('archive', 'restore', ...topics, '--to', 'clickhouse', ...options);
    const refused = await restore();
    expect(refused.exitCode).toBe(1);
    // Of all topics at once: each time takes hours.
    expect(refused.stderr).toMatch(new RegExp(`${offline.join('.*')}.*--rehydrate high`));
    expect(await ledger.rows('SELECT * FROM events LIMIT 1')).toEqual([]);
    const told = await restore('--rehydrate', 'high');
    expect(told.exitCode).toBe(1);
    expect(told.stderr).toMatch(/are being brought back, mostly less than an hour/);
    expect(told.stderr).toMatch(/come back at \S+Z/);
    const others = ROLES.map((role) => ledger.topic(role));
    const { exitCode, stderr } = await ledger.command('archive', 'restore', '--to', 'clickhouse', ...others);
    expect(exitCode, stderr).toBe(0);
    expect(await tableDigests(ledger)).toEqual(whole);
  });

  it('does not read the archive again when it was killed in the very last steps', async () => {
    await emptyTables(ledger);
    let reached = false;
    clickhouse.fate = (_, { url = '' }) => {
      const isIndex = /INSERT INTO \S*archive_segments/.test(decodeURIComponent(url.replaceAll('+', ' ')));
      reached ||= isIndex;
      return isIndex ? 'hang' : 'pass';
    };
    blob.fate = () => 'pass';
    const args = ['restore', '--to', 'clickhouse', '--all'];
    const restoring = ledger.startCommand('archive', args, { configFile: throughFile });
    await restoring.until('it fills archive_segments', () => reached);
    await restoring.kill();
    const { exitCode, stderr } = await ledger.command('archive', ...args);
    expect(exitCode, stderr).toBe(0);
    expect(stderr).toContain(`going on with ${ledger.topic('profiles')}/0 at offset`);
    expect(stderr).toContain('restored 0 rows');
  });

  it('says to migrate where there are no tables', async () => {
    const file = await ledger.configured('elsewhere', { clickhouse: { database: 'nothing_there' } });
    const args = ['archive', 'restore', '--to', 'clickhouse', '--all', '--config', file];
    const { exitCode, stderr } = await ledgerCommand(args);
    expect(stderr).toContain('run campaign-ledger migrate first');
    expect(exitCode).toBe(2);
  });
});
