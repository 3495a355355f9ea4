import fc from 'fast-check';
import { expect, test } from 'vitest';
import { OffsetSet } from '../../../pipelines/dead-letters/offset-set.ts';

test('tells the first of each offset of each partition from every later one', () => {
  const offset = fc.oneof(fc.nat({ max: 70 }), fc.nat({ max: 5_000 }), fc.maxSafeInteger().map(Math.abs));
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom('a/0', 'a/1', 'b/0'), offset)), (pairs) => {
      const set = new OffsetSet();
      const met = new Set<string>();
      for (const [partition, number] of pairs) {
        const name = `${partition}/${number}`;
        expect(set.add(partition, number)).toBe(!met.has(name));
        met.add(name);
      }
    }),
  );
});
