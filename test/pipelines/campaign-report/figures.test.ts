/** Rates with their denominators, groups that no two things share, and when a report may lack messages. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  FIGURE_NAMES,
  type Figures,
  NO_FIGURES,
  RATES,
  ratesOf,
} from '../../../pipelines/campaign-report/figures.ts';
import { groupLabel, groupOf } from '../../../pipelines/campaign-report/group.ts';
import { isPartial } from '../../../pipelines/campaign-report/kept-since.ts';
import { quotedKey, unquoted, unquotedKey } from '../../../pipelines/campaign-report/quoted-json.ts';
import { canonicalJson, type JsonValue } from '../../../pipelines/profiles/fold/json-value.ts';

const someFigures = fc
  .array(fc.nat(5), { minLength: FIGURE_NAMES.length, maxLength: FIGURE_NAMES.length })
  .map((counts) => Object.fromEntries(FIGURE_NAMES.map((name, index) => [name, counts[index]])) as Figures);

test('a rate is its numerator by its denominator, and null where that is 0', () => {
  fc.assert(
    fc.property(someFigures, (figures) => {
      for (const [name, value] of Object.entries(ratesOf(figures))) {
        const { numerator, denominator } = RATES[name as keyof typeof RATES];
        if (figures[denominator] === 0) expect(value).toBeNull();
        else expect((value ?? Number.NaN) * figures[denominator]).toBeCloseTo(figures[numerator]);
      }
    }),
  );
  expect(Object.values(ratesOf(NO_FIGURES)).every((rate) => rate === null)).toBe(true);
});

/** As ClickHouse is to make it. */
function quotedText(value: JsonValue): string {
  if (typeof value === 'string') return JSON.stringify(quotedKey(value));
  if (typeof value === 'number') return `"#${canonicalJson(value)}"`;
  if (Array.isArray(value)) return `[${value.map(quotedText).join(',')}]`;
  if (value === null || typeof value !== 'object') return String(value);
  return `{${Object.entries(value)
    .map(([key, member]) => `${JSON.stringify(quotedKey(key))}:${quotedText(member)}`)
    .join(',')}}`;
}

const json = fc.jsonValue({ stringUnit: 'binary' }).map((value) => value as JsonValue);

test('quoted JSON says the same, and its texts have neither quotes nor backslashes', () => {
  fc.assert(
    fc.property(json, (value) => {
      expect(canonicalJson(unquoted(quotedText(value)))).toBe(canonicalJson(value));
    }),
  );
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (key) => {
      expect(quotedKey(key)).not.toMatch(/["\\]/);
      expect(unquotedKey(quotedKey(key))).toBe(key);
    }),
  );
});

test('two values share a label only when they are the same', () => {
  const keys = fc.oneof(
    fc.constantFrom(
      '',
      'd',
      'a',
      'o',
      'vnull',
      'v"$null"',
      'v"$(absent)"',
      'v"$1"',
      'v"#1"',
      'vtrue',
      'v"$true"',
    ),
    json.map((value) => `v${quotedText(value)}`),
  );
  fc.assert(
    fc.property(keys, keys, (a, b) => {
      const [first, second] = [groupOf(a), groupOf(b)];
      expect(groupLabel(first) === groupLabel(second)).toBe(JSON.stringify(first) === JSON.stringify(second));
    }),
    { numRuns: 500 },
  );
});

test.each([
  ['nothing has ever left', { keptSince: null, from: null, firstSentAt: 1, begunAt: null }, false],
  ['the range begins later', { keptSince: 10, from: 10, firstSentAt: 12, begunAt: 1 }, false],
  ['the campaign was to begin before', { keptSince: 10, from: null, firstSentAt: 12, begunAt: 9 }, true],
  ['a message is older', { keptSince: 10, from: 5, firstSentAt: 7, begunAt: 20 }, true],
  ['the campaign began later', { keptSince: 10, from: null, firstSentAt: 12, begunAt: 11 }, false],
  ['no definition says when it began', { keptSince: 10, from: null, firstSentAt: 12, begunAt: null }, null],
])('%s', (_, completeness, expected) => {
  expect(isPartial(completeness)).toBe(expected);
});
