/** The command `run` as a process: its signals, its exit codes, and what is left behind when it is killed or frozen. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { execaNode } from 'execa';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { loadConfig } from '../../config/load.ts';
import type { Config } from '../../config/schema.ts';
import { topicNames } from '../../config/topics.ts';
import { createContainer } from '../../pipelines/common/blob/container.ts';
import { FAULT_POINTS_VARIABLE } from '../../pipelines/common/fault-points.ts';
import { createAdmin } from '../../pipelines/common/kafka/admin.ts';
import { eventually, Producer } from '../helpers/runner-harness.ts';

const MAIN = fileURLToPath(new URL('../../pipelines/main.ts', import.meta.url));

const numbered = (count: number) => Array.from({ length: count }, (_, index) => `payload ${index}`);

/** Topics, group and folder of a test's own, named by environment variables as a deployment would. */
async function createWorld() {
  const unique = randomUUID().slice(0, 8);
  const env = {
    CAMPAIGN_LEDGER_KAFKA_TOPIC_PREFIX: `run-${unique}.`,
    CAMPAIGN_LEDGER_KAFKA_GROUP_PREFIX: `run-${unique}`,
    CAMPAIGN_LEDGER_KAFKA_SESSION_TIMEOUT_MS: '2000',
    CAMPAIGN_LEDGER_BLOB_PREFIX: `run-${unique}/`,
    CAMPAIGN_LEDGER_PIPELINES_ARCHIVE_FLUSH_INTERVAL_MS: '100',
    CAMPAIGN_LEDGER_PIPELINES_ARCHIVE_MAX_BATCH_RECORDS: '100',
    CAMPAIGN_LEDGER_LOG_FORMAT: 'json',
  };
  const config = await loadConfig({ file: inject('configFile'), env });
  const admin = createAdmin(config);
  const container = createContainer(config);
  await container.createIfNotExists();
  for (const topic of Object.values(topicNames(config))) {
    await admin.createTopic({ topic, partitions: 2, replicationFactor: 1 });
  }
  const producer = await Producer.connect(config, topicNames(config).delivery, {});
  return { env, config, admin, container, producer };
}

const children = new Set<ReturnType<typeof start>>();
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
});

function start(args: readonly string[], env: Record<string, string>) {
  const child = execaNode(MAIN, ['run', ...args, '--config', inject('configFile')], { env, reject: false });
  children.add(child);
  return child;
}

/** Records in the archive by offset of one partition, from the segments' own names and metadata. */
async function archived(config: Config, partition: number): Promise<readonly (readonly [number, number])[]> {
  const container = createContainer(config);
  const segments: (readonly [number, number])[] = [];
  for await (const { name, metadata } of container.listBlobsFlat({
    prefix: config.blob.prefix,
    includeMetadata: true,
  })) {
    const match = /\/(\d{5})-(\d{20})-(\d{20})-/.exec(name);
    if (match === null || Number(match[1]) !== partition || metadata === undefined) continue;
    segments.push([Number(match[2]), Number(metadata.count)]);
  }
  return segments.sort(([a], [b]) => a - b);
}

async function isComplete(config: Config, partition: number, count: number): Promise<boolean> {
  const segments = await archived(config, partition);
  return segments.reduce((sum, [, records]) => sum + records, 0) >= count;
}

/** Each segment begins where the one before ended: nothing is missing and nothing is there twice. */
async function expectExactly(config: Config, partition: number, count: number): Promise<void> {
  let next = 0;
  for (const [first, records] of await archived(config, partition)) {
    expect(first).toBe(next);
    next += records;
  }
  expect(next).toBe(count);
}

describe('run', () => {
  it('drains at the first signal and exits 0', async () => {
    const { env, config, producer } = await createWorld();
    const child = start(['archive'], {
      ...env,
      CAMPAIGN_LEDGER_PIPELINES_ARCHIVE_FLUSH_INTERVAL_MS: '600000',
    });
    let log = '';
    child.stderr?.on('data', (text) => {
      log += String(text);
    });
    await eventually(() => log.includes('metrics and health are served'));
    const [, url = ''] = /"url":"([^"]+)"/.exec(log) ?? [];
    await eventually(async () => (await fetch(`${url}/readyz`)).status === 200);
    await producer.produce(0, numbered(50));
    await eventually(async () =>
      /ledger_buffered_bytes\{pipeline="archive"\} [1-9]/.test(await (await fetch(`${url}/metrics`)).text()),
    );
    expect(await archived(config, 0)).toEqual([]);
    child.kill('SIGTERM');
    expect(await child).toMatchObject({ exitCode: 0, stdout: '' });
    await expectExactly(config, 0, 50);
  });

  it('is ended at once by a second signal, which loses nothing', async () => {
    const { env, config, producer } = await createWorld();
    await producer.produce(0, numbered(50));
    // A store that never answers keeps the drain from ending.
    const child = start(['archive'], {
      ...env,
      CAMPAIGN_LEDGER_BLOB_CONNECTION_STRING:
        'DefaultEndpointsProtocol=http;AccountName=a;AccountKey=c2VjcmV0;BlobEndpoint=http://127.0.0.1:1/a;',
    });
    let log = '';
    child.stderr?.on('data', (text) => {
      log += String(text);
    });
    await eventually(() => log.includes('blob is not available'));
    child.kill('SIGTERM');
    await eventually(() => log.includes('draining'));
    // Another one: the same one again would be taken for the first one's echo.
    child.kill('SIGINT');
    expect((await child).exitCode).toBe(1);
    expect(log).toContain('second signal');
    const again = start(['archive'], env);
    await eventually(() => isComplete(config, 0, 50));
    again.kill('SIGTERM');
    expect((await again).exitCode).toBe(0);
    await expectExactly(config, 0, 50);
  });

  it('names the pipelines that there are', async () => {
    const { exitCode, stderr } = await start(['archiv'], {});
    expect(exitCode).toBe(2);
    expect(stderr).toContain("no pipeline 'archiv'; there are tracking, archive, profiles");
  });
});

describe('a process killed', () => {
  it.each([
    'before-write',
    'after-intent',
    'after-write',
    'before-commit',
    'after-commit:2',
    'during-shutdown',
  ])('%s leaves what the next one completes', async (point) => {
    const { env, config, producer } = await createWorld();
    await producer.produce(0, numbered(450));
    await producer.produce(1, numbered(250));
    const killed = start(['archive'], { ...env, [FAULT_POINTS_VARIABLE]: `archive/${point}=SIGKILL` });
    if (point === 'during-shutdown') {
      await eventually(() => isComplete(config, 0, 100));
      killed.kill('SIGTERM');
    }
    expect((await killed).signal).toBe('SIGKILL');
    const next = start(['archive'], env);
    await eventually(async () => (await isComplete(config, 0, 450)) && (await isComplete(config, 1, 250)));
    next.kill('SIGTERM');
    expect((await next).exitCode).toBe(0);
    await expectExactly(config, 0, 450);
    await expectExactly(config, 1, 250);
  });
});

describe('a process frozen past its session', () => {
  it.each(['before-write', 'after-intent', 'before-commit'])(
    '%s does no harm when it thaws',
    async (point) => {
      const { env, config, producer } = await createWorld();
      await producer.produce(0, numbered(450));
      const frozen = start(['archive'], { ...env, [FAULT_POINTS_VARIABLE]: `archive/${point}=SIGSTOP` });
      let log = '';
      frozen.stderr?.on('data', (text) => {
        log += String(text);
      });
      await eventually(() => log.includes('SIGSTOP'));
      const other = start(['archive'], env);
      await eventually(() => isComplete(config, 0, 450));
      frozen.kill('SIGCONT');
      await producer.produce(0, numbered(250));
      await eventually(() => isComplete(config, 0, 700));
      // What it had in hand when it froze goes out now, and must find itself fenced.
      await sleep(500);
      for (const child of [frozen, other]) child.kill('SIGTERM');
      expect([(await frozen).exitCode, (await other).exitCode]).toEqual([0, 0]);
      await expectExactly(config, 0, 700);
    },
  );
});
