/** Asking for one user's report: the same parameters in a body and in a query. */
import type { RangeBy } from '../../report/event-stage.ts';
import type { FormatName } from '../../report/report-output.ts';
import { FORMAT_NAMES } from '../formats.ts';
import { type AskedRange, choiceOf, type Given, idOf, invalid, rangeOf, timeOf } from './given.ts';

/** Times in milliseconds since the epoch. */
export interface UserReportAsk extends AskedRange {
  readonly userId: string;
  readonly by: RangeBy;
  readonly knownAt: number | null;
  readonly format: FormatName;
}

const BY = ['send', 'interaction'] as const satisfies readonly RangeBy[];

/** But for whose report it is. */
export const RANGE_PARAMETERS = ['from', 'to', 'by', 'known_at', 'format'] as const;

/** @throws {Problem} invalid_request */
export function userReportAsk(given: Given): UserReportAsk {
  const userId = idOf(given, 'user_id');
  if (userId === null) throw invalid('user_id', 'say whose report it is to be');
  return {
    userId,
    ...rangeOf(given),
    by: choiceOf(given, 'by', BY),
    knownAt: timeOf(given, 'known_at'),
    format: choiceOf(given, 'format', FORMAT_NAMES.user),
  };
}
