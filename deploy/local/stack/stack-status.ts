/** How the stack of a directory does: who runs it, and whether each part answers now. */
import { residentBytes } from '../supervisor/process-identity.ts';
import { shownAddress, specOf } from './part-specs.ts';
import { configFileOf } from './stack-config.ts';
import { ownerOf } from './stack-lock.ts';
import { type PartName, readState } from './stack-state.ts';

export interface PartStatus {
  readonly name: PartName;
  readonly address: string;
  readonly pid: number | null;
  /** Whether it has just done a real piece of work. */
  readonly isReady: boolean;
  /** Why not, when it is not. */
  readonly fault: string | null;
  readonly residentBytes: number | null;
}

export interface StackStatus {
  readonly isRunning: boolean;
  /** The supervisor's. */
  readonly pid: number | null;
  readonly configFile: string;
  readonly parts: readonly PartStatus[];
}

const PROBE_TIMEOUT_MS = 5_000;

export async function stackStatus(dataDir: string): Promise<StackStatus> {
  const owner = ownerOf(dataDir);
  const configFile = configFileOf(dataDir);
  if (owner === null) return { isRunning: false, pid: null, configFile, parts: [] };
  const state = readState(dataDir);
  const parts = state.parts.map(async (name): Promise<PartStatus> => {
    const pid = state.processes[name]?.pid ?? null;
    const fault = await specOf(name, { dataDir, state })
      .probe(AbortSignal.timeout(PROBE_TIMEOUT_MS))
      .then(
        () => null,
        (error: Error) => error.message || error.name,
      );
    return {
      name,
      address: shownAddress(state, name),
      pid,
      isReady: fault === null,
      fault,
      residentBytes: pid === null ? null : residentBytes(pid),
    };
  });
  return { isRunning: true, pid: owner.pid, configFile, parts: await Promise.all(parts) };
}
