/** The container files say the same as the rest: versions, configuration keys, addresses bound to this machine. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadConfig } from '../../config/load.ts';

const root = join(import.meta.dirname, '../..');

function read(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}

interface Service {
  readonly image: string;
  readonly ports?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

const { services } = parse(read('deploy/compose.yaml'), { merge: true }) as {
  services: Readonly<Record<string, Service>>;
};

const secrets = { CLICKHOUSE_PASSWORD: 'not-a-password', BLOB_ACCOUNT_KEY: 'bm90LWEta2V5' } as const;

/** As the container engine fills in `${NAME}` and `${NAME:?message}`. */
function substituted(text: string): string {
  return text.replace(/\$\{(\w+)(:\?[^}]*)?\}/g, (_, name: string) => {
    const value = Object.entries(secrets).find(([known]) => known === name)?.[1];
    if (value === undefined)
      throw new Error(`deploy/compose.yaml uses ${name}, which its header does not name`);
    return value;
  });
}

test.each(['migrate', 'tracking', 'archive', 'profiles'])(
  'compose gives %s a valid configuration',
  async (name) => {
    const environment = services[name]?.environment ?? {};
    const env = Object.fromEntries(
      Object.entries(environment).map(([key, text]) => [key, substituted(text)]),
    );
    const config = await loadConfig({ env });
    expect(config.kafka.brokers).toEqual(['kafka:9092']);
    expect(config.clickhouse.password).toBe(secrets.CLICKHOUSE_PASSWORD);
    expect(config.blob.connectionString).toContain(secrets.BLOB_ACCOUNT_KEY);
  },
);

test('compose binds every port to this machine alone', () => {
  const ports = Object.values(services).flatMap((service) => service.ports ?? []);
  expect(ports).not.toEqual([]);
  expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
});

test('the images are of the versions that are tested here', () => {
  const node = read('.nvmrc').trim();
  expect(read('deploy/Dockerfile')).toContain(`FROM node:${node}-`);
  const kafka = read('deploy/local/kafka/pom.xml').match(/kafka_2\.13<\/artifactId>\s*<version>([^<]+)/)?.[1];
  expect(services.kafka?.image).toBe(`apache/kafka:${kafka}`);
  const { devDependencies } = JSON.parse(read('package.json')) as { devDependencies: Record<string, string> };
  expect(services.blob?.image).toContain(`:${devDependencies.azurite}`);
});
