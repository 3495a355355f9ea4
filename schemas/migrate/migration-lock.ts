/** One migration at a time. */
import type { ContainerClient } from '@azure/storage-blob';
import { asOutage } from '../../pipelines/common/blob/container.ts';
import { type LeaseLock, type LockOptions, takeLeaseLock } from '../../pipelines/common/blob/lease-lock.ts';
import { isRefusal, PermissionMissing } from './blob-permission.ts';

export interface MigrationLockOptions extends Omit<LockOptions, 'name' | 'work'> {
  readonly prefix: string;
}

/**
 * @throws {LockTaken} another one held it for longer than we wait
 * @throws {Outage}
 * @throws {PermissionMissing} the login may not write the lock
 */
export async function takeMigrationLock(
  container: ContainerClient,
  { prefix, ...options }: MigrationLockOptions,
): Promise<LeaseLock> {
  try {
    return await takeLeaseLock(container, { ...options, name: `${prefix}migrate.lock`, work: 'migration' });
  } catch (error) {
    throw isRefusal(error) ? new PermissionMissing('lock', { container, cause: error }) : asOutage(error);
  }
}
