/**
 * The same rules as a lifecycle management policy of the account, which then moves blobs by itself:
 * https://learn.microsoft.com/azure/storage/blobs/lifecycle-management-policy-structure
 */
import type { Config } from '../../../config/schema.ts';
import { hasRules, STAYS_DAYS, TIERED_FOLDERS, TIERED_KINDS, type TierRules } from './tier-rules.ts';

interface Condition {
  readonly daysAfterModificationGreaterThan: number;
  readonly daysAfterLastTierChangeGreaterThan?: number;
}

interface PolicyRule {
  readonly name: string;
  readonly enabled: true;
  readonly type: 'Lifecycle';
  readonly definition: {
    readonly filters: { readonly blobTypes: readonly string[]; readonly prefixMatch: readonly string[] };
    readonly actions: { readonly baseBlob: Readonly<Record<string, Condition>> };
  };
}

export interface LifecyclePolicy {
  readonly rules: readonly PolicyRule[];
}

/**
 * Without an archive rule for `tracking/`: a policy tells blobs apart by the beginnings of their names alone, and would
 * take the lists offline that every report begins with.
 */
export function lifecyclePolicy({
  blob: { container, prefix },
  accessTiers,
}: Pick<Config, 'blob' | 'accessTiers'>): LifecyclePolicy {
  const rules = TIERED_KINDS.flatMap((kind): PolicyRule[] => {
    const own = kind === 'raw' ? accessTiers.raw : { ...accessTiers.tracking, archiveAfterDays: null };
    if (!hasRules(own)) return [];
    return [
      {
        name: `campaign-ledger-${kind}`,
        enabled: true,
        type: 'Lifecycle',
        definition: {
          filters: {
            blobTypes: ['blockBlob'],
            prefixMatch: TIERED_FOLDERS[kind].map((folder) => `${container}/${prefix}${folder}`),
          },
          actions: { baseBlob: actionsOf(own) },
        },
      },
    ];
  });
  return { rules };
}

function actionsOf({ coolAfterDays, coldAfterDays, archiveAfterDays }: TierRules): Record<string, Condition> {
  const after = (days: number) => ({ daysAfterModificationGreaterThan: days });
  return {
    ...(coolAfterDays === null ? {} : { tierToCool: after(coolAfterDays) }),
    ...(coldAfterDays === null ? {} : { tierToCold: after(coldAfterDays) }),
    ...(archiveAfterDays === null
      ? {}
      : // What was brought back stays for a while.
        { tierToArchive: { ...after(archiveAfterDays), daysAfterLastTierChangeGreaterThan: STAYS_DAYS } }),
  };
}
