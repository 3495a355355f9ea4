/** The rights that the documentation lists, on a broker that refuses everything else: each command does its work with them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  AclOperations,
  AclPermissionTypes,
  Admin,
  ResourcePatternTypes,
  ResourceTypes,
} from '@platformatic/kafka';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { loadConfig } from '../../config/load.ts';
import { deadLetterTopic, replayLogTopic, topicNames } from '../../config/topics.ts';
import { startBroker, type TestBroker } from '../helpers/kafka-broker.ts';
import { delivery } from '../helpers/ledger-values.ts';
import { ledgerCommand } from '../helpers/pipeline-child.ts';
import { ROLES, WholeLedger } from '../helpers/whole-ledger.ts';

/** Who runs `migrate`, the pipelines, and `verify`, and who looks after letters. */
const USERS = ['migrator', 'ledger', 'auditor', 'operator'] as const;
type User = (typeof USERS)[number];
type Operation = keyof typeof AclOperations;

let folder: string;
let broker: TestBroker;
let ledger: WholeLedger;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ledger-permissions-'));
  const known = USERS.map((user) => `user_${user}="${user} secret"`).join(' ');
  broker = await startBroker({
    folder,
    morePorts: 1,
    properties: ({ plain, controller, more: [sasl] }) => ({
      listeners: `PLAINTEXT://127.0.0.1:${plain},CONTROLLER://127.0.0.1:${controller},SASL://127.0.0.1:${sasl}`,
      'advertised.listeners': `PLAINTEXT://127.0.0.1:${plain},SASL://127.0.0.1:${sasl}`,
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT',
      'inter.broker.listener.name': 'PLAINTEXT',
      'listener.name.sasl.sasl.enabled.mechanisms': 'PLAIN',
      'listener.name.sasl.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required ${known};`,
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      // Of the plain listener: the broker itself and this test.
      'super.users': 'User:ANONYMOUS',
    }),
  });
  ledger = await WholeLedger.create(inject('configFile'), {
    overrides: { kafka: { brokers: [broker.address] } },
    prepare: async (configFile) => {
      const names = Object.values(topicNames(await loadConfig({ file: configFile })));
      const topics = names.flatMap((name) => [name, deadLetterTopic(name), replayLogTopic(name)]);
      await grant('migrator', ['CREATE', 'DESCRIBE', 'DESCRIBE_CONFIGS'], { topics });
      const answer = await ledgerCommand(['migrate', '--config', configFile], envOf('migrator'));
      expect(answer.stderr + answer.stdout).not.toContain('cannot');
      expect(answer.exitCode).toBe(0);
    },
  });
});

afterAll(async () => {
  await ledger?.[Symbol.asyncDispose]();
  await broker?.stop();
  await rm(folder, { recursive: true });
});

interface Resources {
  readonly topics?: readonly string[];
  readonly group?: string;
  readonly groupPrefix?: string;
  readonly transactionalIds?: readonly string[];
}

async function grant(user: User, operations: readonly Operation[], resources: Resources): Promise<void> {
  const { topics = [], group, groupPrefix, transactionalIds = [] } = resources;
  const { TOPIC, GROUP, TRANSACTIONAL_ID } = ResourceTypes;
  const { LITERAL, PREFIXED } = ResourcePatternTypes;
  const named = [
    ...topics.map((name) => ({ name, type: TOPIC, pattern: LITERAL })),
    ...(group === undefined ? [] : [{ name: group, type: GROUP, pattern: LITERAL }]),
    ...(groupPrefix === undefined ? [] : [{ name: groupPrefix, type: GROUP, pattern: PREFIXED }]),
    ...transactionalIds.map((name) => ({ name, type: TRANSACTIONAL_ID, pattern: LITERAL })),
  ];
  const creations = named.flatMap(({ name, type, pattern }) =>
    operations.map((operation) => ({
      resourceType: type,
      resourceName: name,
      resourcePatternType: pattern,
      principal: `User:${user}`,
      host: '*',
      operation: AclOperations[operation],
      permissionType: AclPermissionTypes.ALLOW,
    })),
  );
  const admin = new Admin({ clientId: 'permissions', bootstrapBrokers: [broker.address], retries: 0 });
  try {
    await admin.createAcls({ creations });
  } finally {
    await admin.close();
  }
}

function envOf(user: User): Record<string, string> {
  return {
    CAMPAIGN_LEDGER_KAFKA_BROKERS: `127.0.0.1:${broker.ports.more[0]}`,
    CAMPAIGN_LEDGER_KAFKA_SASL_MECHANISM: 'plain',
    CAMPAIGN_LEDGER_KAFKA_SASL_USERNAME: user,
    CAMPAIGN_LEDGER_KAFKA_SASL_PASSWORD: `${user} secret`,
  };
}

const command = (user: User, ...args: string[]) =>
  ledgerCommand([...args, '--config', ledger.configFile], envOf(user));

const sources = () => ROLES.map((role) => ledger.topic(role));
const letterTopics = () => sources().map((topic) => deadLetterTopic(topic));
const logs = () => sources().map((topic) => replayLogTopic(topic));

test('the pipelines run, and offsets and verify look at what they did, verify as somebody who may only read', async () => {
  await grant('ledger', ['READ', 'DESCRIBE'], { topics: sources() });
  await grant('ledger', ['WRITE', 'DESCRIBE'], { topics: letterTopics() });
  await grant('ledger', ['READ', 'DESCRIBE'], { groupPrefix: `${ledger.config.kafka.groupPrefix}.` });
  const values = [
    ledger.harness.encode('delivery', delivery({ event_id: 'good' })),
    ledger.harness.encode('delivery', delivery({ event_id: '' })),
  ];
  await ledger.harness.produce(
    'delivery',
    values.map((value) => ({ value, partition: 0 })),
  );
  const running = ledger.start([], { env: envOf('ledger') });
  await ledger.caughtUp();
  expect(await running.stop()).toEqual({ code: 0, signal: null });
  expect(await ledger.rows('SELECT event_id FROM {bi}.events')).toEqual([{ event_id: 'good' }]);

  const offsets = await command('ledger', 'offsets', 'list');
  expect(offsets.stderr).toBe('');
  expect(offsets.exitCode).toBe(0);

  await grant('auditor', ['READ', 'DESCRIBE'], { topics: sources() });
  await grant('auditor', ['READ'], { group: `${ledger.config.kafka.groupPrefix}.verify` });
  await grant('auditor', ['DESCRIBE'], { topics: letterTopics() });
  const refused = await command('auditor', 'verify', '--deep');
  expect(refused.exitCode).toBe(1);
  expect(refused.stderr).toMatch(/\.dead-letters may not be read: grant Read and Describe/);
  await grant('auditor', ['READ'], { topics: letterTopics() });
  const verified = await command('auditor', 'verify', '--deep');
  expect(verified.stderr).not.toMatch(/authori[sz]ation/i);
  expect(verified.exitCode).toBe(0);
});

test('letters are listed and shown by who may read them, and sent back by who may write', async () => {
  await grant('operator', ['READ', 'DESCRIBE'], { topics: [...letterTopics(), ...logs()] });
  await grant('operator', ['READ'], { group: `${ledger.config.kafka.groupPrefix}.dead-letters` });
  const listed = await command('operator', 'dead-letters', 'list', '--format', 'json');
  expect(listed.stderr).toBe('');
  const letter = `${ledger.topic('delivery')}/0:1`;
  expect(listed.stdout.split('\n').filter((line) => line.includes(letter))).toHaveLength(1);
  expect(await command('operator', 'dead-letters', 'show', letter)).toMatchObject({
    exitCode: 0,
    stderr: '',
  });

  const replay = ['dead-letters', 'replay', letter, '--force', '--format', 'json'];
  const before = await ledger.records('delivery');
  const refused = async () => {
    const { exitCode, stderr } = await command('operator', ...replay);
    expect(exitCode).toBe(1);
    expect(await ledger.records('delivery')).toEqual(before);
    return stderr;
  };
  expect(await refused()).toMatch(/campaign\.delivery: .*authorization failed/i);
  const log = replayLogTopic(ledger.topic('delivery'));
  await grant('operator', ['DESCRIBE'], { topics: [ledger.topic('delivery')] });
  expect(await refused()).toMatch(
    /cannot be sent back: grant Write and Describe on \S+campaign\.delivery and/,
  );
  await grant('operator', ['WRITE', 'DESCRIBE'], {
    topics: [ledger.topic('delivery'), log],
    transactionalIds: [log],
  });
  const replayed = await command('operator', ...replay);
  expect(replayed.stderr).toContain('1 replayed');
  expect(JSON.parse(replayed.stdout)).toMatchObject({ letter, outcome: 'replayed' });
  expect(await ledger.records('delivery')).toHaveLength(before.length + 1);
});
