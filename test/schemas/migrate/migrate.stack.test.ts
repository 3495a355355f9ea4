/** `migrate` on the real stack: once, again, two at a time, half done, and where it must refuse. */

import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  BlobServiceClient,
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { loadConfig } from '../../../config/load.ts';
import type { Config, ConfigInput } from '../../../config/schema.ts';
import { topicNames } from '../../../config/topics.ts';
import { createContainer } from '../../../pipelines/common/blob/container.ts';
import { type ClickHouseClient, createClickHouse } from '../../../pipelines/common/clickhouse/client.ts';
import { systemClock } from '../../../pipelines/common/clock.ts';
import { createAdmin, type KafkaAdmin } from '../../../pipelines/common/kafka/admin.ts';
import { createRegistryHttp } from '../../../pipelines/common/registry/registry-http.ts';
import { readMigrations } from '../../../schemas/migrate/clickhouse/migration-files.ts';
import { type MigrateOptions, migrate } from '../../../schemas/migrate/migrate.ts';
import { takeMigrationLock } from '../../../schemas/migrate/migration-lock.ts';
import { desiredTopics } from '../../../schemas/migrate/topics/desired-topics.ts';
import { planTopics } from '../../../schemas/migrate/topics/plan-topics.ts';
import { readTopicSettings } from '../../../schemas/migrate/topics/topic-settings.ts';

type KafkaOverrides = NonNullable<ConfigInput['kafka']>;

let id: string;
let config: Config;
let admin: KafkaAdmin;
let client: ClickHouseClient;

const load = (kafka: Partial<KafkaOverrides> = {}, blob: Partial<NonNullable<ConfigInput['blob']>> = {}) =>
  loadConfig({
    file: inject('configFile'),
    overrides: {
      kafka: { topicPrefix: `${id}.`, ...kafka },
      clickhouse: { database: id, biDatabase: `${id}_bi` },
      blob: { container: id.replace('_', '-'), ...blob },
    } as ConfigInput,
  });

beforeEach(async () => {
  id = `migrate_${randomUUID().replaceAll('-', '').slice(0, 20)}`;
  config = await load();
  admin = createAdmin(config);
  client = createClickHouse(config, { database: null });
});

afterEach(async () => {
  for (const { topic } of desiredTopics(config)) await admin.deleteTopic(topic);
  for (const name of [`${id}_bi`, id]) await client.command({ query: `DROP DATABASE IF EXISTS ${name}` });
  await createContainer(config).deleteIfExists();
  admin.close();
  await client.close();
});

const run = (options: Partial<MigrateOptions> = {}, of = config) =>
  migrate(of, { clock: systemClock, ...options });

const tables = async () => {
  const answer = await client.query({
    query: 'SELECT name FROM system.tables WHERE database = {id:String}',
    query_params: { id },
    format: 'JSONEachRow',
  });
  return (await answer.json<{ name: string }>()).map(({ name }) => name);
};

const applied = async () => {
  const query = `SELECT name, count() AS times FROM ${id}.schema_migrations GROUP BY name ORDER BY name`;
  const answer = await client.query({ query, format: 'JSONEachRow' });
  return answer.json<{ name: string; times: number | string }>();
};

test('a plan changes nothing; then everything is made as configured; then there is nothing to do', async () => {
  const plan = await run({ isPlanOnly: true });
  expect(plan.changes.map(({ part }) => part)).toEqual(
    expect.arrayContaining(['blob', 'kafka', 'schemaRegistry', 'clickhouse']),
  );
  expect(await createContainer(config).exists()).toBe(false);
  expect(await tables()).toEqual([]);
  expect((await admin.describeTopics(desiredTopics(config).map(({ topic }) => topic))).size).toBe(0);

  const lines: string[] = [];
  const first = await run({ onDone: ({ verb, target }) => lines.push(`${verb} ${target}`) });
  expect(first.faults).toEqual([]);
  expect(lines).toEqual(plan.changes.map(({ verb, target }) => `${verb} ${target}`));
  expect(await tables()).toEqual(
    expect.arrayContaining(['events', 'messages', 'campaign_stats', 'progress']),
  );
  expect(await applied()).toHaveLength(readMigrations().length);

  for (const { topic, partitions, configs } of desiredTopics(config)) {
    const described = await admin.describeTopics([topic]);
    expect(described.get(topic)?.partitions, topic).toBe(partitions);
    const settings = (await readTopicSettings(config, [topic])).get(topic);
    expect(Object.fromEntries(Object.keys(configs).map((name) => [name, settings?.get(name)]))).toEqual(
      configs,
    );
  }

  expect(await run()).toEqual({ changes: [], drift: [], faults: [] });
});

test('the topics have the names and sizes that the design pins', () => {
  const sizes = Object.fromEntries(
    desiredTopics(config).map(({ topic, configs }) => [
      topic.slice(`${id}.`.length),
      configs['max.message.bytes'],
    ]),
  );
  expect(sizes).toEqual({
    'campaign.definitions': '1049600',
    'campaign.definitions.dead-letters': '1115136',
    'campaign.definitions.dead-letter-replays': '1048576',
    'campaign.delivery': '1049600',
    'campaign.delivery.dead-letters': '1115136',
    'campaign.delivery.dead-letter-replays': '1048576',
    'campaign.feedback': '1049600',
    'campaign.feedback.dead-letters': '1115136',
    'campaign.feedback.dead-letter-replays': '1048576',
    'profile.changes': '1049600',
    'profile.changes.dead-letters': '1115136',
    'profile.changes.dead-letter-replays': '1048576',
  });
});

test('several at once: each thing is done once, and all of them end well', async () => {
  const done: string[] = [];
  const onDone = ({ verb, target }: { verb: string; target: string }) => done.push(`${verb} ${target}`);
  const results = await Promise.all([run({ onDone }), run({ onDone }), run({ onDone })]);
  expect(results.flatMap(({ faults }) => faults)).toEqual([]);
  // The container alone is made before there is a lock to hold.
  const underLock = done.filter((line) => !line.startsWith('create container'));
  expect(underLock).toHaveLength(new Set(underLock).size);
  expect((await applied()).map(({ times }) => Number(times))).toEqual(readMigrations().map(() => 1));
  expect((await run()).changes).toEqual([]);
});

test('one that waits in vain says who is at work', async () => {
  const container = createContainer(config);
  await container.create();
  const lock = await takeMigrationLock(container, { prefix: '', clock: systemClock, waitMs: 0 });
  const waited: string[] = [];
  await expect(run({ waitMs: 600, onWait: (holder) => waited.push(holder) })).rejects.toThrow(
    new RegExp(`another migration is under way: .*-${process.pid} since 20`),
  );
  expect(waited).toHaveLength(1);
  await lock.release();
  expect((await run()).faults).toEqual([]);
});

test('one that was taken over stops before it does anything more', async () => {
  const container = createContainer(config);
  await container.create();
  const lock = await takeMigrationLock(container, { prefix: '', clock: systemClock, waitMs: 0 });
  await lock.assertHeld();
  await container.getBlockBlobClient('migrate.lock').getBlobLeaseClient().breakLease(0);
  const other = await takeMigrationLock(container, { prefix: '', clock: systemClock, waitMs: 0 });
  await expect(lock.assertHeld()).rejects.toThrow('another migration took over');
  await other.assertHeld();
  await lock.release();
  await other.assertHeld();
  await other.release();
});

test('one that died half-way is started again and ends the same', async () => {
  const migrations = readMigrations().map((migration) =>
    migration.name === '005_profile_versions.sql'
      ? { ...migration, text: `${migration.text}\nCREATE NONSENSE;\n` }
      : migration,
  );
  await expect(run({ migrations })).rejects.toThrow('Syntax error');
  expect(await tables()).toContain('profile_versions');
  expect((await applied()).at(-1)?.name).toBe('004_profile_changes.sql');
  expect((await run()).faults).toEqual([]);
  expect(await applied()).toHaveLength(readMigrations().length);
});

describe('refusals', () => {
  test('a file whose text changed, before anything else is done', async () => {
    await run();
    const migrations = readMigrations().map((migration) =>
      migration.number === 3 ? { ...migration, sha256: 'f'.repeat(64) } : migration,
    );
    await admin.deleteTopic(topicNames(config).feedback);
    const { changes, faults } = await run({ migrations });
    expect(faults.map(({ text }) => text)).toEqual([
      expect.stringContaining('003_campaigns.sql is not what was applied'),
    ]);
    expect(changes.map(({ target }) => target)).toEqual([expect.stringContaining('topic')]);
    expect((await admin.describeTopics([topicNames(config).feedback])).size).toBe(0);
  });

  test('a database that is ahead of this version', async () => {
    await run();
    const { faults } = await run({ migrations: readMigrations().slice(0, -1) });
    expect(faults.map(({ text }) => text)).toEqual([expect.stringContaining('It does not go back')]);
  });

  test('a topic that is compacted', async () => {
    const [definitions] = desiredTopics(config);
    if (definitions === undefined) throw new Error('there are topics');
    await admin.createTopic({ ...definitions, configs: { 'cleanup.policy': 'compact,delete' } });
    await expect.poll(async () => (await admin.describeTopics([definitions.topic])).size).toBe(1);
    const { faults, drift } = await run();
    expect(drift.filter(({ text }) => text.includes('was not checked'))).toEqual([]);
    expect(faults.map(({ text }) => text)).toEqual([
      expect.stringContaining(
        `topic ${definitions.topic} has cleanup.policy=compact,delete: compaction keeps only`,
      ),
    ]);
    expect(await tables()).toEqual([]);

    // A broker that hears of a topic late says that there is none; it cannot be made, and is looked at then.
    const unaware = { ...admin, describeTopics: () => Promise.resolve(new Map()) };
    const [creation] = (await planTopics(config, unaware)).changes;
    expect(creation?.target).toContain(definitions.topic);
    await expect(creation?.apply()).rejects.toThrow('cleanup.policy=compact,delete');
  });

  test('a schema that cannot follow the one that is registered', async () => {
    const registry = createRegistryHttp(config.schemaRegistry);
    const subject = `${topicNames(config).delivery}-value`;
    const schema = JSON.stringify({
      type: 'record',
      name: 'DeliveryEvent',
      namespace: 'campaignledger.v1',
      fields: [{ name: 'event_id', type: 'long' }],
    });
    expect((await registry.send('POST', `/subjects/${subject}/versions`, { schema })).status).toBe(200);
    await registry.close();
    const { faults } = await run();
    expect(faults.map(({ text }) => text)).toEqual([
      expect.stringContaining(`delivery-event.avsc cannot follow the latest schema of ${subject}`),
    ]);
  });
});

test('what is not as configured is told and left as it is', async () => {
  await run();
  const other = await load({
    topics: {
      ...config.kafka.topics,
      delivery: { partitions: 6, retentionMs: 3_600_000, maxMessageBytes: 2_097_152 },
    },
  } as KafkaOverrides);
  const { changes, drift, faults } = await run({}, other);
  const topic = topicNames(config).delivery;
  const has = config.kafka.topics.delivery.partitions;
  expect({ changes, faults }).toEqual({ changes: [], faults: [] });
  expect(drift.map(({ text }) => text)).toEqual([
    expect.stringContaining(`topic ${topic} has partitions=${has}, configured is 6; it stays as it is`),
    `topic ${topic} has retention.ms=604800000, configured is 3600000`,
    `topic ${topic} has max.message.bytes=1049600, configured is 2098176`,
    expect.stringContaining(`topic ${topic}.dead-letters has partitions=${has}, configured is 6`),
    `topic ${topic}.dead-letters has max.message.bytes=1115136, configured is 2163712`,
  ]);
  expect((await admin.describeTopics([topic])).get(topic)?.partitions).toBe(has);
});

test('a subject keeps a level stricter than BACKWARD and loses a weaker one', async () => {
  const registry = createRegistryHttp(config.schemaRegistry);
  const { delivery, feedback } = topicNames(config);
  const level = async (topic: string) => (await registry.send('GET', `/config/${topic}-value`)).body;
  await registry.send('PUT', `/config/${delivery}-value`, { compatibility: 'FULL_TRANSITIVE' });
  await registry.send('PUT', `/config/${feedback}-value`, { compatibility: 'NONE' });
  await run();
  expect(await level(delivery)).toEqual({ compatibilityLevel: 'FULL_TRANSITIVE' });
  expect(await level(feedback)).toEqual({ compatibilityLevel: 'BACKWARD' });
  await registry.close();
});

describe("with the container's SAS", () => {
  /** A configuration that logs in with a SAS of the container (`sr=c`) and these permissions. */
  const loadWithSas = (permissions: string) => {
    const account = BlobServiceClient.fromConnectionString(config.blob.connectionString ?? '');
    if (!(account.credential instanceof StorageSharedKeyCredential)) throw new Error('the stack has a key');
    const sas = generateBlobSASQueryParameters(
      {
        containerName: config.blob.container,
        permissions: ContainerSASPermissions.parse(permissions),
        expiresOn: new Date(Date.now() + 3_600_000),
      },
      account.credential,
    );
    return load({}, { connectionString: null, accountUrl: account.url, sasToken: sas.toString() });
  };

  test('what the archive needs is enough, with changes to make and without', async () => {
    await createContainer(config).create();
    const withSas = await loadWithSas('rcwl');
    const plan = await run({ isPlanOnly: true }, withSas);
    expect(plan.faults).toEqual([]);
    expect(plan.changes.map(({ part }) => part)).not.toContain('blob');
    expect((await run({}, withSas)).changes).toHaveLength(plan.changes.length);
    expect(await run({}, withSas)).toEqual({ changes: [], drift: [], faults: [] });
  });

  test('a container that is not there is planned; that the SAS may not create it is said before anything is done', async () => {
    const withSas = await loadWithSas('rcwl');
    const { changes, faults } = await run({ isPlanOnly: true }, withSas);
    expect(faults).toEqual([]);
    expect(changes.map(({ verb, target }) => `${verb} ${target}`)).toContain(
      `create container ${config.blob.container}`,
    );
    await expect(run({}, withSas)).rejects.toThrow(
      new RegExp(
        `^blob: this login may not create container ${config.blob.container} \\(\\w+\\): create the`,
      ),
    );
    expect(await tables()).toEqual([]);
  });

  test('one that may not list is told so', async () => {
    await createContainer(config).create();
    const { faults } = await run({ isPlanOnly: true }, await loadWithSas('rcw'));
    const text = /^this login may not list the blobs of container .*: give the SAS the permission l /;
    expect(faults).toEqual([{ part: 'blob', text: expect.stringMatching(text) }]);
  });

  test('one that may only look can plan; the lock that it may not write is named', async () => {
    await createContainer(config).create();
    const reader = await loadWithSas('rl');
    expect((await run({ isPlanOnly: true }, reader)).faults).toEqual([]);
    await expect(run({}, reader)).rejects.toThrow(
      /^blob: this login may not write the migration's lock .*: give the SAS the permissions r, c and w /,
    );
  });
});

describe('the command', () => {
  const execute = promisify(execFile);
  const environment = () => ({
    ...process.env,
    CAMPAIGN_LEDGER_KAFKA_TOPIC_PREFIX: `${id}.`,
    CAMPAIGN_LEDGER_CLICKHOUSE_DATABASE: id,
    CAMPAIGN_LEDGER_CLICKHOUSE_BI_DATABASE: `${id}_bi`,
    CAMPAIGN_LEDGER_BLOB_CONTAINER: id.replace('_', '-'),
  });
  const ledger = (...args: string[]) =>
    execute(
      process.execPath,
      [
        join(import.meta.dirname, '../../../pipelines/main.ts'),
        'migrate',
        '--config',
        inject('configFile'),
        ...args,
      ],
      { env: environment() },
    );

  test('plan on standard output; what was done on standard error, line by line; JSON when asked for', async () => {
    const plan = await ledger('--plan');
    expect(plan.stdout).toContain(`clickhouse: create database ${id}\n`);
    expect(plan.stderr).toMatch(/^migrate: \d+ changes to make\n$/);
    const first = await ledger('--json');
    expect(first.stderr).toContain(`kafka: created topic ${topicNames(config).feedback} (`);
    const { plan: isPlan, changes, drift, faults } = JSON.parse(first.stdout);
    expect({ isPlan, drift, faults }).toEqual({ isPlan: false, drift: [], faults: [] });
    expect(changes).toHaveLength(plan.stdout.trim().split('\n').length);
    const again = await ledger();
    expect(again.stdout).toBe('');
    expect(again.stderr).toBe('migrate: everything is up to date\n');
  });

  test('a fault is exit code 1', async () => {
    const [definitions] = desiredTopics(config);
    if (definitions === undefined) throw new Error('there are topics');
    await admin.createTopic({ ...definitions, configs: { 'cleanup.policy': 'compact' } });
    await expect(ledger()).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /kafka: error: topic .* has cleanup\.policy=compact: [\s\S]*migrate: stopped by the errors above\n$/,
      ),
    });
  });
});
