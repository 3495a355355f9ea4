/** What a stack must remember from one run to the next, and what others may know of a run. */
import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StorageAccount } from '../blob/azurite.ts';
import type { ProcessIdentity } from '../supervisor/process-identity.ts';

export const PART_NAMES = ['kafka', 'clickhouse', 'blob', 'registry'] as const;

export type PartName = (typeof PART_NAMES)[number];

export type PortName = PartName | 'kafkaController';

export interface StackState {
  readonly ports: Readonly<Partial<Record<PortName, number>>>;
  /** Made up for this directory alone. */
  readonly blobAccount: StorageAccount;
  /** Those of the run, or of the last one. */
  readonly parts: readonly PartName[];
  /** The processes of the run; what is left of them after a crash is ended by the next run. */
  readonly processes: Readonly<Partial<Record<PartName, ProcessIdentity>>>;
}

export function readState(dataDir: string): StackState {
  try {
    return JSON.parse(readFileSync(stateFile(dataDir), 'utf8')) as StackState;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return {
      ports: {},
      blobAccount: { name: 'campaignledger', key: randomBytes(64).toString('base64') },
      parts: PART_NAMES,
      processes: {},
    };
  }
}

export function writeState(dataDir: string, state: StackState): void {
  writePrivately(stateFile(dataDir), `${JSON.stringify(state, null, 1)}\n`);
}

/** Whole or not at all, and for the owner alone: it holds the account's key. */
export function writePrivately(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

function stateFile(dataDir: string): string {
  return join(dataDir, 'state.json');
}
