/** Profile changes as they come, and the tables of profiles in memory: what a merge keeps, and what readers see. */
import fc from 'fast-check';
import { type FoldedVersion, profileText } from '../../pipelines/profiles/fold/fold-profile.ts';
import type { StoredChange } from '../../pipelines/profiles/histories.ts';

export const TOPIC_ID = '0'.repeat(32);

/** As the tables compute it: greater is recorded earlier. */
export function precedenceOf({ recordedAt, partition, offset }: Omit<StoredChange, 'precedence'>): bigint {
  return (1n << 128n) - ((BigInt(recordedAt) << 85n) + (BigInt(partition) << 48n) + BigInt(offset)) - 1n;
}

/** Few ids and instants, so that copies, ties and late changes are the rule. */
export const someChanges = fc
  .array(
    fc.record({
      changeId: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      op: fc.constantFrom('SNAPSHOT' as const, 'PATCH' as const, 'PATCH' as const, 'DELETE' as const),
      changedAt: fc.integer({ min: 1, max: 6 }),
      sourceVersion: fc.option(fc.bigInt({ min: 0n, max: 2n })),
      attributes: fc.constantFrom('{"x":1}', '{"x":null}', '{"y":{"z":2}}', '{"y":{"z":null,"w":3}}', '{}'),
      recordedAt: fc.integer({ min: 1, max: 4 }),
      partition: fc.integer({ min: 0, max: 1 }),
    }),
    { minLength: 1, maxLength: 14 },
  )
  .map((drafts) =>
    drafts.map((draft, offset): StoredChange => {
      const attributes = draft.op === 'DELETE' ? null : draft.attributes;
      const change = { ...draft, attributes, topicId: TOPIC_ID, offset, bytes: 0 };
      return { ...change, precedence: precedenceOf(change) };
    }),
  );

export interface VersionRow {
  readonly fold: bigint;
  readonly version: FoldedVersion | null;
}

/** ReplacingMergeTree(fold, withdrawn) by valid_from, and profile_changes by changed_at and change_id. */
export class ProfileTables {
  readonly versions = new Map<number, VersionRow>();
  readonly #changes = new Map<string, StoredChange>();

  store(change: StoredChange): void {
    const key = `${change.changedAt}/${change.changeId}`;
    const known = this.#changes.get(key);
    if (known === undefined || change.precedence > known.precedence) this.#changes.set(key, change);
  }

  delete(isGone: (change: StoredChange) => boolean): void {
    for (const [key, change] of this.#changes) if (isGone(change)) this.#changes.delete(key);
  }

  history(): StoredChange[] {
    return [...this.#changes.values()];
  }

  write(validFrom: number, row: VersionRow): void {
    const known = this.versions.get(validFrom);
    if (known === undefined || row.fold >= known.fold) this.versions.set(validFrom, row);
  }

  /** As readers see it. */
  visible() {
    return [...this.versions.values()]
      .flatMap(({ version }) => (version === null ? [] : [version]))
      .sort((a, b) => a.validFrom - b.validFrom)
      .map(({ profile, ...version }) => ({
        ...version,
        deleted: profile === null,
        attributes: profileText(profile),
      }));
  }
}
