/** The ground of many trials: one local stack whose parts can be killed, with proxies before them that fail on demand. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { PartName } from '../../deploy/local/stack/stack-state.ts';
import { type RunningStack, startStack } from '../../deploy/local/stack/start-stack.ts';
import type { Part } from '../../deploy/local/supervisor/part.ts';
import { type CuttingProxy, startCuttingProxy } from '../helpers/cutting-proxy.ts';
import type { Overrides } from '../helpers/ledger-harness.ts';
import { type SmallDisk, tryMount } from './small-disk.ts';

export const SERVICES = ['clickhouse', 'blob', 'registry'] as const;
export type Service = (typeof SERVICES)[number];

/** Milliseconds. Short, so that a take-over takes seconds; also what the pipelines are configured with. */
export const SESSION_TIMEOUT_MS = 2_500;

export class Arena implements AsyncDisposable {
  readonly stack: RunningStack;
  readonly proxies: Readonly<Record<Service, CuttingProxy>>;
  /** Null where no small file system can be mounted. */
  readonly disks: Readonly<Record<'clickhouse' | 'blob', SmallDisk | null>>;

  private constructor({ stack, proxies, disks }: Pick<Arena, 'stack' | 'proxies' | 'disks'>) {
    this.stack = stack;
    this.proxies = proxies;
    this.disks = disks;
  }

  static async open(dataDir: string): Promise<Arena> {
    await mkdir(dataDir, { recursive: true });
    const disks = {
      clickhouse: await tryMount(join(dataDir, 'clickhouse'), { mebibytes: 1_024 }),
      blob: await tryMount(join(dataDir, 'blob'), { mebibytes: 512 }),
    };
    const stack = await startStack({
      dataDir,
      restarts: false,
      kafkaProperties: {
        'group.consumer.session.timeout.ms': SESSION_TIMEOUT_MS,
        'group.consumer.heartbeat.interval.ms': 300,
        'transaction.abort.timed.out.transaction.cleanup.interval.ms': 1_000,
      },
    });
    const { clickhouse, schemaRegistry, blob } = stack.addresses;
    return new Arena({
      stack,
      disks,
      proxies: {
        clickhouse: await startCuttingProxy(clickhouse),
        registry: await startCuttingProxy(schemaRegistry),
        blob: await startCuttingProxy(blobEndpoint(blob).origin),
      },
    });
  }

  part(name: PartName): Part {
    return this.stack.part(name);
  }

  /** Sends a pipeline through the proxies, with patience for a second or two. */
  get proxied(): Overrides {
    const { clickhouse, registry, blob } = this.proxies;
    const direct = blobEndpoint(this.stack.addresses.blob).origin;
    return {
      clickhouse: { url: clickhouse.url, requestTimeoutMs: 2_500 },
      schemaRegistry: { url: registry.url, timeoutMs: 1_000 },
      blob: {
        connectionString: this.stack.addresses.blob.replace(direct, blob.url),
        requestTimeoutMs: 2_500,
      },
    };
  }

  /** Kill -9 of a part at this very instant; resolves when it is gone. */
  async kill(name: PartName): Promise<void> {
    await this.part(name).kill('SIGKILL');
  }

  /** Whatever a fault that failed has left behind: proxies that cut, parts that are down. */
  async restore(): Promise<void> {
    for (const proxy of Object.values(this.proxies)) {
      proxy.fate = () => 'pass';
      proxy.onUnderWay = () => {};
    }
    for (const disk of Object.values(this.disks)) await disk?.empty();
    for (const name of ['registry', 'blob', 'clickhouse', 'kafka'] as const)
      if (this.part(name).state !== 'ready') await this.part(name).start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const proxy of Object.values(this.proxies)) await proxy.close();
    await this.stack.stop();
    for (const disk of Object.values(this.disks)) await disk?.unmount();
  }

  /** The disks live in memory: what is to be kept must be copied. */
  async keep(): Promise<void> {
    for (const proxy of Object.values(this.proxies)) await proxy.close();
    await this.stack.stop();
    for (const disk of Object.values(this.disks)) await disk?.keep();
  }
}

function blobEndpoint(connectionString: string): URL {
  const endpoint = /BlobEndpoint=([^;]+)/.exec(connectionString)?.[1];
  if (endpoint === undefined) throw new Error('the connection string of the local stack names no endpoint');
  return new URL(endpoint);
}
