/** However few pages fit into memory, what was set is what is found. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Flag, PagedFlags } from '../../../pipelines/verify/paged-flags.ts';

const writes = fc.array(
  fc.record({
    key: fc.constantFrom('a/1', 'a/11', 'b/1'),
    // Around the borders of pages, and far apart.
    offset: fc.oneof(fc.integer({ min: 0, max: 200_000 }), fc.constantFrom(65_535, 65_536, 2 ** 40)),
    flag: fc.constantFrom<Flag>(0, 1, 2, 3),
  }),
  { maxLength: 60 },
);

test('flags are those that were set last', () => {
  fc.assert(
    fc.property(writes, fc.integer({ min: 1, max: 3 }), (list, pagesInMemory) => {
      const flags = new PagedFlags({ pagesInMemory });
      try {
        const model = new Map<string, Map<number, Flag>>();
        for (const { key, offset, flag } of list) {
          flags.set(key, offset, flag);
          model.set(key, (model.get(key) ?? new Map<number, Flag>()).set(offset, flag));
        }
        for (const [key, offsets] of model) {
          for (const [offset, flag] of offsets) expect(flags.get(key, offset)).toBe(flag);
          const set = [...offsets].flatMap(([offset, flag]) => (flag === 0 ? [] : [offset]));
          expect([...flags.offsets(key)]).toEqual(set.sort((a, b) => a - b));
        }
        expect(flags.get('c/1', 0)).toBe(0);
      } finally {
        flags.close();
      }
    }),
    { numRuns: 60 },
  );
});
