/**
 * Where nearly everything happened: one event decades away, of a wrong clock, would make a month's messages one bar.
 * What is left out is far from all the rest, and little; where no part is the bulk of it, nothing is left out.
 */

const DAY = 86_400_000;
/** Reactions of some weeks later are usual, however short the time of the messages was. */
const LEAST_GAP = 30 * DAY;
/** Spans of the bulk between it and what is left out: drawn with that, it would have less than a tenth of the picture. */
const FAR = 10;
/** Of fewer than these nothing is left out: two or three messages years apart are what the report is about. */
const LEAST_COUNT = 20;
/** At least as much is the bulk. */
const BULK_SHARE = 0.9;

/** Milliseconds since the epoch, both included. */
export interface Bulk {
  readonly first: number;
  readonly last: number;
}

export interface Counted extends Bulk {
  readonly count: number;
}

/** @param spans oldest first, at least one; none overlaps another */
export function bulkOf(spans: readonly Counted[]): Bulk {
  const all = between(spans, 0, spans.length - 1);
  const count = spans.reduce((sum, span) => sum + span.count, 0);
  if (count < LEAST_COUNT) return all;
  let [from, to] = shortest(spans, Math.ceil(count * BULK_SHARE));
  // What is near to it belongs to it, and with that it is longer: more may be near.
  for (let grown = true; grown; ) {
    const { first, last } = between(spans, from, to);
    const far = Math.max(LEAST_GAP, FAR * (last - first));
    const [previous, next] = [spans[from - 1], spans[to + 1]];
    grown = false;
    if (previous !== undefined && first - previous.last <= far) {
      from -= 1;
      grown = true;
    }
    if (next !== undefined && next.first - last <= far) {
      to += 1;
      grown = true;
    }
  }
  return between(spans, from, to);
}

/** The first and the last of the spans that hold so many in the shortest time. */
function shortest(spans: readonly Counted[], count: number): [number, number] {
  let best: [number, number] = [0, spans.length - 1];
  let from = 0;
  let held = 0;
  for (const [to, span] of spans.entries()) {
    held += span.count;
    for (let rest = held - countAt(spans, from); rest >= count; rest = held - countAt(spans, from)) {
      held = rest;
      from += 1;
    }
    if (held >= count && lengthOf(spans, [from, to]) < lengthOf(spans, best)) best = [from, to];
  }
  return best;
}

function countAt(spans: readonly Counted[], index: number): number {
  return spans[index]?.count ?? 0;
}

function lengthOf(spans: readonly Counted[], [from, to]: readonly [number, number]): number {
  const { first, last } = between(spans, from, to);
  return last - first;
}

function between(spans: readonly Counted[], from: number, to: number): Bulk {
  return { first: spans[from]?.first ?? 0, last: spans[to]?.last ?? 0 };
}
