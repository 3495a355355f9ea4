/** Brings blobs back from the archive tier: the account is asked once, and hours later they can be read. */
import type { BlobClient } from '@azure/storage-blob';
import { blobErrorCode } from '../../common/blob/container.ts';
import { blobFault } from '../blob-fault.ts';
import { eachAtMost } from '../each-at-most.ts';
import type { ArchivePlace } from '../listing.ts';
import { tierOf } from './list-tiered.ts';
import type { Amount } from './move-tiers.ts';
import type { Tier } from './tier-rules.ts';

const REQUESTS_AT_ONCE = 16;

/** What the account says of each: https://learn.microsoft.com/azure/storage/blobs/archive-rehydrate-overview */
export const REHYDRATION = {
  standard: { header: 'Standard', hours: 15, takes: 'up to 15 hours' },
  high: { header: 'High', hours: 1, takes: 'mostly less than an hour for blobs below 10 GB' },
} as const;

export type Priority = keyof typeof REHYDRATION;

export interface RehydrateOptions {
  readonly priority: Priority;
  /** Where they are to be afterwards. */
  readonly tier: Exclude<Tier, 'Archive'>;
}

export interface Rehydration {
  /** Asked for now. */
  readonly started: Amount;
  /** Asked for before, and still on their way. */
  readonly pending: Amount;
  /** To be read at once. */
  readonly online: Amount;
  /** There are no such blobs. */
  readonly missing: readonly string[];
}

/**
 * Starts it for all of them; those that are on their way or back already are left alone, but that a high priority
 * hastens what was asked for with the standard one. May be called again at any time.
 * @param paths without the configured prefix
 * @throws {Outage}
 */
export async function startRehydration(
  { container, prefix }: ArchivePlace,
  paths: Iterable<string>,
  { priority, tier }: RehydrateOptions,
): Promise<Rehydration> {
  const sums = { started: NOTHING, pending: NOTHING, online: NOTHING };
  const missing: string[] = [];
  await eachAtMost(REQUESTS_AT_ONCE, paths, async (path) => {
    const blob = container.getBlobClient(prefix + path);
    const state = await stateOf(blob);
    if (state === null) {
      missing.push(path);
      return;
    }
    const isHastened = state.is === 'pending' && priority === 'high' && !state.isHigh;
    if (state.is === 'offline' || isHastened) await ask(blob, { priority, tier });
    const kind = state.is === 'offline' ? 'started' : state.is;
    sums[kind] = { blobs: sums[kind].blobs + 1, bytes: sums[kind].bytes + state.bytes };
  });
  return { ...sums, missing: missing.sort() };
}

/**
 * Those among the blobs that cannot be read now, whether they are on their way back or not.
 * @param paths without the configured prefix; those of which there is no blob are left out
 * @throws {Outage}
 */
export async function offlineAmong(
  { container, prefix }: ArchivePlace,
  paths: Iterable<string>,
): Promise<string[]> {
  const offline: string[] = [];
  await eachAtMost(REQUESTS_AT_ONCE, paths, async (path) => {
    const state = await stateOf(container.getBlobClient(prefix + path));
    if (state !== null && state.is !== 'online') offline.push(path);
  });
  return offline.sort();
}

const NOTHING: Amount = { blobs: 0, bytes: 0 };

interface State {
  readonly is: 'online' | 'offline' | 'pending';
  readonly bytes: number;
  readonly isHigh: boolean;
}

/** Null when there is no such blob. */
async function stateOf(blob: BlobClient): Promise<State | null> {
  try {
    const { accessTier, archiveStatus, rehydratePriority, contentLength = 0 } = await blob.getProperties();
    const isOffline = tierOf(accessTier) === 'Archive';
    return {
      is: !isOffline ? 'online' : archiveStatus === undefined ? 'offline' : 'pending',
      bytes: contentLength,
      isHigh: rehydratePriority === 'High',
    };
  } catch (error) {
    if (blobErrorCode(error) === 'BlobNotFound' || isNotFound(error)) return null;
    throw blobFault(error);
  }
}

/** An answer without a body, as to HEAD, carries its code in a header that not everyone sends. */
function isNotFound(error: unknown): boolean {
  const { statusCode, code } = error as { statusCode?: unknown; code?: unknown };
  return statusCode === 404 && (code === undefined || code === 'BlobNotFound');
}

async function ask(blob: BlobClient, { priority, tier }: RehydrateOptions): Promise<void> {
  try {
    await blob.setAccessTier(tier, { rehydratePriority: REHYDRATION[priority].header });
  } catch (error) {
    // Somebody else has asked meanwhile.
    if (blobErrorCode(error) === 'BlobBeingRehydrated') return;
    throw blobFault(error);
  }
}
