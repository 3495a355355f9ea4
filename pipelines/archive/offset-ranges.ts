/** A set of offsets, kept as ranges: as small as the number of holes in it, however long the chain. */
import type { OffsetRange } from '../common/batch.ts';

export class OffsetRanges {
  /** Ascending, none touching the next. */
  readonly #ranges: { first: number; last: number }[] = [];

  /** @returns the first stretch of the range that was in the set already, or null */
  add({ first, last }: OffsetRange): OffsetRange | null {
    const ranges = this.#ranges;
    // The first that ends at or behind the offset in front: all from there to the last that begins at or before the
    // offset behind become one.
    let from = ranges.length;
    while (from > 0 && (ranges[from - 1] as OffsetRange).last >= first - 1) from -= 1;
    let to = from;
    let overlap: OffsetRange | null = null;
    const merged = { first, last };
    for (; to < ranges.length && (ranges[to] as OffsetRange).first <= last + 1; to++) {
      const one = ranges[to] as OffsetRange;
      const common = { first: Math.max(first, one.first), last: Math.min(last, one.last) };
      if (common.first <= common.last) overlap ??= common;
      merged.first = Math.min(merged.first, one.first);
      merged.last = Math.max(merged.last, one.last);
    }
    ranges.splice(from, to - from, merged);
    return overlap;
  }

  /** Stretches of the range that are not in the set. */
  gapsIn({ first, last }: OffsetRange): OffsetRange[] {
    const gaps: OffsetRange[] = [];
    let next = first;
    for (const range of this.#ranges) {
      if (range.last < next) continue;
      if (range.first > last) break;
      if (range.first > next) gaps.push({ first: next, last: range.first - 1 });
      next = range.last + 1;
    }
    if (next <= last) gaps.push({ first: next, last });
    return gaps;
  }

  /** What is in the set and not in the range. */
  outside({ first, last }: OffsetRange): OffsetRange[] {
    return this.#ranges.flatMap((range) => [
      ...(range.first < first ? [{ first: range.first, last: Math.min(range.last, first - 1) }] : []),
      ...(range.last > last ? [{ first: Math.max(range.first, last + 1), last: range.last }] : []),
    ]);
  }
}
