/** Which access tier a blob should be in, by its age. */
import type { Config } from '../../../config/schema.ts';

/** From the dearest to keep to the dearest to read. What is in Archive is offline. */
export const TIERS = ['Hot', 'Cool', 'Cold', 'Archive'] as const;
export type Tier = (typeof TIERS)[number];

/** `raw`: segments. `tracking`: the Parquet files of the cold tier. */
export type TieredKind = keyof Config['accessTiers'];
export const TIERED_KINDS: readonly TieredKind[] = ['raw', 'tracking'];

export type TierRules = Config['accessTiers'][TieredKind];

/** Folders of each, without the configured prefix. */
export const TIERED_FOLDERS: Readonly<Record<TieredKind, readonly string[]>> = {
  raw: ['raw/', 'undecodable/'],
  tracking: ['tracking/events/', 'tracking/profile_changes/', 'tracking/campaigns/'],
};

/**
 * Days that a blob stays in the tier it was moved to. What somebody had brought back from the archive tier would
 * otherwise be gone again before it was read: its age is what it was.
 */
export const STAYS_DAYS = 7;
const DAY_MS = 86_400_000;

export interface TieredBlob {
  /** Without the configured prefix. */
  readonly path: string;
  readonly bytes: number;
  /** Milliseconds. */
  readonly writtenAt: number;
  /** Null where the account has no tiers, or one that we do not know. */
  readonly tier: Tier | null;
  /** Milliseconds; null when it never changed. */
  readonly tierChangedAt: number | null;
  /** On its way out of the archive tier. */
  readonly isPending: boolean;
}

/** What moves: blobs that are read whole and never written again. Lists beside the Parquet files are read each time. */
export function isTiered(kind: TieredKind, path: string): boolean {
  return path.endsWith(kind === 'raw' ? '.avro' : '.parquet');
}

/**
 * The tier that a blob is to be moved to: only ever a cheaper one.
 * @param now milliseconds
 * @returns null where it stays
 */
export function dueTier(rules: TierRules, blob: TieredBlob, now: number): Tier | null {
  const { tier, writtenAt, tierChangedAt, isPending } = blob;
  if (tier === null || isPending) return null;
  if (tierChangedAt !== null && tierChangedAt > writtenAt && now - tierChangedAt < STAYS_DAYS * DAY_MS)
    return null;
  const isPast = (days: number | null) => days !== null && now - writtenAt >= days * DAY_MS;
  const due = isPast(rules.archiveAfterDays)
    ? 'Archive'
    : isPast(rules.coldAfterDays)
      ? 'Cold'
      : isPast(rules.coolAfterDays)
        ? 'Cool'
        : 'Hot';
  return TIERS.indexOf(due) > TIERS.indexOf(tier) ? due : null;
}

export function hasRules({ coolAfterDays, coldAfterDays, archiveAfterDays }: TierRules): boolean {
  return coolAfterDays !== null || coldAfterDays !== null || archiveAfterDays !== null;
}
