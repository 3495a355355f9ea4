/** Parts of a stack that a test may kill: only it uses them, beside the shared stack's other parts. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StackAddresses } from '../../deploy/local/stack/stack-config.ts';
import type { PartName } from '../../deploy/local/stack/stack-state.ts';
import { startStack } from '../../deploy/local/stack/start-stack.ts';
import type { Part } from '../../deploy/local/supervisor/part.ts';
import type { Overrides } from './ledger-harness.ts';

export interface OwnParts extends AsyncDisposable {
  /** Points a ledger at these parts instead of the shared ones. */
  readonly overrides: Overrides;
  /** Nothing but the test starts it again after a kill. */
  part(name: PartName): Part;
}

export async function startOwnParts(parts: readonly PartName[]): Promise<OwnParts> {
  const dataDir = await mkdtemp(join(tmpdir(), 'own-parts-'));
  const stack = await startStack({ dataDir, parts, restarts: false });
  return {
    overrides: Object.assign({}, ...parts.map((name) => overridesOf(name, stack.addresses))) as Overrides,
    part: (name) => stack.part(name),
    async [Symbol.asyncDispose]() {
      await stack.stop();
      if (process.env.LEDGER_KEEP_STACK !== '1') await rm(dataDir, { recursive: true, force: true });
    },
  };
}

function overridesOf(name: PartName, { kafka, schemaRegistry, clickhouse, blob }: StackAddresses): Overrides {
  switch (name) {
    case 'kafka':
      return { kafka: { brokers: [kafka] } };
    case 'registry':
      return { schemaRegistry: { url: schemaRegistry } };
    case 'clickhouse':
      return { clickhouse: { url: clickhouse } };
    case 'blob':
      return { blob: { connectionString: blob } };
  }
}
