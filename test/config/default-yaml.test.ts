/** default.yaml is what people read: it must say exactly what the schema does. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { CONFIG_KEYS, loadConfig } from '../../config/load.ts';
import { valueAt } from '../../config/tree.ts';
import { MINIMAL } from '../helpers/config.ts';

const text = readFileSync(new URL('../../config/default.yaml', import.meta.url), 'utf8');
const documented: unknown = parse(text);
const required = ['kafka.brokers', 'schemaRegistry.url', 'clickhouse.url'];

test('every default is the documented one', async () => {
  const config = await loadConfig({ env: {}, overrides: MINIMAL });
  const optional = CONFIG_KEYS.filter(
    ({ path }) => !required.includes(path.join('.')) && path.join('.') !== 'blob.connectionString',
  );
  const values = (tree: unknown) =>
    Object.fromEntries(optional.map(({ path }) => [path.join('.'), valueAt(tree, path)]));
  expect(values(documented)).toEqual(values(config));
});

test('the file holds the keys of the schema and no others', () => {
  const paths = (tree: unknown, path: readonly string[] = []): string[] =>
    typeof tree === 'object' && tree !== null && !Array.isArray(tree) && Object.keys(tree).length > 0
      ? Object.entries(tree).flatMap(([key, value]) => paths(value, [...path, key]))
      : [path.join('.')];
  expect(paths(documented)).toEqual(CONFIG_KEYS.map(({ path }) => path.join('.')));
});

test('what has no default is null and says that it is required', () => {
  const withoutDefault = CONFIG_KEYS.filter(
    ({ path, isNullable }) => !isNullable && valueAt(documented, path) === null,
  );
  expect(withoutDefault.map(({ path }) => path.join('.'))).toEqual(required);
  for (const { path } of withoutDefault) expect(commentAbove(path.at(-1) ?? '')).toMatch(/Required\.$/);
});

test('a comment stands above every key', () => {
  const lines = text.split('\n');
  const bare = lines.filter(
    (line, index) => /^ *[A-Za-z]\w*: /.test(line) && !/^ *#/.test(lines[index - 1] ?? ''),
  );
  expect(bare).toEqual([]);
});

test('the file is accepted once the addresses are given', async () => {
  const config = await loadConfig({
    file: new URL('../../config/default.yaml', import.meta.url).pathname,
    env: {
      CAMPAIGN_LEDGER_KAFKA_BROKERS: 'broker-1:9092,broker-2:9092',
      CAMPAIGN_LEDGER_SCHEMA_REGISTRY_URL: 'https://registry.example.net',
      CAMPAIGN_LEDGER_CLICKHOUSE_URL: 'https://clickhouse.example.net:8443',
      CAMPAIGN_LEDGER_BLOB_ACCOUNT_URL: 'https://example.blob.core.windows.net',
      CAMPAIGN_LEDGER_BLOB_IDENTITY: 'workload',
    },
  });
  expect(config.kafka.brokers).toEqual(['broker-1:9092', 'broker-2:9092']);
});

function commentAbove(key: string): string {
  const lines = text.split('\n');
  const at = lines.findIndex((line) => line.trim() === `${key}: null`);
  return lines[at - 1] ?? '';
}
