/** What an error of the blob store means to the archive. */
import { asOutage, blobErrorCode } from '../common/blob/container.ts';
import { offlineBlob } from '../common/blob/offline.ts';
import { Outage } from '../common/errors.ts';

/** Codes of a container that is not there, or not any more. */
const NO_CONTAINER: ReadonlySet<string> = new Set([
  'ContainerNotFound',
  'ContainerBeingDeleted',
  'ContainerDisabled',
]);

/**
 * Translates what a call threw: a missing container too is waited for, since `migrate` makes it.
 * @param path of the blob that was read, without the configured prefix: one in the archive tier becomes an OfflineBlob
 */
export function blobFault(error: unknown, path?: string): unknown {
  if (NO_CONTAINER.has(blobErrorCode(error) ?? '')) {
    return new Outage('blob', 'the container does not exist: run `campaign-ledger migrate`', {
      cause: error,
    });
  }
  return (path === undefined ? null : offlineBlob(error, path)) ?? asOutage(error);
}
