/** Ends the stack that another process runs. */
import { setTimeout as delay } from 'node:timers/promises';
import { signalChild } from '../supervisor/launch.ts';
import { isRunning } from '../supervisor/process-identity.ts';
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
  signalChild(owner.pid, 'SIGTERM');
  const deadline = performance.now() + GRACE_MS;
  while (isRunning(owner)) {
    if (performance.now() > deadline) process.kill(owner.pid, 'SIGKILL');
    await delay(POLL_MS);
  }
  // Nothing is left after an orderly end; after a SIGKILL there may be.
  endLeftOvers(readState(dataDir));
  removeLockOf(dataDir, owner);
  return true;
}
