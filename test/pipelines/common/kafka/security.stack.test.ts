/** TLS and SASL against a real broker that asks for them: what is configured must be what arrives. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findJava } from '../../../../deploy/local/setup/java.mjs';
import { Outage } from '../../../../pipelines/common/errors.ts';
import { createAdmin } from '../../../../pipelines/common/kafka/admin.ts';
import { readTopicSettings } from '../../../../schemas/migrate/topics/topic-settings.ts';
import { type Certificates, createCertificates } from '../../../helpers/certificates.ts';
import { testConfig } from '../../../helpers/config.ts';
import { startBroker, type TestBroker } from '../../../helpers/kafka-broker.ts';
import { type RecordingServer, startRecordingServer } from '../../../helpers/recording-server.ts';

const JARS = fileURLToPath(new URL('../../../../.tools/kafka/lib/*', import.meta.url));
const TOPIC = 'only-for-those-who-are-let-in';

let folder: string;
let certificates: Certificates;
let broker: TestBroker;
let tokens: RecordingServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ledger-security-'));
  certificates = await createCertificates(folder);
  const keystore = join(folder, 'keystore.pem');
  await writeFile(keystore, Buffer.concat([certificates.server.key, certificates.server.cert]));
  broker = await startBroker({
    folder,
    morePorts: 3,
    properties: ({ plain, controller, more: [sasl, mtls, oauth] }) => ({
      listeners: `PLAINTEXT://127.0.0.1:${plain},CONTROLLER://127.0.0.1:${controller},SASL://127.0.0.1:${sasl},MTLS://127.0.0.1:${mtls},OAUTH://127.0.0.1:${oauth}`,
      'advertised.listeners': `PLAINTEXT://127.0.0.1:${plain},SASL://127.0.0.1:${sasl},MTLS://localhost:${mtls},OAUTH://localhost:${oauth}`,
      'listener.security.protocol.map':
        'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT,MTLS:SSL,OAUTH:SASL_SSL',
      'inter.broker.listener.name': 'PLAINTEXT',
      'ssl.keystore.type': 'PEM',
      'ssl.keystore.location': keystore,
      'ssl.truststore.type': 'PEM',
      'ssl.truststore.location': certificates.caFile,
      'listener.name.mtls.ssl.client.auth': 'required',
      'listener.name.sasl.sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-512',
      'listener.name.sasl.plain.sasl.jaas.config': `${PLAIN} required user_ledger="plain secret";`,
      'listener.name.sasl.scram-sha-512.sasl.jaas.config': `${SCRAM} required;`,
      'listener.name.oauth.sasl.enabled.mechanisms': 'OAUTHBEARER',
      'listener.name.oauth.oauthbearer.sasl.jaas.config': `${OAUTH} required unsecuredLoginStringClaim_sub="broker";`,
    }),
  });
  const { kafka } = await testConfig({ kafka: { brokers: [broker.address] } });
  const admin = createAdmin({ kafka });
  await admin.createTopic({ topic: TOPIC, partitions: 1, replicationFactor: 1 });
  admin.close();
  await addScramUser('ledger', 'scram secret');
  tokens = await startRecordingServer((_request, reply) =>
    reply.send({ access_token: unsecuredToken('ledger'), token_type: 'Bearer', expires_in: 3600 }),
  );
});

afterAll(async () => {
  await tokens?.close();
  await broker?.stop();
  await rm(folder, { recursive: true });
});

const SECURITY = 'org.apache.kafka.common.security';
const PLAIN = `${SECURITY}.plain.PlainLoginModule`;
const SCRAM = `${SECURITY}.scram.ScramLoginModule`;
const OAUTH = `${SECURITY}.oauthbearer.OAuthBearerLoginModule`;

type Kafka = NonNullable<NonNullable<Parameters<typeof testConfig>[0]>['kafka']>;

/** The topics that a client with these settings is shown; throws what it is answered. */
async function topicsFor(listener: 0 | 1 | 2, settings: Omit<Kafka, 'brokers'>): Promise<readonly string[]> {
  const host = listener === 0 ? '127.0.0.1' : 'localhost';
  const { kafka } = await testConfig({
    kafka: { brokers: [`${host}:${broker.ports.more[listener]}`], requestTimeoutMs: 3_000, ...settings },
  });
  const admin = createAdmin({ kafka });
  try {
    return await admin.listTopics();
  } finally {
    admin.close();
  }
}

describe('SASL with a password', () => {
  test.each([
    ['plain', 'plain secret'],
    ['scram-sha-512', 'scram secret'],
  ] as const)('%s', async (mechanism, password) => {
    expect(await topicsFor(0, { sasl: { mechanism, username: 'ledger', password } })).toContain(TOPIC);
    const refused = topicsFor(0, { sasl: { mechanism, username: 'ledger', password: 'wrong' } });
    await expect(refused).rejects.toThrow(Outage);
    await expect(refused).rejects.toThrow(/SASL authentication error: Authentication failed/);
  });

  test('the password may lie in a file', async () => {
    const passwordFile = join(folder, 'password');
    await writeFile(passwordFile, 'plain secret\n');
    const sasl = { mechanism: 'plain', username: 'ledger', passwordFile } as const;
    expect(await topicsFor(0, { sasl })).toContain(TOPIC);
  });
});

describe('TLS', () => {
  test('with our authority and our certificate, whose key is encrypted', async () => {
    const tls = { enabled: true, caFile: certificates.caFile, ...certificates.client };
    expect(await topicsFor(1, { tls })).toContain(TOPIC);
  });

  test('without a certificate of ours, or without their authority, nobody is let in', async () => {
    const { caFile } = certificates;
    await expect(topicsFor(1, { tls: { enabled: true, caFile } })).rejects.toThrow(/^kafka: .*SSL/);
    const stranger = topicsFor(1, { tls: { enabled: true, ...certificates.client } });
    await expect(stranger).rejects.toThrow(/^kafka: .*certificate verify failed/);
  });
});

describe('SASL oauthbearer over TLS', () => {
  test('the token of the endpoint, asked for with our id, secret and scope', async () => {
    const sasl = {
      mechanism: 'oauthbearer',
      oauthbearer: {
        tokenEndpointUrl: `${tokens.url}/token`,
        clientId: 'ledger-client',
        clientSecret: 'token secret',
        scope: 'kafka',
      },
    } as const;
    const tls = { enabled: true, caFile: certificates.caFile };
    expect(await topicsFor(2, { sasl, tls })).toContain(TOPIC);
    const [request] = tokens.requests;
    expect(request).toMatchObject({ method: 'POST', path: '/token' });
    expect(new URLSearchParams(request?.body).get('scope')).toBe('kafka');
    const login = Buffer.from('ledger-client:token secret').toString('base64');
    expect(request?.headers.authorization).toBe(`Basic ${login}`);
  });

  test('https.ca.location is whom both clients trust at the endpoint', async () => {
    const secure = await startRecordingServer(
      (_request, reply) => reply.send({ access_token: unsecuredToken('ledger'), expires_in: 3600 }),
      { certificates, asksForClient: false },
    );
    const oauthbearer = {
      tokenEndpointUrl: `${secure.url}/token`,
      clientId: 'ledger-client',
      clientSecret: 'token secret',
    };
    const settings = (properties: Record<string, string>) => ({
      brokers: [`localhost:${broker.ports.more[2]}`],
      sasl: { mechanism: 'oauthbearer', oauthbearer } as const,
      tls: { enabled: true, caFile: certificates.caFile },
      requestTimeoutMs: 3_000,
      properties,
    });
    try {
      const trusting = settings({ 'https.ca.location': certificates.caFile });
      expect(await topicsFor(2, trusting)).toContain(TOPIC);
      const read = async (kafka: Kafka) => readTopicSettings(await testConfig({ kafka }), [TOPIC]);
      expect((await read(trusting)).get(TOPIC)?.get('cleanup.policy')).toBe('delete');
      await expect(read(settings({}))).rejects.toThrow(/^kafka: the settings of topics cannot be read: /);
      await expect(read(settings({ 'https.ca.location': '/none.pem' }))).rejects.toThrow(
        /https\.ca\.location: \/none\.pem: there is no such file/,
      );
    } finally {
      await secure.close();
    }
  });
});

async function addScramUser(name: string, password: string): Promise<void> {
  const java = findJava();
  if (java === null) throw new Error('Java is missing');
  await execa(java, [
    '-XX:TieredStopAtLevel=1',
    '-cp',
    JARS,
    'kafka.admin.ConfigCommand',
    ...['--bootstrap-server', broker.address, '--alter', '--entity-type', 'users', '--entity-name', name],
    ...['--add-config', `SCRAM-SHA-512=[iterations=4096,password=${password}]`],
  ]);
}

/** RFC 7519, section 6: not signed. The broker of this test takes it; what is tested is the way it comes. */
function unsecuredToken(subject: string): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  return `${part({ alg: 'none' })}.${part({ sub: subject, iat: now, exp: now + 3600, scope: 'kafka' })}.`;
}
