/** Azurite of this file's own, killed again and again under load. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectionString } from '../../../../deploy/local/blob/azurite.ts';
import { blobPart } from '../../../../deploy/local/blob/blob-part.ts';
import { takePort } from '../../../../deploy/local/stack/ports.ts';
import { Part } from '../../../../deploy/local/supervisor/part.ts';
import { createLogger } from '../../../../pipelines/common/logger.ts';

const WRITERS = 6;
const KILLS = 5;

let folder: string;
let part: Part;
let container: ContainerClient;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'blob-'));
  const account = { name: 'example', key: randomBytes(64).toString('base64') };
  const port = await takePort(undefined, new Set());
  const spec = blobPart({
    dataDir: join(folder, 'data'),
    logFile: join(folder, 'log'),
    port,
    account,
    container: 'tests',
  });
  part = new Part(spec, { logger: createLogger({ level: 'silent', format: 'json' }), restarts: false });
  const connection = connectionString(`http://127.0.0.1:${port}`, account);
  container = BlobServiceClient.fromConnectionString(connection, {
    retryOptions: { maxTries: 1 },
  }).getContainerClient('tests');
  await part.start();
});
afterAll(async () => {
  await part.stop();
  await rm(folder, { recursive: true });
});

async function read(name: string): Promise<string | null> {
  try {
    return (await container.getBlockBlobClient(name).downloadToBuffer()).toString();
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode === 404) return null;
    throw error;
  }
}

function write(name: string, text: string, conditions: object = {}) {
  return container.getBlockBlobClient(name).upload(text, text.length, { conditions });
}

describe('Azurite with its journal', () => {
  it(`keeps what it has acknowledged through ${KILLS} kills in mid-write`, async () => {
    const acknowledged = new Map<string, string>();
    /** A head that is replaced over and over: the value acknowledged last, and the one on its way. */
    const heads = Array.from({ length: WRITERS }, () => ({ acknowledged: 0, sent: 0 }));
    let cut = 0;
    for (let kill = 0; kill < KILLS; kill += 1) {
      let isKilled = false;
      const writer = async (number: number) => {
        const head = heads[number];
        if (head === undefined) return;
        while (!isKilled) {
          const name = `segment-${kill}-${number}-${acknowledged.size}`;
          try {
            await write(name, `content of ${name}`, { ifNoneMatch: '*' });
            acknowledged.set(name, `content of ${name}`);
            head.sent += 1;
            await write(`head-${number}`, String(head.sent));
            head.acknowledged = head.sent;
          } catch {
            cut += 1;
            return;
          }
        }
      };
      const writers = heads.map((_, number) => writer(number));
      await new Promise((resolve) => setTimeout(resolve, 150 + 200 * kill));
      await part.kill('SIGKILL');
      isKilled = true;
      await Promise.all(writers);
      await part.start();
      for (const [number, head] of heads.entries()) {
        const found = Number(await read(`head-${number}`));
        expect(found).toBeGreaterThanOrEqual(head.acknowledged);
        expect(found).toBeLessThanOrEqual(head.sent);
        head.acknowledged = head.sent = found;
      }
    }
    for (const [name, content] of acknowledged) expect([name, await read(name)]).toEqual([name, content]);
    expect(acknowledged.size).toBeGreaterThan(WRITERS);
    expect(cut).toBeGreaterThan(0);
  });

  it('knows after a kill which blobs are removed, and which etag counts', async () => {
    await write('removed', 'x');
    await container.getBlockBlobClient('removed').delete();
    await write('kept', '1');
    const { etag } = await write('kept', '2', { ifMatch: '*' });
    await container.getBlockBlobClient('kept').setMetadata({ count: '7' });
    await part.kill('SIGKILL');
    await part.start();
    expect(await read('removed')).toBeNull();
    await expect(write('kept', '3', { ifNoneMatch: '*' })).rejects.toMatchObject({ statusCode: 409 });
    await expect(write('kept', '3', { ifMatch: etag })).rejects.toMatchObject({ statusCode: 412 });
    const { metadata, etag: now } = await container.getBlockBlobClient('kept').getProperties();
    expect(metadata).toEqual({ count: '7' });
    await write('kept', '3', { ifMatch: now });
    expect(await read('kept')).toBe('3');
  });

  it('keeps blobs written in blocks', async () => {
    const big = randomBytes(3_000_000);
    const blob = container.getBlockBlobClient('blocks');
    await blob.uploadData(big, { blockSize: 500_000, maxSingleShotSize: 100_000, concurrency: 3 });
    await part.kill('SIGKILL');
    await part.start();
    expect((await blob.downloadToBuffer()).equals(big)).toBe(true);
  });
});
