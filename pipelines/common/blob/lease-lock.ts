/** One at a time across processes: a lease on a small blob, which the store itself takes back from whoever died. */
import { hostname } from 'node:os';
import type { BlobLeaseClient, BlockBlobClient, ContainerClient } from '@azure/storage-blob';
import type { Clock } from '../clock.ts';
import { Outage } from '../errors.ts';
import { asOutage, blobErrorCode } from './container.ts';

export interface LeaseLock {
  /**
   * Renews the lease. To be called before each thing that is done: a process that was frozen past the end of its lease
   * must not go on beside the one that took over.
   * @throws {LockLost}
   */
  assertHeld(): Promise<void>;
  release(): Promise<void>;
}

export class LockLost extends Error {
  override readonly name = 'LockLost';
}

export class LockTaken extends Error {
  override readonly name = 'LockTaken';
}

export interface LockOptions {
  /** Of the blob, with the configured prefix. */
  readonly name: string;
  /** What is done under it, for messages: "another … is under way". */
  readonly work: string;
  readonly clock: Clock;
  /** How long to wait for another one to end, in milliseconds. */
  readonly waitMs: number;
  /** Called once when there is somebody to wait for. */
  readonly onWait?: (holder: string) => void;
}

/** Seconds; Azure takes 15 to 60. Whoever crashed holds up the next one for this long at most. */
const LEASE_SECONDS = 30;
const RENEW_EVERY_MS = 10_000;
const ASK_EVERY_MS = 500;

/**
 * @throws {LockTaken} another one held it for longer than we wait
 * @throws {RestError} the store refuses, or cannot be asked: the caller knows what is wanted
 */
export async function takeLeaseLock(container: ContainerClient, options: LockOptions): Promise<LeaseLock> {
  const blob = container.getBlockBlobClient(options.name);
  await createIfMissing(blob);
  const lease = blob.getBlobLeaseClient();
  await acquire(blob, lease, options);
  await blob.setMetadata(holderMetadata(options.clock), { conditions: { leaseId: lease.leaseId } });
  return hold(lease, options);
}

async function createIfMissing(blob: BlockBlobClient): Promise<void> {
  try {
    await blob.upload('', 0, { conditions: { ifNoneMatch: '*' } });
  } catch (error) {
    const code = blobErrorCode(error);
    if (code !== 'BlobAlreadyExists' && code !== 'LeaseIdMissing') throw error;
  }
}

async function acquire(
  blob: BlockBlobClient,
  lease: BlobLeaseClient,
  { work, clock, waitMs, onWait }: LockOptions,
): Promise<void> {
  const until = clock.now() + waitMs;
  for (let isFirst = true; ; isFirst = false) {
    try {
      await lease.acquireLease(LEASE_SECONDS);
      return;
    } catch (error) {
      if (blobErrorCode(error) !== 'LeaseAlreadyPresent') throw error;
      if (clock.now() >= until) {
        throw new LockTaken(`another ${work} is under way: ${await holderOf(blob)}`, { cause: error });
      }
      if (isFirst) onWait?.(await holderOf(blob));
      await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
    }
  }
}

function hold(lease: BlobLeaseClient, { work }: LockOptions): LeaseLock {
  let lost: unknown = null;
  const renew = async () => {
    try {
      await lease.renewLease();
    } catch (error) {
      // An answer that never came proves nothing; one that says so does.
      const translated = asOutage(error);
      if (translated instanceof Outage) throw translated;
      lost = translated;
    }
  };
  const timer = setInterval(() => void renew().catch(() => {}), RENEW_EVERY_MS);
  timer.unref();
  return {
    async assertHeld() {
      await renew();
      if (lost !== null) {
        throw new LockLost(
          `another ${work} took over while this one stood still; run it again to see where it is`,
          { cause: lost },
        );
      }
    },
    async release() {
      clearInterval(timer);
      // Nobody waits for the lease of one that has ended for longer than it lasts.
      await lease.releaseLease().catch(() => {});
    },
  };
}

function holderMetadata(clock: Clock): Record<string, string> {
  return { holder: `${hostname()}-${process.pid}`, since: new Date(clock.now()).toISOString() };
}

async function holderOf(blob: BlockBlobClient): Promise<string> {
  const { metadata } = await blob.getProperties();
  return metadata?.holder === undefined ? 'just begun' : `${metadata.holder} since ${metadata.since}`;
}
