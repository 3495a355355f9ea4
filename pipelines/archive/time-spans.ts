/** Stretches of time that segments and records are looked for by. */
import { UsageError } from '../common/errors.ts';
import { parseTimeArgument } from '../report/time-argument.ts';
import type { SegmentMetadata, TimeSpan } from './segment-metadata.ts';

/** Milliseconds; infinite where it is open. */
export interface Span {
  readonly from: number;
  /** Not within. */
  readonly until: number;
}

/** Null for any time. */
export interface TimeSpans {
  /** Of Kafka's timestamps. */
  readonly kafkaTimes: Span | null;
  /** Of `occurred_at`, `changed_at` or `updated_at`. */
  readonly eventTimes: Span | null;
}

/** As commander hands them over. */
export interface TimeOptions {
  readonly from?: string;
  readonly until?: string;
  readonly eventFrom?: string;
  readonly eventUntil?: string;
}

/** @throws {UsageError} */
export function timeSpans({ from, until, eventFrom, eventUntil }: TimeOptions): TimeSpans {
  return {
    kafkaTimes: span(['--from', from], ['--until', until]),
    eventTimes: span(['--event-from', eventFrom], ['--event-until', eventUntil]),
  };
}

export function isWithinSpan(span: Span | null, time: number): boolean {
  return span === null || (time >= span.from && time < span.until);
}

/** Whether a segment may hold such a record. One whose records have no event time holds none of any event time. */
export function mayHold({ kafkaTimes, eventTimes }: TimeSpans, segment: SegmentMetadata): boolean {
  return overlaps(kafkaTimes, segment.kafkaTimes) && overlaps(eventTimes, segment.eventTimes);
}

function overlaps(span: Span | null, times: TimeSpan | null): boolean {
  return span === null || (times !== null && times.max >= span.from && times.min < span.until);
}

type Option = readonly [name: string, text: string | undefined];

function span([fromName, from]: Option, [untilName, until]: Option): Span | null {
  if (from === undefined && until === undefined) return null;
  const found = {
    from: from === undefined ? Number.NEGATIVE_INFINITY : parseTimeArgument(fromName, from),
    until: until === undefined ? Number.POSITIVE_INFINITY : parseTimeArgument(untilName, until),
  };
  if (found.from < found.until) return found;
  throw new UsageError(`${untilName} must be later than ${fromName}`);
}
