/** The container: whether it is there, and making it. */
import {
  asOutage as asBlobOutage,
  blobErrorCode,
  type ContainerClient,
} from '../../pipelines/common/blob/container.ts';
import { isRefusal, PermissionMissing } from './blob-permission.ts';
import type { Change, Plan } from './plan.ts';

/** @throws {Outage} the account cannot be asked, or does not know who we are */
export async function planContainer(container: ContainerClient): Promise<Plan> {
  try {
    return { changes: (await isThere(container)) ? [] : [creationOf(container)], drift: [], faults: [] };
  } catch (error) {
    if (!isRefusal(error)) throw asBlobOutage(error);
    const { text } = new PermissionMissing('list', { container, cause: error });
    return { changes: [], drift: [], faults: [{ part: 'blob', text }] };
  }
}

/**
 * A container's own SAS may not ask for its properties, whatever its permissions (Create a service SAS, "Permissions for
 * a directory, container, or blob"): where that is refused, a listing answers the same question.
 */
async function isThere(container: ContainerClient): Promise<boolean> {
  try {
    return await container.exists();
  } catch (error) {
    if (!isRefusal(error)) throw error;
  }
  try {
    await container.listBlobsFlat().byPage({ maxPageSize: 1 }).next();
    return true;
  } catch (error) {
    if (blobErrorCode(error) === 'ContainerNotFound') return false;
    throw error;
  }
}

function creationOf(container: ContainerClient): Change {
  const apply = async () => {
    try {
      await container.createIfNotExists();
    } catch (error) {
      throw isRefusal(error)
        ? new PermissionMissing('create', { container, cause: error })
        : asBlobOutage(error);
    }
  };
  return { part: 'blob', verb: 'create', target: `container ${container.containerName}`, apply };
}
