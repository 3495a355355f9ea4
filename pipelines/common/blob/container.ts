/** The client for the container that holds the archive, logged in the one way that the configuration names. */
import {
  DefaultAzureCredential,
  ManagedIdentityCredential,
  type TokenCredential,
  WorkloadIdentityCredential,
} from '@azure/identity';
import { BlobServiceClient, type ContainerClient, newPipeline } from '@azure/storage-blob';
import type { Config } from '../../../config/schema.ts';
import { UsageError } from '../errors.ts';
import { requestTimeout } from './request-timeout.ts';

export type { ContainerClient } from '@azure/storage-blob';
export { asOutage, blobErrorCode } from './errors.ts';

type BlobConfig = Config['blob'];

/**
 * Does not connect: the first request does.
 * @param maxTries for those who only read
 * @throws {UsageError} the connection string is none, or the environment lacks what the identity needs
 */
export function createContainer(
  { blob }: Pick<Config, 'blob'>,
  { maxTries = 1 }: { readonly maxTries?: number } = {},
): ContainerClient {
  const { url, credential } = accountOf(blob);
  const pipeline = newPipeline(credential, {
    // One try: our own retry is above this one, and a second try down here would answer 412 to a replacement whose
    // first try won and lost only its answer.
    retryOptions: { maxTries, tryTimeoutInMs: blob.requestTimeoutMs },
    userAgentOptions: { userAgentPrefix: 'campaign-ledger' },
  });
  pipeline.factories.push(requestTimeout(blob.requestTimeoutMs));
  return new BlobServiceClient(url, pipeline).getContainerClient(blob.container);
}

type Account = Pick<BlobServiceClient, 'url' | 'credential'>;

function accountOf(blob: BlobConfig): Account {
  if (blob.connectionString !== null) {
    try {
      return BlobServiceClient.fromConnectionString(blob.connectionString);
    } catch {
      // The SDK's message may quote the string, and so the key.
      throw new UsageError('blob.connectionString: is not a connection string of Azure Storage');
    }
  }
  if (blob.accountUrl === null) throw new UsageError('blob: no account is configured');
  if (blob.sasToken !== null) {
    return new BlobServiceClient(`${blob.accountUrl}?${blob.sasToken.replace(/^\?/, '')}`);
  }
  if (blob.identity === null) throw new UsageError('blob: no way to log in is configured');
  try {
    return new BlobServiceClient(blob.accountUrl, createCredential(blob.identity, blob.identityClientId));
  } catch (error) {
    const [reason] = (error as Error).message.split('\n');
    throw new UsageError(`blob.identity: ${blob.identity} is not possible here: ${reason}`, { cause: error });
  }
}

function createCredential(
  identity: NonNullable<BlobConfig['identity']>,
  clientId: string | null,
): TokenCredential {
  switch (identity) {
    case 'managed':
      return clientId === null
        ? new ManagedIdentityCredential()
        : new ManagedIdentityCredential({ clientId });
    case 'workload':
      return new WorkloadIdentityCredential(clientId === null ? {} : { clientId });
    case 'default':
      return new DefaultAzureCredential(
        clientId === null ? {} : { managedIdentityClientId: clientId, workloadIdentityClientId: clientId },
      );
  }
}
