/** Starts the one local stack that every `*.stack.test.ts` of a run shares, and hands its configuration file to them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startStack } from '../../deploy/local/stack/start-stack.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Configuration with the addresses of the shared stack: `loadConfig({ file: inject('configFile') })`. */
    configFile: string;
  }
}

/** Set LEDGER_KEEP_STACK=1 to look at the data and logs of a run afterwards. */
const isKept = process.env.LEDGER_KEEP_STACK === '1';

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dataDir = await mkdtemp(join(tmpdir(), 'campaign-ledger-test-'));
  const stack = await startStack({ dataDir });
  project.provide('configFile', stack.configFile);
  return async () => {
    await stack.stop();
    if (isKept) process.stderr.write(`the stack's data and logs are kept in ${dataDir}\n`);
    else await rm(dataDir, { recursive: true, force: true });
  };
}
