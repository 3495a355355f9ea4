/** Neighbours are one discrepancy with exact ends; the list is bounded, the counts are not. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Findings } from '../../../pipelines/verify/findings.ts';

const source = { topic: 't', topicId: 'f'.repeat(32), partition: 3 };

test('the ranges hold the offsets that were found, and no other', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 60 })), (offsets) => {
      const ascending = offsets.toSorted((a, b) => a - b);
      const findings = new Findings();
      findings.addAll(ascending.map((offset) => ({ code: 'row_missing', source, offset })));
      const ranges = findings.discrepancies.map(({ first, last }) => [Number(first), Number(last)] as const);
      const within = ranges.flatMap(([first, last]) =>
        Array.from({ length: last - first + 1 }, (_, index) => first + index),
      );
      expect(within).toEqual(ascending);
      for (const [index, [first]] of ranges.entries())
        if (index > 0) expect(first).toBeGreaterThan((ranges[index - 1]?.[1] ?? 0) + 1);
      expect(findings.discrepancies.map(({ records }) => records)).toEqual(
        ranges.map(([first, last]) => last - first + 1),
      );
      expect(findings.counts.get('row_missing') ?? 0).toBe(ranges.length);
    }),
  );
});

test('other partitions, details and codes stand apart', () => {
  const findings = new Findings();
  findings.record({ code: 'row_missing', source, offset: 1 });
  findings.record({ code: 'row_missing', source: { ...source, partition: 4 }, offset: 2 });
  findings.record({ code: 'row_differs', source, offset: 2 });
  findings.record({ code: 'row_differs', source, offset: 3, detail: 'in column reason' });
  expect(findings.discrepancies).toHaveLength(4);
});

test('a table that was emptied is counted whole and listed in part', () => {
  const findings = new Findings();
  for (let offset = 0; offset < 20_000; offset += 2) findings.record({ code: 'row_missing', source, offset });
  expect(findings.counts.get('row_missing')).toBe(10_000);
  expect(findings.discrepancies.length).toBeLessThan(10_000);
  expect(findings.discrepancies.at(0)?.first).toBe(0);
});
