/** No secret is shown in a fault, wherever a person has put it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatFault } from '../../config/faults.ts';
import { environmentVariable } from '../../config/keys.ts';
import { CONFIG_KEYS, checkConfig, type LoadOptions } from '../../config/load.ts';
import { mergeTrees, setValue, type Tree } from '../../config/tree.ts';
import { faultsOf, MINIMAL } from '../helpers/config.ts';

const SECRET = 'TOPSECRET';

/** How people write logins into what is meant for something else. */
const LOGINS = [
  (secret: string) => `https://:${secret}@x`,
  (secret: string) => `https://${secret}@x:8443`,
  (secret: string) => `https://u:${secret}@x`,
  (secret: string) => `u:${secret}@host:9092`,
  (secret: string) => `${secret}@host`,
  (secret: string) => `https://x:8443?user=u&password=${secret}`,
  (secret: string) => `https://x/#${secret}`,
  (secret: string) => `https://a.blob.core.windows.net/?sv=1&sig=${encodeURIComponent(secret)}&se=2`,
  (secret: string) => `SharedAccessSignature=sig=${encodeURIComponent(secret)}&sv=1`,
  (secret: string) => `BlobEndpoint=https://a.example.net;SharedAccessSignature=sv=1&sig=${secret}`,
  (secret: string) =>
    `DefaultEndpointsProtocol=https;AccountName=a;AccountKey=${secret}==;EndpointSuffix=example.net`,
  (secret: string) => `-----BEGIN PRIVATE KEY-----\n${secret}\n-----END PRIVATE KEY-----\n`,
];

/** What may stand around the marker in a secret; a semicolon or a line end would end it in some of the forms. */
const scrap = fc.string({ maxLength: 6 }).map((text) => text.replaceAll(/[;\s"']/g, '/'));
const secretText = fc.tuple(scrap, scrap).map(([before, after]) => `${before}${SECRET}${after}`);
const login = fc
  .tuple(fc.constantFrom(...LOGINS), secretText)
  .map(([write, secret]): string => write(secret));

/** The login itself, or where one lies in what is no value for any key. */
const wrapped = login.chain((text) =>
  fc.constantFrom<unknown>(text, [text], [[text]], ['a:1', text], { [text]: text }, [{ a: text }]),
);

const isShownIn = (faults: readonly string[]): boolean => faults.join('\n').includes(SECRET);

async function faultsWith(options: LoadOptions): Promise<readonly string[]> {
  return (await checkConfig({ env: {}, overrides: MINIMAL, ...options })).faults.map(formatFault);
}

describe('a login', () => {
  test('in any key, or in place of any section', async () => {
    const places = CONFIG_KEYS.flatMap(({ path }) => path.map((_, depth) => path.slice(0, depth + 1)));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...places), wrapped, async (path, value) => {
        const layer: Tree = {};
        setValue(layer, path, value);
        return !isShownIn(await faultsWith({ overrides: mergeTrees(MINIMAL, layer) }));
      }),
      { numRuns: 600 },
    );
  });

  test('in any variable', async () => {
    const variables = CONFIG_KEYS.map(({ path }) => environmentVariable(path));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...variables),
        login,
        async (variable, text) => !isShownIn(await faultsWith({ env: { [variable]: text } })),
      ),
      { numRuns: 300 },
    );
  });

  test('in a list whose items are parted at a comma of the password', async () => {
    const env = { CAMPAIGN_LEDGER_KAFKA_BROKERS: `u:${SECRET},${SECRET}@host:9092` };
    expect(await faultsWith({ env, overrides: { ...MINIMAL, kafka: {} } })).toEqual([
      'kafka.brokers.0: must be host:port, for example broker-1.example.net:9092',
      'kafka.brokers.1: must be host:port, for example broker-1.example.net:9092 (found "[secret]@host:9092")',
    ]);
  });
});

describe('whatever it is', () => {
  test.each(
    CONFIG_KEYS.filter(({ isSecret }) => isSecret).map(({ path }) => [path.join('.'), path] as const),
  )('in %s, as something else than text, or in place of its section', async (_name, path) => {
    for (const value of [[SECRET], { [SECRET]: 1 }, [{ a: SECRET }]]) {
      const layer: Tree = {};
      setValue(layer, path, value);
      expect(isShownIn(await faultsOf(mergeTrees(layer, {})))).toBe(false);
    }
    for (let depth = 1; depth < path.length; depth += 1) {
      const layer: Tree = {};
      setValue(layer, path.slice(0, depth), SECRET);
      const faults = await faultsWith({ overrides: mergeTrees(MINIMAL, layer) });
      expect(faults).not.toEqual([]);
      expect(isShownIn(faults)).toBe(false);
    }
  });

  test.each([`{"sasl.password": "${SECRET}"`, `!${SECRET} x`, `*${SECRET}`, SECRET])(
    'in the map %j of a variable',
    async (text) => {
      const faults = await faultsWith({ env: { CAMPAIGN_LEDGER_KAFKA_PROPERTIES: text } });
      expect(faults).not.toEqual([]);
      expect(isShownIn(faults)).toBe(false);
    },
  );

  test('in a map', async () => {
    for (const value of [SECRET, [SECRET], { a: SECRET }]) {
      const faults = await faultsOf({ kafka: { properties: { 'sasl.jaas.config': value } } });
      expect(isShownIn(faults)).toBe(false);
      expect(isShownIn(await faultsOf({ kafka: { properties: [value] } }))).toBe(false);
    }
    const [fault] = await faultsOf({ kafka: { properties: { 'https.proxy': `http://u:${SECRET}@proxy` } } });
    expect(fault).toMatch(/^kafka\.properties: may not set https\.proxy: a secret has no place here/);
    expect(fault).not.toContain(SECRET);
  });
});

describe('in YAML that cannot be read', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ledger-faults-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test.each([
    `clickhouse: { password: *${SECRET} }`,
    `clickhouse: { password: @${SECRET} }`,
    `clickhouse: { password: "\\q${SECRET}" }`,
    `clickhouse:\n  password: |${SECRET}\n`,
    `clickhouse:\n  password: "a" ${SECRET}\n`,
    `clickhouse:\n  password: "${SECRET}\n`,
    `clickhouse: { password: !<${SECRET} x }`,
    `clickhouse: { password: !${SECRET}!x y }`,
    `%${SECRET} x\n---\nclickhouse: {}`,
    `clickhouse: { password: }${SECRET} }`,
    `clickhouse: ]${SECRET}`,
  ])('%j', async (text) => {
    const file = join(folder, 'config.yaml');
    await writeFile(file, text, { mode: 0o600 });
    const faults = await faultsWith({ file });
    expect(isShownIn(faults)).toBe(false);
  });

  test('an alias of nothing is a fault of the file', async () => {
    const file = join(folder, 'config.yaml');
    await writeFile(file, `clickhouse: { password: *${SECRET} }`, { mode: 0o600 });
    expect(await faultsWith({ file })).toEqual([expect.stringMatching(/config\.yaml: Unresolved alias/)]);
  });
});

test('what is no login stays to be read', async () => {
  expect(await faultsOf({ schemaRegistry: { url: 'ftp://registry.example.net/a' } })).toEqual([
    'schemaRegistry.url: must be an http or https URL, for example http://127.0.0.1:8081 (found "ftp://registry.example.net/a")',
  ]);
  expect(await faultsOf({ clickhouse: { url: 'https://u:TOP/SECRET@x:8443' } })).toEqual([
    expect.stringMatching(/^clickhouse\.url: .* \(found "https:\/\/\[secret\]@x:8443"\)$/),
  ]);
});
