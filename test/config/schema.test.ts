import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCertificates } from '../helpers/certificates.ts';
import { faultsOf, MINIMAL, testConfig } from '../helpers/config.ts';

const folder = mkdtempSync(join(tmpdir(), 'ledger-schema-'));
const CA = join(folder, 'ca.pem');
const CERT = join(folder, 'server.pem');
const KEY = join(folder, 'server.key');
beforeAll(() => createCertificates(folder));
afterAll(() => rm(folder, { recursive: true }));

const { connectionString } = MINIMAL.blob;

const MIB = 1024 * 1024;

describe('limits between keys', () => {
  test.each<[string, Record<string, unknown>, RegExp]>([
    [
      'a batch larger than the buffer',
      { pipelines: { archive: { maxBatchBytes: 65 * MIB, maxBufferedBytes: 64 * MIB } } },
      /^pipelines\.archive\.maxBatchBytes: must not exceed pipelines\.archive\.maxBufferedBytes \(67108864\).*\(found 68157440\)$/,
    ],
    [
      'a session as long as the poll interval',
      { kafka: { sessionTimeoutMs: 20_000, maxPollIntervalMs: 20_000 } },
      /^kafka\.sessionTimeoutMs: must be less than kafka\.maxPollIntervalMs \(20000\)/,
    ],
    [
      'a first wait above the longest',
      { retry: { initialMs: 50, maxMs: 40 } },
      /^retry\.initialMs: must not exceed retry\.maxMs/,
    ],
    [
      'rows that expire before their events',
      { retention: { tracking: { ttlDays: 90 }, messages: { ttlDays: 89 } } },
      /^retention\.messages\.ttlDays: must be at least retention\.tracking\.ttlDays \(90\)/,
    ],
    [
      'rows that expire while their events never do',
      { retention: { tracking: { ttlDays: null } } },
      /^retention\.messages\.ttlDays: must be at least .*unlimited/,
    ],
    [
      'a retention that could pass 2106',
      { retention: { messages: { ttlDays: 20_088 } } },
      /^retention\.messages\.ttlDays: must be at most 20087, or null/,
    ],
    [
      'one database for both',
      { clickhouse: { biDatabase: 'ledger' } },
      /^clickhouse\.biDatabase: must differ/,
    ],
    [
      'a certificate without its key',
      { kafka: { tls: { enabled: true, certFile: CERT } } },
      /^kafka\.tls\.certFile: and kafka\.tls\.keyFile belong/,
    ],
    [
      'certificates for plain HTTP',
      { clickhouse: { tls: { caFile: CA } } },
      /^clickhouse\.url: does not ask for TLS/,
    ],
    [
      'certificates for plain Kafka',
      { kafka: { tls: { caFile: CA } } },
      /^kafka\.tls\.enabled: does not ask for TLS/,
    ],
    [
      'a user without a password',
      { schemaRegistry: { username: 'u' } },
      /^schemaRegistry\.username: and schemaRegistry\.password/,
    ],
    [
      'SASL without a user',
      { kafka: { sasl: { mechanism: 'scram-sha-512', password: 'p' } } },
      /^kafka\.sasl\.mechanism: needs kafka\.sasl\.username/,
    ],
    [
      'OAuth without its endpoint',
      { kafka: { sasl: { mechanism: 'oauthbearer', oauthbearer: { clientId: 'c', clientSecret: 's' } } } },
      /^kafka\.sasl\.mechanism: needs kafka\.sasl\.oauthbearer\.tokenEndpointUrl /,
    ],
    [
      'credentials without a mechanism',
      { kafka: { sasl: { username: 'u', password: 'p' } } },
      /^kafka\.sasl\.mechanism: is null, but/,
    ],
    [
      'a property that another key owns',
      { kafka: { properties: { 'group.id': 'x' } } },
      /^kafka\.properties: may not set group\.id: use kafka\.groupPrefix/,
    ],
    [
      'a secret among the properties',
      { kafka: { properties: { 'sasl.password': 'hunter2' } } },
      /^kafka\.properties: may not set sasl\.password: use (?!.*hunter2)/,
    ],
    [
      'a secret that no key has',
      { kafka: { properties: { 'sasl.oauthbearer.assertion.private.key.passphrase': 'hunter2' } } },
      /^kafka\.properties: may not set sasl\.\S+passphrase: a secret has no place here(?!.*hunter2)/,
    ],
    [
      'an unsafe property',
      { kafka: { properties: { 'isolation.level': 'read_uncommitted' } } },
      /^kafka\.properties: may not set isolation\.level/,
    ],
    [
      'no way into Blob',
      { blob: { accountUrl: 'https://example.blob.core.windows.net' } },
      /^blob: does not say how to log in/,
    ],
    [
      'two ways into Blob',
      { blob: { connectionString, identity: 'default' } },
      /^blob: names more than one way to log in \(connectionString, identity\)/,
    ],
    [
      'a SAS without an account',
      { blob: { sasToken: 'sv=1' } },
      /^blob: needs accountUrl together with sasToken/,
    ],
    [
      'two accounts',
      { blob: { connectionString, accountUrl: 'https://example.net' } },
      /^blob: has both connectionString and accountUrl/,
    ],
    [
      'an identity over plain HTTP',
      { blob: { accountUrl: 'http://example.net', identity: 'default' } },
      /^blob: has an identity, whose token is never sent over plain HTTP/,
    ],
    [
      'an identity that nothing asks for',
      { blob: { accountUrl: 'https://example.net', sasToken: 's', identityClientId: 'i' } },
      /^blob: has identityClientId without identity/,
    ],
  ])('%s', async (_name, overrides, expected) => {
    const faults = await faultsOf(overrides);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(expected);
  });

  test('each is checked although keys that it does not read are faulty', async () => {
    const faults = await faultsOf({
      retry: { initialMs: 50, maxMs: 40, jitter: true },
      kafka: { brokers: ['nonsense'], sessionTimeoutMs: 300_000 },
      log: { level: 'loud' },
    });
    expect(faults.map((fault) => fault.split(':')[0]).sort()).toEqual([
      'kafka.brokers.0',
      'kafka.sessionTimeoutMs',
      'log.level',
      'retry.initialMs',
      'retry.jitter',
    ]);
  });

  test('each is checked although a key beside those that it reads is faulty', async () => {
    const faults = await faultsOf({
      kafka: {
        sasl: { mechanism: 'plain', oauthbearer: { scope: 7 } },
        tls: { certFile: CERT, verifyHostname: 1 },
      },
      blob: { container: 'A', sasToken: 'x', identity: 'managed' },
    });
    expect(faults.map((fault) => fault.split(': ').slice(0, 2).join(': '))).toEqual([
      'kafka.tls.verifyHostname: must be true or false (found 1)',
      expect.stringMatching(/^kafka\.sasl\.oauthbearer\.scope: /),
      'blob.container: must be 3 to 63 lower-case letters, digits and single dashes (found "A")',
      'kafka.tls.certFile: and kafka.tls.keyFile belong together',
      'kafka.tls.enabled: does not ask for TLS, but kafka.tls names certificates',
      expect.stringMatching(/^kafka\.sasl\.mechanism: needs kafka\.sasl\.username and kafka\.sasl\.password/),
      'blob: names more than one way to log in (sasToken, identity)',
    ]);
  });

  test('each is checked although another limit on the same key is passed', async () => {
    expect(
      await faultsOf({ retention: { tracking: { ttlDays: 30_000 }, messages: { ttlDays: 29_999 } } }),
    ).toEqual([
      expect.stringMatching(/^retention\.tracking\.ttlDays: must be at most 20087/),
      expect.stringMatching(/^retention\.messages\.ttlDays: must be at most 20087/),
      expect.stringMatching(/^retention\.messages\.ttlDays: must be at least retention\.tracking/),
    ]);
  });

  test('one that reads a faulty key is left for when that key is right', async () => {
    expect(await faultsOf({ retry: { initialMs: 50, maxMs: 'soon' } })).toEqual([
      'retry.maxMs: must be a whole number of milliseconds (found "soon")',
    ]);
  });

  test.each<[string, Record<string, unknown>]>([
    ['unlimited retention', { retention: { tracking: { ttlDays: null }, messages: { ttlDays: null } } }],
    ['the longest retention', { retention: { messages: { ttlDays: 20_087 } } }],
    ['a SAS', { blob: { accountUrl: 'https://example.blob.core.windows.net', sasToken: '?sv=1' } }],
    [
      'a workload identity',
      {
        blob: {
          accountUrl: 'https://example.blob.core.windows.net',
          identity: 'workload',
          identityClientId: 'i',
        },
      },
    ],
    ['a batch as large as the buffer', { pipelines: { profiles: { maxBatchBytes: 32 * MIB } } }],
    [
      'mutual TLS',
      { kafka: { tls: { enabled: true, caFile: CA, certFile: CERT, keyFile: KEY, keyPassword: 'p' } } },
    ],
    ['no metrics server', { http: { port: null } }],
    ['empty passwords as none', { clickhouse: { password: '' } }],
  ])('accepted: %s', async (_name, overrides) => {
    expect(await faultsOf(overrides)).toEqual([]);
  });
});

describe('single keys', () => {
  test.each<[Record<string, unknown>, string]>([
    [
      { kafka: { brokers: ['http://broker:9092'] } },
      'kafka.brokers.0: must be host:port, for example broker-1.example.net:9092 (found "http://broker:9092")',
    ],
    [
      { kafka: { brokers: ['broker:65536'] } },
      'kafka.brokers.0: must be host:port, for example broker-1.example.net:9092 (found "broker:65536")',
    ],
    [{ kafka: { brokers: [] } }, 'kafka.brokers: must name at least one broker (found [])'],
    [
      { kafka: { topicPrefix: 'a b' } },
      'kafka.topicPrefix: must be letters, digits, dots, dashes and underscores, at most 100 (found "a b")',
    ],
    [
      { kafka: { sessionTimeoutMs: 1.5 } },
      'kafka.sessionTimeoutMs: must be a whole number of milliseconds (found 1.5)',
    ],
    [
      { kafka: { maxPollIntervalMs: 2_147_483_648 } },
      'kafka.maxPollIntervalMs: must be at most 2147483647 ms (24.8 days) (found 2147483648)',
    ],
    [
      { clickhouse: { database: 'ledger; drop' } },
      'clickhouse.database: must be letters, digits and underscores, not a digit first, at most 63 (found "ledger; drop")',
    ],
    [
      { schemaRegistry: { url: 'registry:8081' } },
      'schemaRegistry.url: must be an http or https URL, for example http://127.0.0.1:8081 (found "registry:8081")',
    ],
    [
      { blob: { connectionString, container: 'My--Box' } },
      'blob.container: must be 3 to 63 lower-case letters, digits and single dashes (found "My--Box")',
    ],
    [
      { blob: { connectionString, prefix: '/prod' } },
      'blob.prefix: must be empty, or path parts each ending in \'/\', for example prod/ledger/ (found "/prod")',
    ],
    [
      { validation: { earliestEventTime: '2000-01-01' } },
      'validation.earliestEventTime: must be an ISO 8601 time with a zone, for example 2000-01-01T00:00:00Z (found "2000-01-01")',
    ],
    [
      { validation: { earliestEventTime: 'yesterday' } },
      'validation.earliestEventTime: must be an ISO 8601 time with a zone, for example 2000-01-01T00:00:00Z (found "yesterday")',
    ],
    [
      { validation: { earliestEventTime: '1969-12-31T23:59:59Z' } },
      'validation.earliestEventTime: must not be before 1970: days are counted from there (found "1969-12-31T23:59:59Z")',
    ],
    [{ http: { port: 70_000 } }, 'http.port: must be at most 65535 (found 70000)'],
    [
      { pipelines: { archive: { maxBatchBytes: 1024 } } },
      'pipelines.archive.maxBatchBytes: must be at least 65536 (64 KiB) (found 1024)',
    ],
    [
      { pipelines: { archive: 'fast' } },
      'pipelines.archive: is a section: put its keys under it (found "fast")',
    ],
    [{ log: { levle: 'info' } }, 'log.levle: no such key; did you mean log.level?'],
    [
      { pipelines: { archive: { max_batch_bytes: 1 } } },
      'pipelines.archive.max_batch_bytes: no such key; did you mean pipelines.archive.maxBatchBytes?',
    ],
    [{ topics: {} }, 'topics: no such key; did you mean kafka.topics?'],
    [{ clickhouse: { user: 'x' } }, 'clickhouse.user: no such key; did you mean clickhouse.username?'],
    [{ log: { zebra: 1 } }, 'log.zebra: no such key'],
  ])('%j', async (overrides, expected) => {
    expect(await faultsOf(overrides)).toEqual([expected]);
  });

  test('a URL with a password in it is refused', async () => {
    const faults = await faultsOf({ clickhouse: { url: 'http://user:hunter2@example.net' } });
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(/^clickhouse\.url: must not hold a user name or password/);
    expect(faults[0]).not.toContain('hunter2');
  });

  test('a secret that is not text is not shown', async () => {
    const faults = await faultsOf({ clickhouse: { password: 12_345_678 } });
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(/^clickhouse\.password: /);
    expect(faults[0]).not.toContain('12345678');
  });

  test('IPv6 brokers', async () => {
    const config = await testConfig({ kafka: { brokers: ['[::1]:9092', 'b-1.example.net:9092'] } });
    expect(config.kafka.brokers).toEqual(['[::1]:9092', 'b-1.example.net:9092']);
  });
});
