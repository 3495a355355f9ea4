/** Versions as verify compares them: all that a reader can see, as one text. */
import type { ProfileBase } from '../profiles/bases.ts';
import {
  type FoldedVersion,
  foldOrdered,
  inEffectOrder,
  profileText,
} from '../profiles/fold/fold-profile.ts';
import type { StoredChange } from '../profiles/histories.ts';

export type StoredVersion = readonly [
  tenantId: string,
  userId: string,
  validFrom: string,
  validTo: string | null,
  version: string,
  deleted: boolean,
  attributes: string,
  changeIds: readonly string[],
  recordedAt: string,
];

/** All of a version that a reader can see, as one text. */
export interface Version {
  readonly validFrom: number;
  readonly text: string;
}

export function expectedOf(history: readonly StoredChange[], base?: ProfileBase): Version[] {
  return Array.from(foldOrdered(inEffectOrder(history), base?.state), versionOf);
}

export function splitAt(versions: readonly Version[], instant: number): [older: Version[], newer: Version[]] {
  const isOlder = ({ validFrom }: Version) => validFrom < instant;
  return [versions.filter(isOlder), versions.filter((version) => !isOlder(version))];
}

/** Whether versions follow one another without a gap, and the last is what the base says. */
export function leadsTo(versions: readonly Version[], { baseAt, state }: ProfileBase): boolean {
  const rows = versions
    .toSorted((a, b) => a.validFrom - b.validFrom)
    .map(({ text }) => JSON.parse(text) as VersionFacts);
  const isNext = ([, validTo, version]: VersionFacts, index: number) =>
    version === String(index + 1) && validTo === (rows[index + 1]?.[0] ?? String(baseAt));
  const [, , , deleted, attributes] = rows.at(-1) ?? [];
  return (
    rows.length === state.versions &&
    rows.every(isNext) &&
    (rows.length === 0 || (deleted === (state.profile === null) && attributes === profileText(state.profile)))
  );
}

type VersionFacts = StoredVersion extends readonly [string, string, ...infer Facts] ? Facts : never;

export function versionOf({
  validFrom,
  validTo,
  version,
  profile,
  changeIds,
  recordedAt,
}: FoldedVersion): Version {
  const rest = [version, profile === null, profileText(profile), changeIds, recordedAt] as const;
  const [number, deleted, attributes, ids, recorded] = rest;
  const row = [
    String(validFrom),
    validTo === null ? null : String(validTo),
    String(number),
    deleted,
    attributes,
    ids,
    String(recorded),
  ];
  return { validFrom, text: JSON.stringify(row) };
}
