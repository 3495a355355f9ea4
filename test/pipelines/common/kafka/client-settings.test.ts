import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import kafka from '@confluentinc/kafka-javascript';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Outage, UsageError } from '../../../../pipelines/common/errors.ts';
import {
  consumerSettings,
  kafkaSettings,
  producerSettings,
} from '../../../../pipelines/common/kafka/client-settings.ts';
import { asOutage, kafkaErrorCode } from '../../../../pipelines/common/kafka/errors.ts';
import { type Certificates, createCertificates } from '../../../helpers/certificates.ts';
import { faultsOf, testConfig } from '../../../helpers/config.ts';

type Kafka = NonNullable<NonNullable<Parameters<typeof testConfig>[0]>['kafka']>;

let folder: string;
let certificates: Certificates;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ledger-kafka-settings-'));
  certificates = await createCertificates(folder);
});
afterAll(() => rm(folder, { recursive: true }));

async function settings(overrides: Kafka) {
  return kafkaSettings(await testConfig({ kafka: overrides }));
}

describe('kafkaSettings', () => {
  test('plain text', async () => {
    expect(
      await settings({ brokers: ['a:1', 'b:2'], properties: { 'socket.keepalive.enable': true } }),
    ).toEqual({
      'bootstrap.servers': 'a:1,b:2',
      'client.id': 'campaign-ledger',
      'security.protocol': 'plaintext',
      'socket.keepalive.enable': true,
    });
  });

  test('mutual TLS', async () => {
    const { caFile, client } = certificates;
    const tls = { enabled: true, caFile, ...client };
    expect(await settings({ tls })).toMatchObject({
      'security.protocol': 'ssl',
      'ssl.ca.location': caFile,
      'ssl.certificate.location': client.certFile,
      'ssl.key.location': client.keyFile,
      'ssl.key.password': client.keyPassword,
      'ssl.endpoint.identification.algorithm': 'https',
    });
    expect(await settings({ tls: { enabled: true, verifyHostname: false } })).toMatchObject({
      'ssl.endpoint.identification.algorithm': 'none',
    });
  });

  test('a file that is gone by the time of a client is named', async () => {
    const caFile = join(folder, 'soon-gone.pem');
    await copyFile(certificates.caFile, caFile);
    const config = await testConfig({ kafka: { tls: { enabled: true, caFile } } });
    await rm(caFile);
    expect(() => kafkaSettings(config)).toThrow(UsageError);
    expect(() => kafkaSettings(config)).toThrow(`kafka.tls.caFile: ${caFile}: there is no such file`);
  });

  test.each([
    ['plain', 'PLAIN'],
    ['scram-sha-256', 'SCRAM-SHA-256'],
    ['scram-sha-512', 'SCRAM-SHA-512'],
  ] as const)('SASL %s', async (mechanism, name) => {
    const sasl = { mechanism, username: 'u', password: 'p' };
    expect(await settings({ sasl, tls: { enabled: true } })).toMatchObject({
      'security.protocol': 'sasl_ssl',
      'sasl.mechanism': name,
      'sasl.username': 'u',
      'sasl.password': 'p',
    });
    expect(await settings({ sasl })).toMatchObject({ 'security.protocol': 'sasl_plaintext' });
  });

  test('SASL oauthbearer', async () => {
    const oauthbearer = {
      tokenEndpointUrl: 'https://login.example.net/token',
      clientId: 'id',
      clientSecret: 's',
      scope: 'kafka',
      extensions: 'logicalCluster=lkc-1',
    };
    expect(await settings({ sasl: { mechanism: 'oauthbearer', oauthbearer } })).toMatchObject({
      'security.protocol': 'sasl_plaintext',
      'sasl.mechanism': 'OAUTHBEARER',
      'sasl.oauthbearer.method': 'oidc',
      'sasl.oauthbearer.token.endpoint.url': 'https://login.example.net/token',
      'sasl.oauthbearer.client.id': 'id',
      'sasl.oauthbearer.client.secret': 's',
      'sasl.oauthbearer.scope': 'kafka',
      'sasl.oauthbearer.extensions': 'logicalCluster=lkc-1',
    });
  });
});

describe('consumers and producers', () => {
  test('what exactly-once rests on cannot be set away', async () => {
    const config = await testConfig({ kafka: { groupPrefix: 'prod' } });
    expect(consumerSettings(config, { pipeline: 'archive' })).toMatchObject({
      'group.id': 'prod.archive',
      'enable.auto.commit': false,
      'enable.auto.offset.store': false,
      'isolation.level': 'read_committed',
      'group.protocol': 'classic',
      'session.timeout.ms': 10_000,
      'partition.assignment.strategy': 'cooperative-sticky',
    });
    expect(producerSettings(config)).toMatchObject({
      acks: 'all',
      'enable.idempotence': true,
      'message.max.bytes': 1024 * 1024 + 64 * 1024,
    });
  });

  test("the protocol of KIP-848 leaves to the broker what is the broker's", async () => {
    const config = await testConfig({ kafka: { groupProtocol: 'consumer' } });
    const settings = consumerSettings(config, { pipeline: 'archive' });
    expect(settings['group.protocol']).toBe('consumer');
    expect(Object.keys(settings)).not.toContain('session.timeout.ms');
    expect(Object.keys(settings)).not.toContain('heartbeat.interval.ms');
    expect(Object.keys(settings)).not.toContain('partition.assignment.strategy');
  });

  // librdkafka refuses a property that it does not know, or a value out of its range, when a client is made.
  test.each<[string, Kafka]>([
    ['defaults', {}],
    ['the consumer protocol', { groupProtocol: 'consumer' }],
    ['TLS', { tls: { enabled: true, verifyHostname: false } }],
    ['plain', { sasl: { mechanism: 'plain', username: 'u', password: 'p' } }],
    ['scram', { sasl: { mechanism: 'scram-sha-512', username: 'u', password: 'p' } }],
    [
      'oauthbearer',
      {
        sasl: {
          mechanism: 'oauthbearer',
          oauthbearer: {
            tokenEndpointUrl: 'http://127.0.0.1:1',
            clientId: 'i',
            clientSecret: 's',
            scope: 'x',
          },
        },
      },
    ],
  ])('librdkafka takes them: %s', async (_name, overrides) => {
    const config = await testConfig({ kafka: overrides });
    const consumer = new kafka.KafkaConsumer({ ...consumerSettings(config, { pipeline: 'archive' }) }, {});
    expect(consumer).toBeInstanceOf(kafka.KafkaConsumer);
    expect(new kafka.Producer({ ...producerSettings(config) })).toBeInstanceOf(kafka.Producer);
  });
});

test('kafka.properties may not set what a client is given anyway, under any name of it', async () => {
  const tls = { enabled: true, caFile: certificates.caFile, ...certificates.client };
  const oauthbearer = {
    tokenEndpointUrl: 'https://login.example.net/token',
    clientId: 'id',
    clientSecret: 's',
    scope: 'kafka',
    extensions: 'logicalCluster=lkc-1',
  };
  const configs = await Promise.all(
    [
      { tls, sasl: { mechanism: 'plain', username: 'u', password: 'p' } as const },
      { groupProtocol: 'consumer', sasl: { mechanism: 'oauthbearer', oauthbearer } } as const,
    ].map((kafka) => testConfig({ kafka })),
  );
  const owned = configs.flatMap((config) => [
    ...Object.keys(consumerSettings(config, { pipeline: 'archive' })),
    ...Object.keys(producerSettings(config)),
  ]);
  const harmful = ['transactional.id', 'group.instance.id', 'enable.partition.eof', 'request.required.acks'];
  for (const property of new Set([...owned, ...harmful])) {
    expect(await faultsOf({ kafka: { properties: { [property]: 'x' } } }), property).toEqual([
      expect.stringContaining(`kafka.properties: may not set ${property}: `),
    ]);
  }
});

describe('errors', () => {
  const { ERRORS } = kafka.CODES;
  const error = (code: number) => Object.assign(new Error(`code ${code}`), { code });

  test.each([
    ['ERR__TRANSPORT', ERRORS.ERR__TRANSPORT],
    ['ERR__TIMED_OUT', ERRORS.ERR__TIMED_OUT],
    ['ERR_NOT_ENOUGH_REPLICAS', ERRORS.ERR_NOT_ENOUGH_REPLICAS],
    ['ERR_COORDINATOR_NOT_AVAILABLE', ERRORS.ERR_COORDINATOR_NOT_AVAILABLE],
  ])('%s is an outage that keeps its code', (_name, code) => {
    const outage = asOutage(error(code));
    expect(outage).toBeInstanceOf(Outage);
    expect(kafkaErrorCode(outage)).toBe(code);
  });

  test.each([
    ['ERR_UNKNOWN_MEMBER_ID', ERRORS.ERR_UNKNOWN_MEMBER_ID],
    ['ERR_ILLEGAL_GENERATION', ERRORS.ERR_ILLEGAL_GENERATION],
    ['ERR_OFFSET_OUT_OF_RANGE', ERRORS.ERR_OFFSET_OUT_OF_RANGE],
    ['ERR_TOPIC_AUTHORIZATION_FAILED', ERRORS.ERR_TOPIC_AUTHORIZATION_FAILED],
    ['ERR_MSG_SIZE_TOO_LARGE', ERRORS.ERR_MSG_SIZE_TOO_LARGE],
  ])('%s is none', (_name, code) => {
    const plain = error(code);
    expect(asOutage(plain)).toBe(plain);
    expect(kafkaErrorCode(plain)).toBe(code);
  });

  test('what is no error of Kafka has no code', () => {
    expect(kafkaErrorCode(new Error('x'))).toBeNull();
    expect(kafkaErrorCode(Object.assign(new Error('x'), { code: 'ENOENT' }))).toBeNull();
  });
});
