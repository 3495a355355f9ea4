import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OffsetRanges } from '../../../pipelines/archive/offset-ranges.ts';

const range = fc.tuple(fc.nat(60), fc.nat(12)).map(([first, size]) => ({ first, last: first + size }));
const offsetsOf = ({ first, last }: { first: number; last: number }) =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);

describe('OffsetRanges', () => {
  it('is the set of the offsets in all ranges', () => {
    fc.assert(
      fc.property(fc.array(range), range, (added, window) => {
        const ranges = new OffsetRanges();
        const set = new Set<number>();
        for (const one of added) {
          const twice = offsetsOf(one).filter((offset) => set.has(offset));
          const overlap = ranges.add(one);
          expect(overlap === null).toBe(twice.length === 0);
          if (overlap !== null) {
            expect(overlap.first).toBe(twice[0]);
            for (const offset of offsetsOf(overlap)) expect(set.has(offset)).toBe(true);
          }
          for (const offset of offsetsOf(one)) set.add(offset);
        }
        const missing = offsetsOf(window).filter((offset) => !set.has(offset));
        expect(ranges.gapsIn(window).flatMap(offsetsOf)).toEqual(missing);
        const outside = [...set].filter((offset) => offset < window.first || offset > window.last);
        expect(ranges.outside(window).flatMap(offsetsOf)).toEqual(outside.sort((a, b) => a - b));
      }),
    );
  });
});
