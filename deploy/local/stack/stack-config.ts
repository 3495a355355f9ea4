/** `config.yaml` of a local stack: its addresses, and sizes that suit one machine. */
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { ConfigInput } from '../../../config/schema.ts';

export interface StackAddresses {
  /** host:port */
  readonly kafka: string;
  readonly schemaRegistry: string;
  readonly clickhouse: string;
  /** Connection string; a secret. */
  readonly blob: string;
}

export function configFileOf(dataDir: string): string {
  return join(dataDir, 'config.yaml');
}

export const BLOB_CONTAINER = 'campaign-ledger';

const HEADER = `# Written by \`stack up\`; every start writes it anew. Every command takes it: --config FILE, or CAMPAIGN_LEDGER_CONFIG.
# It holds the key of the local blob account, and so only its owner may read it.
`;

export function stackConfig(addresses: StackAddresses): ConfigInput {
  return {
    kafka: {
      brokers: [addresses.kafka],
      topics: {
        replicationFactor: 1,
        definitions: { partitions: 1 },
        delivery: { partitions: 4 },
        feedback: { partitions: 4 },
        profiles: { partitions: 4 },
      },
    },
    schemaRegistry: { url: addresses.schemaRegistry },
    clickhouse: { url: addresses.clickhouse, database: 'ledger' },
    blob: { connectionString: addresses.blob, container: BLOB_CONTAINER },
    // Generated data play the past: nothing of it leaves until somebody says `retention run`.
    retention: { intervalMs: null },
  };
}

export function stackConfigText(addresses: StackAddresses): string {
  return HEADER + stringify(stackConfig(addresses), { lineWidth: 0 });
}
