/** One profile version as version.eta prints it: all of it, what had changed, and what is different today. */
import type { ProfileToday, ReportedVersion } from '../../report.ts';
import { changesBetween, type ProfileRows } from './profile-rows.ts';
import { plainTime, profileText } from './words.ts';

export interface VersionPlace {
  readonly index: number | 'today';
  readonly previous: ReportedVersion | undefined;
  readonly today: ProfileToday;
  readonly rows: ProfileRows;
}

type Shown = Pick<ReportedVersion, 'version' | 'valid_from' | 'attributes'> & {
  /** Left out: nothing is said of its end. */
  readonly valid_to?: string | null;
};

export function versionView(version: Shown, { index, previous, today, rows }: VersionPlace) {
  const own = rows.of(version.attributes);
  const isToday = today.valid_from === version.valid_from;
  const todays = today.attributes === null ? null : rows.of(today.attributes);
  return {
    index,
    label: `v${version.version}`,
    isToday,
    from: version.valid_from,
    fromText: plainTime(version.valid_from),
    to: version.valid_to ?? null,
    toText: version.valid_to == null ? null : plainTime(version.valid_to),
    previous: previous === undefined ? null : `v${previous.version}`,
    changes: previous === undefined ? [] : changesBetween(rows.of(previous.attributes), own),
    todayText: profileText(today),
    hasToday: todays !== null && !isToday,
    rows: [...own.values()].map((row) => ({
      ...row,
      today: todays === null || isToday ? null : todayOf(row),
    })),
    gained:
      todays === null || isToday ? [] : changesBetween(own, todays).filter(({ before }) => before === null),
  };

  /** Null: the same as today. */
  function todayOf(row: {
    readonly pathId: number;
    readonly valueId: number;
  }): { text: string | null } | null {
    const now = todays?.get(row.pathId);
    return now?.valueId === row.valueId ? null : { text: now?.text ?? null };
  }
}
