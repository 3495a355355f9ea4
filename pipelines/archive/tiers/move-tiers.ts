/** Moves blobs to cheaper access tiers as they age. What was done is seen in the blobs: it may be stopped and begun again. */
import { RestError } from '@azure/storage-blob';
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

export interface TierReport {
  /** Whether blobs were moved; else it is said what would be. */
  readonly isApplied: boolean;
  readonly moves: readonly Move[];
  /** Where blobs are now, after the moves. */
  readonly tiers: readonly TierCount[];
  /** On their way out of the archive tier. */
  readonly pending: Amount;
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
 * Holds one page of the listing and a batch for each tier.
 * @throws {Outage}
 */
export async function moveTiers(options: MoveOptions): Promise<TierReport> {
  const { isApplied, now, rules } = options;
  const moves = new Amounts<Omit<Move, keyof Amount>>();
  const tiers = new Amounts<Omit<TierCount, keyof Amount>>();
  let pending: Amount = { blobs: 0, bytes: 0 };
  for (const kind of TIERED_KINDS) {
    const waiting = new Map<Tier, TieredBlob[]>();
    const send = async (to: Tier): Promise<void> => {
      const blobs = waiting.get(to) ?? [];
      waiting.delete(to);
      const gone = isApplied ? await setTiers(options, blobs, to) : new Set<string>();
      for (const { path, bytes, tier } of blobs) {
        if (tier === null || gone.has(path)) continue;
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
  return { isApplied, moves: moves.list(), tiers: tiers.list(), pending };
}

/** @returns paths of blobs that were removed meanwhile @throws {Outage} */
async function setTiers(
  { container, prefix, retry }: MoveOptions,
  blobs: readonly TieredBlob[],
  tier: Tier,
): Promise<ReadonlySet<string>> {
  const clients = blobs.map(({ path }) => container.getBlobClient(prefix + path));
  const { subResponses } = await retry(async () => {
    try {
      const answer = await container.getBlobBatchClient().setBlobsAccessTier(clients, tier);
      const failed = answer.subResponses.find((one) => one.status >= 400 && one.errorCode !== 'BlobNotFound');
      if (failed === undefined) return answer;
      const { status, errorCode = '', statusMessage } = failed;
      throw new RestError(`${errorCode} ${statusMessage}`, { code: errorCode, statusCode: status });
    } catch (error) {
      throw blobFault(error);
    }
  });
  return new Set(
    blobs.flatMap(({ path }, index) => ((subResponses[index]?.status ?? 0) >= 400 ? [path] : [])),
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
