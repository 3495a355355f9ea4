/** Moves blobs to cheaper access tiers as they age. What was done is seen in the blobs: it may be stopped and begun again. */
import { RestError } from '@azure/storage-blob';
import { Outage } from '../../common/errors.ts';
import { blobFault } from '../blob-fault.ts';
import type { ArchivePlace } from '../listing.ts';
import { listTiered } from './list-tiered.ts';
import {
  dueTier,
  hasRules,
  TIERED_KINDS,
  type Tier,
  type TieredBlob,
  type TieredKind,
  type TierRules,
} from './tier-rules.ts';

/** Of blobs that the account would not move, so many are named. */
const MOST_NAMED = 10;

/** What a batch may hold: https://learn.microsoft.com/rest/api/storageservices/blob-batch */
const MOST_OF_BATCH = 256;

export interface Amount {
  readonly blobs: number;
  readonly bytes: number;
}

export interface TierCount extends Amount {
  readonly kind: TieredKind;
  /** Null where the account has no tiers. */
  readonly tier: Tier | null;
}

export interface Move extends Amount {
  readonly kind: TieredKind;
  readonly from: Tier;
  readonly to: Tier;
}

/** A blob that the account would not move, whatever is moved beside it. */
export interface Refusal {
  /** Without the configured prefix. */
  readonly path: string;
  /** The account's own, such as `LeaseIdMissing`; the status where it gave none. */
  readonly code: string;
}

export interface TierReport {
  /** Whether blobs were moved; else it is said what would be. */
  readonly isApplied: boolean;
  readonly moves: readonly Move[];
  /** Where blobs are now, after the moves. */
  readonly tiers: readonly TierCount[];
  /** On their way out of the archive tier. */
  readonly pending: Amount;
  /** They stay where they are, and are tried again the next time. */
  readonly refused: { readonly blobs: number; readonly first: readonly Refusal[] };
}

export interface MoveOptions extends ArchivePlace {
  readonly rules: Readonly<Record<TieredKind, TierRules>>;
  /** False: only says what would move. */
  readonly isApplied: boolean;
  /** Milliseconds. */
  readonly now: number;
  /** Repeats a request through an outage. */
  readonly retry: <T>(ask: () => Promise<T>) => Promise<T>;
}

/**
 * Holds one page of the listing and a batch for each tier. A blob that the account would not move holds up no other.
 * @throws {Outage}
 */
export async function moveTiers(options: MoveOptions): Promise<TierReport> {
  const { isApplied, now, rules } = options;
  const moves = new Amounts<Omit<Move, keyof Amount>>();
  const tiers = new Amounts<Omit<TierCount, keyof Amount>>();
  let pending: Amount = { blobs: 0, bytes: 0 };
  const refused = { blobs: 0, first: [] as Refusal[] };
  for (const kind of TIERED_KINDS) {
    const waiting = new Map<Tier, TieredBlob[]>();
    const send = async (to: Tier): Promise<void> => {
      const blobs = waiting.get(to) ?? [];
      waiting.delete(to);
      const failed = isApplied ? await setTiers(options, blobs, to) : new Map<string, string>();
      for (const { path, bytes, tier } of blobs) {
        const code = failed.get(path);
        if (tier === null || code === GONE) continue;
        if (code !== undefined) {
          refused.blobs += 1;
          if (refused.first.length < MOST_NAMED) refused.first.push({ path, code });
          tiers.add({ kind, tier }, bytes);
          continue;
        }
        moves.add({ kind, from: tier, to }, bytes);
        tiers.add({ kind, tier: isApplied ? to : tier }, bytes);
      }
    };
    for await (const blob of listTiered(options, kind)) {
      if (blob.isPending) pending = { blobs: pending.blobs + 1, bytes: pending.bytes + blob.bytes };
      const to = hasRules(rules[kind]) ? dueTier(rules[kind], blob, now) : null;
      if (to === null) {
        tiers.add({ kind, tier: blob.tier }, blob.bytes);
        continue;
      }
      waiting.set(to, [...(waiting.get(to) ?? []), blob]);
      if ((waiting.get(to)?.length ?? 0) >= MOST_OF_BATCH) await send(to);
    }
    for (const to of [...waiting.keys()]) await send(to);
  }
  return { isApplied, moves: moves.list(), tiers: tiers.list(), pending, refused };
}

/** It was removed meanwhile. */
const GONE = 'BlobNotFound';

/**
 * @returns of each blob that was not moved, by its path, the account's code
 * @throws {Outage} it was not the blob's fault: the account is busy, or this login may not move any
 */
async function setTiers(
  { container, prefix, retry }: MoveOptions,
  blobs: readonly TieredBlob[],
  tier: Tier,
): Promise<ReadonlyMap<string, string>> {
  const clients = blobs.map(({ path }) => container.getBlobClient(prefix + path));
  const { subResponses } = await retry(async () => {
    try {
      const answer = await container.getBlobBatchClient().setBlobsAccessTier(clients, tier);
      const isAnyMoved = answer.subResponses.some(({ status }) => status < 400);
      for (const { status, errorCode = '', statusMessage } of answer.subResponses) {
        if (status < 400 || errorCode === GONE) continue;
        const fault = blobFault(
          new RestError(`${errorCode} ${statusMessage}`, { code: errorCode, statusCode: status }),
        );
        // Where others of the batch were moved, it is this blob that may not be.
        const isItsOwn = isAnyMoved && (status === 401 || status === 403);
        if (fault instanceof Outage && !isItsOwn) throw fault;
      }
      return answer;
    } catch (error) {
      throw blobFault(error);
    }
  });
  return new Map(
    blobs.flatMap(({ path }, index) => {
      const { status = 0, errorCode } = subResponses[index] ?? {};
      return status >= 400 ? [[path, errorCode ?? String(status)] as const] : [];
    }),
  );
}

/** Sums by key, in the order in which keys came. */
class Amounts<Key extends object> {
  readonly #sums = new Map<string, Key & { blobs: number; bytes: number }>();

  add(key: Key, bytes: number): void {
    const name = JSON.stringify(key);
    const sum = this.#sums.get(name) ?? { ...key, blobs: 0, bytes: 0 };
    this.#sums.set(name, { ...sum, blobs: sum.blobs + 1, bytes: sum.bytes + bytes });
  }

  list(): (Key & Amount)[] {
    return [...this.#sums.values()];
  }
}
