import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { formatFault } from '../../config/faults.ts';
import { environmentVariable } from '../../config/keys.ts';
import { CONFIG_KEYS, checkConfig, loadConfig } from '../../config/load.ts';
import { UsageError } from '../../pipelines/common/errors.ts';
import { MINIMAL, testConfig } from '../helpers/config.ts';

const ADDRESSES = `
kafka: { brokers: ['broker:9092'] }
schemaRegistry: { url: https://registry.example.net }
clickhouse: { url: https://clickhouse.example.net:8443 }
blob: { accountUrl: 'https://example.blob.core.windows.net', identity: managed }
`;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ledger-config-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function fileWith(text: string, { name = 'config.yaml', mode = 0o600 } = {}): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, text);
  await chmod(file, mode);
  return file;
}

async function faultsIn(options: Parameters<typeof checkConfig>[0]): Promise<readonly string[]> {
  return (await checkConfig({ env: {}, ...options })).faults.map(formatFault);
}

describe('layers', () => {
  test('the environment goes before the file, overrides before both', async () => {
    const file = await fileWith(`${ADDRESSES}\nlog: { level: warn, format: json }\nretry: { initialMs: 7 }`);
    const env = { CAMPAIGN_LEDGER_LOG_LEVEL: 'debug', CAMPAIGN_LEDGER_LOG_FORMAT: 'pretty' };
    const config = await loadConfig({ file, env, overrides: { log: { format: 'auto' } } });
    expect([config.log.level, config.log.format, config.retry.initialMs]).toEqual(['debug', 'auto', 7]);
  });

  test('CAMPAIGN_LEDGER_CONFIG names the file when nothing else does', async () => {
    const env = { CAMPAIGN_LEDGER_CONFIG: await fileWith(ADDRESSES) };
    expect((await loadConfig({ env })).kafka.brokers).toEqual(['broker:9092']);
  });

  test('an undefined override says nothing', async () => {
    const file = await fileWith(`${ADDRESSES}\nlog: { level: warn }`);
    expect((await loadConfig({ file, env: {}, overrides: { log: { level: undefined } } })).log.level).toBe(
      'warn',
    );
  });

  test('a section with nothing under it, and a list written as text', async () => {
    const file = await fileWith(
      `${ADDRESSES}\nlog:\npipelines:\n  archive:\n`.replace("['broker:9092']", "'a:1, b:2'"),
    );
    expect((await loadConfig({ file, env: {} })).kafka.brokers).toEqual(['a:1', 'b:2']);
  });

  test('the result is frozen throughout', async () => {
    const config = await testConfig();
    expect(() => Object.assign(config.pipelines.archive, { maxBatchBytes: 1 })).toThrow(TypeError);
    expect(() => (config.kafka.brokers as string[]).push('x:1')).toThrow(TypeError);
    expect(() => Object.assign(config.kafka.properties, { acks: 0 })).toThrow(TypeError);
  });
});

describe('environment', () => {
  test('no two keys share a variable', () => {
    const variables = CONFIG_KEYS.map(({ path }) => environmentVariable(path));
    expect(new Set(variables).size).toBe(variables.length);
    expect(variables).toContain('CAMPAIGN_LEDGER_KAFKA_MAX_POLL_INTERVAL_MS');
  });

  test('values arrive as what their key holds', async () => {
    const config = await loadConfig({
      env: {
        CAMPAIGN_LEDGER_KAFKA_BROKERS: 'a:1,b:2',
        CAMPAIGN_LEDGER_KAFKA_TLS_ENABLED: 'true',
        CAMPAIGN_LEDGER_KAFKA_PROPERTIES: '{"socket.keepalive.enable": true}',
        CAMPAIGN_LEDGER_HTTP_PORT: '9464',
        CAMPAIGN_LEDGER_RETENTION_TRACKING_TTL_DAYS: 'null',
        CAMPAIGN_LEDGER_RETENTION_MESSAGES_TTL_DAYS: '',
        CAMPAIGN_LEDGER_CLICKHOUSE_PASSWORD: '12345',
      },
      overrides: { ...MINIMAL, kafka: {} },
    });
    expect(config.kafka.brokers).toEqual(['a:1', 'b:2']);
    expect(config.kafka.tls.enabled).toBe(true);
    expect(config.kafka.properties).toEqual({ 'socket.keepalive.enable': true });
    expect(config.http.port).toBe(9464);
    expect(config.retention).toMatchObject({ tracking: { ttlDays: null }, messages: { ttlDays: null } });
    expect(config.clickhouse.password).toBe('12345');
  });

  test('a misspelt variable, a number that is none and a boolean that is none are faults', async () => {
    const env = {
      CAMPAIGN_LEDGER_KAFKA_BROKER: 'a:1',
      CAMPAIGN_LEDGER_HTTP_PORT: '94x',
      CAMPAIGN_LEDGER_KAFKA_TLS_ENABLED: 'yes',
      UNRELATED: 'x',
    };
    expect(await faultsIn({ env, overrides: MINIMAL })).toEqual([
      'CAMPAIGN_LEDGER_HTTP_PORT: must be a number (found "94x")',
      'CAMPAIGN_LEDGER_KAFKA_BROKER: no such configuration variable; did you mean CAMPAIGN_LEDGER_KAFKA_BROKERS?',
      'CAMPAIGN_LEDGER_KAFKA_TLS_ENABLED: must be true or false (found "yes")',
    ]);
  });
});

describe('secrets', () => {
  const withPassword = (url: string) =>
    `${ADDRESSES}`.replace('https://clickhouse.example.net:8443 }', `${url}, password: hunter2 }`);

  test('a file of its own, without the line end', async () => {
    const passwordFile = await fileWith('pass word \n', { name: 'password' });
    const config = await testConfig({ clickhouse: { passwordFile } });
    expect(config.clickhouse.password).toBe('pass word ');
  });

  test('a later layer wins whole: a file in the environment over a value in YAML, and the other way round', async () => {
    const secretFile = await fileWith('from-file', { name: 'password' });
    const inYaml = await fileWith(withPassword('https://clickhouse.example.net'));
    const env = { CAMPAIGN_LEDGER_CLICKHOUSE_PASSWORD_FILE: secretFile };
    expect((await loadConfig({ file: inYaml, env })).clickhouse.password).toBe('from-file');
    const fileInYaml = await fileWith(
      withPassword('https://x').replace('password: hunter2', `passwordFile: ${secretFile}`),
    );
    const literal = { CAMPAIGN_LEDGER_CLICKHOUSE_PASSWORD: 'from-environment' };
    expect((await loadConfig({ file: fileInYaml, env: literal })).clickhouse.password).toBe(
      'from-environment',
    );
  });

  test('both in one layer, a missing file and an empty one are faults, and none shows the secret', async () => {
    const empty = await fileWith('\n', { name: 'empty' });
    const faults = await faultsIn({
      overrides: {
        ...MINIMAL,
        kafka: { ...MINIMAL.kafka, sasl: { mechanism: 'plain', username: 'u', passwordFile: empty } },
        schemaRegistry: { ...MINIMAL.schemaRegistry, username: 'u', passwordFile: join(folder, 'none') },
        clickhouse: { ...MINIMAL.clickhouse, password: 'hunter2', passwordFile: empty },
      },
    });
    expect(faults.join('\n')).not.toContain('hunter2');
    expect(faults).toContain(`kafka.sasl.passwordFile: the file is empty (found "${empty}")`);
    expect(faults).toContain(
      `schemaRegistry.passwordFile: there is no such file (found "${join(folder, 'none')}")`,
    );
    expect(faults).toContain('clickhouse.passwordFile: and clickhouse.password are both given: keep one');
  });

  test('written into a file that others can read: refused with what to do, unless the service is on this machine', async () => {
    const file = await fileWith(withPassword('https://clickhouse.example.net'), { mode: 0o644 });
    expect(await faultsIn({ file })).toEqual([
      `clickhouse.password: is a secret in a file that others can read: run chmod 600 ${file}, or use clickhouse.passwordFile or CAMPAIGN_LEDGER_CLICKHOUSE_PASSWORD`,
    ]);
    await chmod(file, 0o600);
    expect(await faultsIn({ file })).toEqual([]);
    expect(
      await faultsIn({ file: await fileWith(withPassword('http://localhost:8123'), { mode: 0o644 }) }),
    ).toEqual([]);
  });

  test('the published key of the storage emulator is no secret; that of an account is', async () => {
    const blob = (connectionString: string) =>
      ADDRESSES.replace(/^blob:.*$/m, `blob: { connectionString: '${connectionString}' }`);
    const emulator =
      'DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=a2V5;BlobEndpoint=http://azurite:10000/devstoreaccount1;';
    expect(await faultsIn({ file: await fileWith(blob(emulator), { mode: 0o644 }) })).toEqual([]);
    const account =
      'DefaultEndpointsProtocol=https;AccountName=example;AccountKey=a2V5;EndpointSuffix=core.windows.net';
    const [fault, ...others] = await faultsIn({ file: await fileWith(blob(account), { mode: 0o644 }) });
    expect(others).toEqual([]);
    expect(fault).toMatch(/^blob\.connectionString: is a secret/);
    expect(fault).not.toContain('a2V5');
  });
});

describe('faults of the file', () => {
  test('no such file', async () => {
    const file = join(folder, 'nowhere.yaml');
    expect(await faultsIn({ file })).toEqual([`${file}: there is no such file`]);
  });

  test('YAML that cannot be parsed names line and column and quotes nothing', async () => {
    const file = await fileWith('clickhouse:\n  password: "hunter2\nkafka: 1\n');
    const [fault = '', ...others] = await faultsIn({ file });
    expect(fault).toMatch(/line \d+, column \d+/);
    expect([fault, ...others].join('\n')).not.toContain('hunter2');
  });

  test.each(['- a\n- b\n', 'just text'])('what is not a mapping: %j', async (text) => {
    const file = await fileWith(text);
    expect(await faultsIn({ file })).toEqual([
      `${file}: must hold keys and values, as config/default.yaml does`,
    ]);
  });

  test('a key twice', async () => {
    const [fault] = await faultsIn({ file: await fileWith('log: {}\nlog: {}\n') });
    expect(fault).toMatch(/unique/);
  });

  test('all faults come in one error, each on its line', async () => {
    const file = await fileWith(
      'kafka: { broker: [a:1], groupProtocol: newest }\nblobs: {}\nlog: { level: loud }',
    );
    const error = await loadConfig({ file, env: { CAMPAIGN_LEDGER_HTTP_PORTS: '1' } }).catch(
      (caught: unknown) => caught,
    );
    expect(error).toBeInstanceOf(UsageError);
    expect((error as Error).message.split('\n')).toEqual([
      'the configuration has 9 faults:',
      '  CAMPAIGN_LEDGER_HTTP_PORTS: no such configuration variable; did you mean CAMPAIGN_LEDGER_HTTP_PORT?',
      '  kafka.brokers: is required, for example [broker-1.example.net:9092]',
      '  kafka.groupProtocol: must be one of classic, consumer (found "newest")',
      '  kafka.broker: no such key; did you mean kafka.brokers?',
      '  schemaRegistry.url: is required, for example http://127.0.0.1:8081',
      '  clickhouse.url: is required, for example http://127.0.0.1:8123',
      '  log.level: must be one of trace, debug, info, warn, error, fatal, silent (found "loud")',
      '  blobs: no such key; did you mean blob?',
      expect.stringMatching(/^ {2}blob: does not say how to log in: /),
    ]);
  });
});
