/** What a restore into Kafka commits beside the offset, for the one that goes on behind it. */
import type { OffsetRange } from '../common/batch.ts';

export interface CommitNote {
  /** What was archived from this offset on is no part of the restore; null: it takes all that there is. */
  readonly end: number | null;
  /** Where something was left out that could not be read. What lies behind it was sent: it cannot take its place any more. */
  readonly skipped: readonly OffsetRange[];
}

export const NOTHING_NOTED: CommitNote = { end: null, skipped: [] };

/** A broker takes 4,096 bytes (`offset.metadata.max.bytes`): two offsets of 16 digits each are half of that. */
const MOST_RANGES = 60;

/** Empty when there is nothing to note. Of too many stretches the last ones become one. */
export function noteText({ end, skipped }: CommitNote): string {
  const byOffset = [...skipped].sort((a, b) => a.first - b.first || a.last - b.last);
  const ranges = [...new Set(byOffset.map(({ first, last }) => `${first}-${last}`))];
  if (ranges.length > MOST_RANGES) {
    const kept = ranges.slice(0, MOST_RANGES - 1);
    const rest = byOffset.filter(({ first, last }) => !kept.includes(`${first}-${last}`));
    ranges.splice(
      kept.length,
      Number.POSITIVE_INFINITY,
      `${Math.min(...rest.map(({ first }) => first))}-${Math.max(...rest.map(({ last }) => last))}`,
    );
  }
  if (end === null && ranges.length === 0) return '';
  return `end=${end ?? 'all'};skipped=${ranges.join(',')}`;
}

export function parseNote(text: string | null | undefined): CommitNote {
  const match = /^end=(\d{1,16}|all);skipped=((?:\d{1,16}-\d{1,16},?)*)$/.exec(text ?? '');
  if (match === null) return NOTHING_NOTED;
  const [, end = 'all', ranges = ''] = match;
  return {
    end: end === 'all' ? null : Number(end),
    skipped: [...ranges.matchAll(/(\d+)-(\d+)/g)].map(([, first, last]) => ({
      first: Number(first),
      last: Number(last),
    })),
  };
}
