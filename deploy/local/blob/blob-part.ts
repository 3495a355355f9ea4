/** Azure Blob storage as a part of the local stack. */
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { BlobServiceClient } from '@azure/storage-blob';
import type { PartSpec } from '../supervisor/part.ts';
import { connectionString, type StorageAccount } from './azurite.ts';

export interface BlobPartOptions {
  readonly dataDir: string;
  readonly logFile: string;
  readonly port: number;
  readonly account: StorageAccount;
  /** Is made when it is missing. */
  readonly container: string;
}

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));

export function blobPart({ dataDir, logFile, port, account, container }: BlobPartOptions): PartSpec {
  return {
    name: 'blob',
    logFile,
    readyTimeoutMs: 60_000,
    stopTimeoutMs: 15_000,
    command: () => ({
      file: process.execPath,
      args: [MAIN, '--data', dataDir, '--port', String(port), '--exit-with-stdin'],
      env: { BLOB_ACCOUNT: `${account.name}:${account.key}` },
      endsWithStdin: true,
    }),
    probe: (signal) =>
      probeBlob(connectionString(`http://127.0.0.1:${port}`, account), { container, signal }),
  };
}

/** Ready means: a blob was written, read back and removed. */
async function probeBlob(
  connection: string,
  { container, signal: abortSignal }: { container: string; signal: AbortSignal },
): Promise<void> {
  const service = BlobServiceClient.fromConnectionString(connection, { retryOptions: { maxTries: 1 } });
  const client = service.getContainerClient(container);
  await client.createIfNotExists({ abortSignal });
  const content = randomUUID();
  const blob = client.getBlockBlobClient(`stack-probe/${content}`);
  await blob.upload(content, content.length, { abortSignal });
  const back = await blob.downloadToBuffer(0, undefined, { abortSignal });
  await blob.delete({ abortSignal });
  if (back.toString() !== content) throw new Error('what was written came back changed');
}
