/** Why a letter is not sent back. */
export interface Refusal {
  /** A code of a dead letter, when the record would become one again; else one of those below. */
  readonly code: string;
  readonly reason: string;
}

/** What keeps a letter from being sent, beside the codes of dead letters. docs/dead-letters.md is held to it. */
export const REFUSAL_CODES = {
  not_archived: 'The letter was cut, and the archive does not have the whole record yet.',
  archive_differs: 'The letter was cut, and what the archive has is not what was cut, or cannot be read.',
  mapping_failed: 'A rule of the mapping is meant for the record and cannot be carried out.',
  no_such_partition: 'The topic has fewer partitions than when the record was in it.',
  too_large: 'With the header dl.replay-of the record is larger than the topic takes.',
} as const satisfies Readonly<Record<string, string>>;

export type RefusalCode = keyof typeof REFUSAL_CODES;

export function refused(code: RefusalCode, reason: string): Refusal {
  return { code, reason };
}
