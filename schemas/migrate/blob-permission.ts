/** A refusal of the blob store as what it is: a permission that is missing, which no waiting brings. */
import { RestError } from '@azure/storage-blob';
import type { ContainerClient } from '../../pipelines/common/blob/container.ts';

/** What the login is not allowed, in words that follow "may not". */
const DENIED = {
  list: 'list the blobs of container',
  create: 'create container',
  lock: "write the migration's lock into container",
} as const;

/** The permission, and where it comes from. */
const REMEDY = {
  list: 'give the SAS the permission l (sp=rcwl is all that it takes), or the identity the role Storage Blob Data Contributor on the container',
  create:
    'create the container and run this again, or log in for once with what may: the account key, or the role Storage Blob Data Contributor on the account; a SAS of the container alone never may',
  lock: 'give the SAS the permissions r, c and w (sp=rcwl is all that it takes), or the identity the role Storage Blob Data Contributor on the container',
} as const;

export class PermissionMissing extends Error {
  override readonly name = 'PermissionMissing';
  /** The message without the service's name, for where that stands already. */
  readonly text: string;
  constructor(
    what: keyof typeof DENIED,
    { container, cause }: { container: Pick<ContainerClient, 'containerName'>; cause: RestError },
  ) {
    const code = cause.code ?? cause.statusCode;
    const text = `this login may not ${DENIED[what]} ${container.containerName} (${code}): ${REMEDY[what]}`;
    super(`blob: ${text}`, { cause });
    this.text = text;
  }
}

/** Codes of a login that is not known at all: wrong, expired or not yet valid. */
const UNKNOWN_LOGIN: ReadonlySet<string> = new Set([
  'AuthenticationFailed',
  'InvalidAuthenticationInfo',
  'NoAuthenticationInformation',
]);

/** Whether we are known, but not allowed this. */
export function isRefusal(error: unknown): error is RestError {
  return (
    error instanceof RestError &&
    (error.statusCode === 401 || error.statusCode === 403) &&
    !UNKNOWN_LOGIN.has(error.code ?? '')
  );
}
