/** What can be seen with the registry alone, the part that starts in no time. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../../../../config/load.ts';
import { isPortFree, takePort } from '../../../../deploy/local/stack/ports.ts';
import { ownerOf } from '../../../../deploy/local/stack/stack-lock.ts';
import { stackStatus } from '../../../../deploy/local/stack/stack-status.ts';
import { type RunningStack, startStack } from '../../../../deploy/local/stack/start-stack.ts';

let dataDir: string;
let stack: RunningStack | undefined;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'stack-'));
});
afterEach(async () => {
  await stack?.stop();
  stack = undefined;
  await rm(dataDir, { recursive: true });
});

const start = () => startStack({ dataDir, parts: ['registry'] });

async function occupy(port: number): Promise<AsyncDisposable> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return { [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())) };
}

describe('startStack', () => {
  it('keeps its addresses from run to run', async () => {
    stack = await start();
    const { addresses } = stack;
    await stack.stop();
    stack = await start();
    expect(stack.addresses).toEqual(addresses);
  });

  it('moves to another port when its own is taken, and says so in config.yaml', async () => {
    stack = await start();
    const { schemaRegistry } = stack.addresses;
    await stack.stop();
    await using _other = await occupy(Number(new URL(schemaRegistry).port));
    stack = await start();
    expect(stack.addresses.schemaRegistry).not.toBe(schemaRegistry);
    const config = await loadConfig({ file: stack.configFile, env: {} });
    expect(config.schemaRegistry.url).toBe(stack.addresses.schemaRegistry);
    expect(await (await fetch(`${config.schemaRegistry.url}/subjects`)).json()).toEqual([]);
  });

  it('makes up a key for each directory, and shows it nowhere but where it must', async () => {
    stack = await start();
    const key = /AccountKey=([^;]+)/.exec(stack.addresses.blob)?.[1] ?? 'none';
    expect(Buffer.from(key, 'base64')).toHaveLength(64);
    expect(JSON.stringify(await stackStatus(dataDir))).not.toContain(key);
    const other = await mkdtemp(join(tmpdir(), 'stack-'));
    const second = await startStack({ dataDir: other, parts: ['registry'] });
    expect(second.addresses.blob).not.toContain(key);
    await second.stop();
    await rm(other, { recursive: true });
  });

  it('leaves nothing running and nothing locked when a part does not start', async () => {
    stack = await start();
    await stack.stop();
    await rm(join(dataDir, 'registry'), { recursive: true });
    // A file where the registry's folder should be.
    await writeFile(join(dataDir, 'registry'), '');
    await expect(start()).rejects.toThrow(/registry did not start: it ended with exit code 1\n[\s\S]*EEXIST/);
    expect(ownerOf(dataDir)).toBeNull();
    expect(JSON.parse(await readFile(join(dataDir, 'state.json'), 'utf8'))).toMatchObject({ processes: {} });
    stack = undefined;
  });
});

describe('takePort', () => {
  it('takes no port twice, nor one that is in use, nor one that systems lend to outgoing connections', async () => {
    const taken = new Set<number>();
    const ports = await Promise.all(Array.from({ length: 50 }, () => takePort(undefined, taken)));
    expect(new Set(ports).size).toBe(50);
    expect(Math.max(...ports)).toBeLessThan(32_768);
    const [port = 0] = ports;
    await using _other = await occupy(port);
    expect(await isPortFree(port)).toBe(false);
    expect(await takePort(port, new Set())).not.toBe(port);
  });
});
