/** Sees to it that no segment is ever replaced: by what the store answers, and by what it lists. */
import { BlobServiceClient } from '@azure/storage-blob';
import type { Config } from '../../config/schema.ts';
import type { CuttingProxy } from '../helpers/cutting-proxy.ts';
import type { Finding } from '../helpers/findings.ts';

const CREATED = 201;
const FOLDERS = ['raw', 'undecodable'] as const;

export class OverwriteWatch {
  readonly #config: Pick<Config, 'blob'>;
  readonly #created = new Set<string>();
  readonly #etags = new Map<string, string>();
  readonly #findings: Finding[] = [];

  constructor(config: Pick<Config, 'blob'>, proxy: CuttingProxy) {
    this.#config = config;
    proxy.onAnswer = ({ method, url = '' }, status) => {
      const { pathname, searchParams } = new URL(url, 'http://store');
      // A part of a blob is not the blob yet.
      if (method !== 'PUT' || status !== CREATED || searchParams.get('comp') === 'block') return;
      if (!FOLDERS.some((folder) => pathname.includes(`/${config.blob.prefix}${folder}/`))) return;
      if (this.#created.has(pathname)) this.#find(`${pathname} was created twice`);
      this.#created.add(pathname);
    };
  }

  get findings(): readonly Finding[] {
    return this.#findings;
  }

  /** Compares with the look before. */
  async look(): Promise<void> {
    const { connectionString, container, prefix } = this.#config.blob;
    const client = BlobServiceClient.fromConnectionString(connectionString ?? '').getContainerClient(
      container,
    );
    const listed = new Map<string, string>();
    for (const folder of FOLDERS) {
      for await (const { name, properties } of client.listBlobsFlat({ prefix: `${prefix}${folder}/` }))
        listed.set(name, `${properties.etag} ${properties.createdOn?.toISOString()}`);
    }
    for (const [name, etag] of this.#etags) {
      if (!listed.has(name)) this.#find(`${name} is gone`);
      else if (listed.get(name) !== etag) this.#find(`${name} was replaced`);
    }
    for (const [name, etag] of listed) this.#etags.set(name, etag);
  }

  #find(text: string): void {
    this.#findings.push({ kind: 'broken', text: `segments: ${text}` });
  }
}
