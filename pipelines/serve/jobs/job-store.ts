/**
 * Jobs and their results as blobs below `reports/`. A job is replaced only by whoever holds its last version (If-Match), so
 * of two that claim, cancel or finish it at one time one wins and the other hears of it.
 */
import { hash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { ContainerClient } from '@azure/storage-blob';
import { blobFault } from '../../archive/blob-fault.ts';
import { listed } from '../../archive/listing.ts';
import { blobErrorCode } from '../../common/blob/container.ts';
import { Outage } from '../../common/errors.ts';
import { isJobId, type Job, type JobSummary, jobMetadata, jobSummary, tenantMark } from './job.ts';

export const REPORTS_FOLDER = 'reports/';
const JOBS = `${REPORTS_FOLDER}jobs/`;
const RESULTS = `${REPORTS_FOLDER}results/`;
const IDEMPOTENCY = `${REPORTS_FOLDER}idempotency/`;

export interface HeldJob {
  readonly job: Job;
  readonly etag: string;
}

/** Under one Idempotency-Key of one token. */
export interface Remembered {
  readonly id: string;
  /** Of the request's parameters. */
  readonly sha256: string;
  readonly createdAt: number;
}

export interface ResultStream {
  readonly body: Readable;
  readonly bytes: number;
}

export interface JobPage {
  readonly jobs: readonly Job[];
  /** What to ask for the next page with; null: there is none. */
  readonly next: string | null;
}

/** Every method throws an {Outage} where Blob cannot be asked. */
export class JobStore {
  readonly #container: ContainerClient;
  readonly #prefix: string;

  /** @param prefix `blob.prefix` of the configuration */
  constructor(container: ContainerClient, prefix: string) {
    this.#container = container;
    this.#prefix = prefix;
  }

  /** Null: there is none. */
  async read(id: string): Promise<HeldJob | null> {
    if (!isJobId(id)) return null;
    const found = await this.#text(jobPath(id));
    return found === null ? null : { job: JSON.parse(found.text) as Job, etag: found.etag };
  }

  /** @returns false when there is one of that id already */
  create(job: Job): Promise<boolean> {
    return this.#write(jobPath(job.id), JSON.stringify(job), {
      conditions: { ifNoneMatch: '*' },
      metadata: jobMetadata(job),
    }).then((etag) => etag !== null);
  }

  /**
   * An answer that was lost on the way is no failure: if what stands there is what was to be written, it was.
   * @returns null when somebody else has replaced or removed it
   */
  async replace({ etag: held }: HeldJob, job: Job): Promise<HeldJob | null> {
    const content = JSON.stringify(job);
    const conditions = { ifMatch: held };
    const etag = await this.#write(jobPath(job.id), content, { conditions, metadata: jobMetadata(job) });
    if (etag !== null) return { job, etag };
    const found = await this.read(job.id);
    return found !== null && JSON.stringify(found.job) === content ? found : null;
  }

  async remove(id: string): Promise<void> {
    await this.removeResults(id);
    await this.#remove(this.#prefix + jobPath(id));
  }

  /** Those that nobody came to know of too. @param attempt all of them when left out */
  async removeResults(id: string, attempt?: number): Promise<void> {
    const prefix = `${this.#prefix}${RESULTS}${id}/${attempt === undefined ? '' : `${attempt}-`}`;
    for await (const { name } of listed(this.#container.listBlobsFlat({ prefix }))) await this.#remove(name);
  }

  /** All jobs, whoever asked for them. */
  async *summaries(): AsyncGenerator<JobSummary> {
    const prefix = this.#prefix + JOBS;
    for await (const { name, metadata } of listed(
      this.#container.listBlobsFlat({ prefix, includeMetadata: true }),
    )) {
      const summary = jobSummary(idIn(name.slice(prefix.length)), metadata);
      if (summary !== null) yield summary;
    }
  }

  /**
   * The tenant's jobs, newest first.
   * @param after `next` of the page before; what is none begins anywhere, with the same tenant
   */
  async page(tenantId: string, { limit, after }: { limit: number; after: string | null }): Promise<JobPage> {
    const folder = this.#prefix + JOBS;
    const prefix = `${folder}${tenantMark(tenantId)}-`;
    const ids: string[] = [];
    // Names are asked for from the first on: the service's own marks say more than a caller should know.
    for await (const { name } of listed(this.#container.listBlobsFlat({ prefix }))) {
      const id = idIn(name.slice(folder.length));
      if (!isJobId(id) || (after !== null && id <= after)) continue;
      ids.push(id);
      if (ids.length > limit) break;
    }
    const found = await Promise.all(ids.slice(0, limit).map((id) => this.read(id)));
    return {
      // Another tenant's may have the same mark, one time in 2^64.
      jobs: found.flatMap((one) => (one !== null && one.job.tenantId === tenantId ? [one.job] : [])),
      next: ids.length > limit ? (ids[limit - 1] ?? null) : null,
    };
  }

  /** Null: it is gone. */
  async openResult(path: string, signal: AbortSignal): Promise<ResultStream | null> {
    try {
      const { readableStreamBody, contentLength } = await this.#container
        .getBlockBlobClient(this.#prefix + path)
        .download(0, undefined, { abortSignal: signal });
      if (readableStreamBody === undefined || contentLength === undefined)
        throw new Outage('blob', 'a result came without its body');
      return { body: readableStreamBody as Readable, bytes: contentLength };
    } catch (error) {
      if (blobErrorCode(error) === 'BlobNotFound') return null;
      throw blobFault(error);
    }
  }

  /** @returns what stands there, whoever was first */
  async remember(key: string, remembered: Remembered): Promise<Remembered> {
    const path = rememberedPath(key);
    const created = String(remembered.createdAt);
    const conditions = { ifNoneMatch: '*' };
    const etag = await this.#write(path, JSON.stringify(remembered), { conditions, metadata: { created } });
    if (etag !== null) return remembered;
    const found = await this.#text(path);
    return found === null ? this.remember(key, remembered) : (JSON.parse(found.text) as Remembered);
  }

  async forget(key: string): Promise<void> {
    await this.#remove(this.#prefix + rememberedPath(key));
  }

  /** Those of before. @param time milliseconds since the epoch */
  async forgetBefore(time: number): Promise<void> {
    const prefix = this.#prefix + IDEMPOTENCY;
    const blobs = this.#container.listBlobsFlat({ prefix, includeMetadata: true });
    for await (const { name, metadata } of listed(blobs))
      if (Number(metadata?.created ?? metadata?.Created) < time) await this.#remove(name);
  }

  async #text(path: string): Promise<{ text: string; etag: string } | null> {
    try {
      const blob = this.#container.getBlockBlobClient(this.#prefix + path);
      const { readableStreamBody, etag } = await blob.download();
      if (readableStreamBody === undefined || etag === undefined)
        throw new Outage('blob', `${path} came without body or ETag`);
      return { text: await text(readableStreamBody), etag };
    } catch (error) {
      if (blobErrorCode(error) === 'BlobNotFound') return null;
      throw blobFault(error);
    }
  }

  /** @returns null when the condition does not hold */
  async #write(
    path: string,
    content: string,
    options: {
      readonly conditions: { readonly ifMatch?: string; readonly ifNoneMatch?: string };
      readonly metadata: Record<string, string>;
    },
  ): Promise<string | null> {
    try {
      const blob = this.#container.getBlockBlobClient(this.#prefix + path);
      const { etag } = await blob.upload(content, Buffer.byteLength(content), {
        ...options,
        blobHTTPHeaders: { blobContentType: 'application/json' },
      });
      if (etag === undefined) throw new Outage('blob', `${path} was written, but its ETag did not come back`);
      return etag;
    } catch (error) {
      if (LOST.has(blobErrorCode(error) ?? '')) return null;
      throw blobFault(error);
    }
  }

  async #remove(name: string): Promise<void> {
    await this.#container
      .getBlockBlobClient(name)
      .deleteIfExists()
      .catch((error: unknown) => {
        throw blobFault(error);
      });
  }
}

const LOST: ReadonlySet<string> = new Set(['BlobAlreadyExists', 'ConditionNotMet', 'BlobNotFound']);

const jobPath = (id: string): string => `${JOBS}${id}.json`;
const rememberedPath = (key: string): string => `${IDEMPOTENCY}${hash('sha256', key)}.json`;

/** No two attempts write to one name, so that none has to ask what an earlier one has left. */
export const resultPath = ({ id, attempt }: Pick<Job, 'id' | 'attempt'>, nonce: string): string =>
  `${RESULTS}${id}/${attempt}-${nonce}`;

function idIn(file: string): string {
  return file.replace(/\.json$/, '');
}
