/** The client for the container that holds the archive, logged in the one way that the configuration names. */
import {
  DefaultAzureCredential,
  ManagedIdentityCredential,
  type TokenCredential,
  WorkloadIdentityCredential,
} from '@azure/identity';
import { BlobServiceClient, type ContainerClient, type StoragePipelineOptions } from '@azure/storage-blob';
import type { Config } from '../../../config/schema.ts';
import { UsageError } from '../errors.ts';

export type { ContainerClient } from '@azure/storage-blob';
export { asOutage, blobErrorCode } from './errors.ts';

type BlobConfig = Config['blob'];

/** Does not connect: the first request does. */
export function createContainer({ blob }: Pick<Config, 'blob'>): ContainerClient {
  const options: StoragePipelineOptions = {
    // One try: our own retry is above this one, and a second try down here would answer 412 to a replacement whose
    // first try won and lost only its answer.
    retryOptions: { maxTries: 1, tryTimeoutInMs: blob.requestTimeoutMs },
    userAgentOptions: { userAgentPrefix: 'campaign-ledger' },
  };
  return createService(blob, options).getContainerClient(blob.container);
}

function createService(blob: BlobConfig, options: StoragePipelineOptions): BlobServiceClient {
  if (blob.connectionString !== null) {
    try {
      return BlobServiceClient.fromConnectionString(blob.connectionString, options);
    } catch {
      // The SDK's message may quote the string, and so the key.
      throw new UsageError('blob.connectionString: is not a connection string of Azure Storage');
    }
  }
  if (blob.accountUrl === null) throw new UsageError('blob: no account is configured');
  if (blob.sasToken !== null) {
    return new BlobServiceClient(
      `${blob.accountUrl}?${blob.sasToken.replace(/^\?/, '')}`,
      undefined,
      options,
    );
  }
  if (blob.identity === null) throw new UsageError('blob: no way to log in is configured');
  return new BlobServiceClient(
    blob.accountUrl,
    createCredential(blob.identity, blob.identityClientId),
    options,
  );
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
