/** One stack a data directory: whoever runs it has its name in a file there. */
import { randomUUID } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isRunning, ownIdentity, type ProcessIdentity } from '../supervisor/process-identity.ts';

export interface StackOwner extends ProcessIdentity {
  /** `stack up`, or a program that runs the stack as a part of itself, such as a test run. */
  readonly role: 'command' | 'embedded';
}

export class StackIsRunning extends Error {
  override readonly name = 'StackIsRunning';
  readonly owner: StackOwner;
  constructor(dataDir: string, owner: StackOwner) {
    super(`a stack is running on ${dataDir} already, in process ${owner.pid}`);
    this.owner = owner;
  }
}

function lockFile(dataDir: string): string {
  return join(dataDir, 'stack.lock');
}

/** Who runs the stack of this directory, or null. A lock whose owner was killed counts for nothing. */
export function ownerOf(dataDir: string): StackOwner | null {
  const owner = read(lockFile(dataDir));
  return owner !== null && isRunning(owner) ? owner : null;
}

/**
 * @returns how to give it back
 * @throws {StackIsRunning} when somebody else has it
 */
export function lockStack(dataDir: string, role: StackOwner['role']): () => void {
  const lock = lockFile(dataDir);
  const mine = join(dataDir, `stack.lock.${randomUUID()}`);
  writeFileSync(mine, JSON.stringify({ ...ownIdentity(), role } satisfies StackOwner), { mode: 0o600 });
  try {
    while (!linked(mine, lock)) {
      const owner = ownerOf(dataDir);
      if (owner !== null) throw new StackIsRunning(dataDir, owner);
      removeStale(lock);
    }
  } finally {
    rmSync(mine);
  }
  return () => rmSync(lock, { force: true });
}

/** For a lock whose owner has ended. */
export function removeLockOf(dataDir: string, owner: StackOwner): void {
  const lock = lockFile(dataDir);
  if (read(lock)?.startedAt === owner.startedAt) rmSync(lock, { force: true });
}

/** A link is made only when there is no such name yet, and its content is whole from the first moment. */
function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Two may find the same stale lock. The slower one may take away the faster one's new lock, and then puts it back. */
function removeStale(lock: string): void {
  const away = `${lock}.${randomUUID()}`;
  try {
    renameSync(lock, away);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  const owner = read(away);
  if (owner !== null && isRunning(owner)) linked(away, lock);
  rmSync(away);
}

function read(file: string): StackOwner | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as StackOwner;
  } catch {
    // Gone, or cut short: then whoever wrote it is gone as well.
    return null;
  }
}
