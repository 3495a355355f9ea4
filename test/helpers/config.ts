/** A valid configuration for tests: addresses that nothing answers at, unless the test says otherwise. */
import { checkConfig, type LoadOptions, loadConfig } from '../../config/load.ts';
import type { Config } from '../../config/schema.ts';

type Overrides = NonNullable<LoadOptions['overrides']>;

export const MINIMAL = {
  kafka: { brokers: ['127.0.0.1:1'] },
  schemaRegistry: { url: 'http://127.0.0.1:1' },
  clickhouse: { url: 'http://127.0.0.1:1' },
  blob: {
    connectionString:
      'DefaultEndpointsProtocol=http;AccountName=example;AccountKey=c2VjcmV0;BlobEndpoint=http://127.0.0.1:1/example;',
  },
} as const satisfies Overrides;

/** The minimal configuration with each section given replaced key by key. */
export function testConfig(overrides: Overrides = {}): Promise<Config> {
  return loadConfig({ env: {}, overrides: withMinimal(overrides) });
}

/** Every fault, as printed, of the minimal configuration with the overrides. */
export async function faultsOf(overrides: Record<string, unknown>): Promise<readonly string[]> {
  const { formatFault } = await import('../../config/faults.ts');
  const { faults } = await checkConfig({ env: {}, overrides: withMinimal(overrides as Overrides) });
  return faults.map(formatFault);
}

function withMinimal(overrides: Overrides): Overrides {
  return {
    ...overrides,
    kafka: { ...MINIMAL.kafka, ...overrides.kafka },
    schemaRegistry: { ...MINIMAL.schemaRegistry, ...overrides.schemaRegistry },
    clickhouse: { ...MINIMAL.clickhouse, ...overrides.clickhouse },
    blob: overrides.blob ?? MINIMAL.blob,
  };
}
