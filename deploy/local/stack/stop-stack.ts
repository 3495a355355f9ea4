/** Ends the stack that another process runs. */
import { setTimeout as delay } from 'node:timers/promises';
import { isRunning, type ProcessIdentity } from '../supervisor/process-identity.ts';
import { ownerOf, removeLockOf } from './stack-lock.ts';
import { readState } from './stack-state.ts';
import { endLeftOvers } from './start-stack.ts';

/** Milliseconds; longer than the supervisor gives its parts. */
const GRACE_MS = 45_000;
const POLL_MS = 50;

/**
 * @returns false when there was none
 * @throws {Error} when the stack is a part of some other program
 */
export async function stopStack(dataDir: string): Promise<boolean> {
  const owner = ownerOf(dataDir);
  if (owner === null) {
    endLeftOvers(readState(dataDir));
    return false;
  }
  if (owner.role === 'embedded') {
    throw new Error(
      `process ${owner.pid} runs the stack on ${dataDir} as a part of itself: end that process`,
    );
  }
  signal(owner, 'SIGTERM');
  const deadline = performance.now() + GRACE_MS;
  while (isRunning(owner)) {
    if (performance.now() > deadline) signal(owner, 'SIGKILL');
    await delay(POLL_MS);
  }
  // Nothing is left after an orderly end; after a SIGKILL there may be.
  endLeftOvers(readState(dataDir));
  removeLockOf(dataDir, owner);
  return true;
}

/** The supervisor alone: it need not lead its process group. */
function signal({ pid }: ProcessIdentity, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
