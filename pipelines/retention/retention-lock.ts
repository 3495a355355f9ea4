/** Retention, and whoever changes what it stands on, goes one at a time across all processes. */
import type { ContainerClient } from '@azure/storage-blob';
import { asOutage } from '../common/blob/container.ts';
import { type LeaseLock, type LockOptions, takeLeaseLock } from '../common/blob/lease-lock.ts';

export interface RetentionLockOptions extends Omit<LockOptions, 'name' | 'work'> {
  /** `blob.prefix` of the configuration. */
  readonly prefix: string;
}

/**
 * To be held while the manifest of the cold tier and the gate are changed: a gate made from an older manifest would
 * let go what was brought back since.
 * @throws {LockTaken} another one held it for longer than we wait
 * @throws {Outage}
 */
export async function takeRetentionLock(
  container: ContainerClient,
  { prefix, ...options }: RetentionLockOptions,
): Promise<LeaseLock> {
  const name = `${prefix}retention.lock`;
  return takeLeaseLock(container, { ...options, name, work: 'retention run' }).catch((error: unknown) => {
    throw asOutage(error);
  });
}
