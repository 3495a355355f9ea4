/** What people type for an attribute, and what is refused with a way out. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseAttributePath, pointerOf } from '../../../pipelines/campaign-report/attribute-path.ts';
import { UsageError } from '../../../pipelines/common/errors.ts';

const parse = (text: string) => parseAttributePath('--by', text);

test.each([
  ['plan', ['plan']],
  ['address.city', ['address', 'city']],
  ['/a.b/c', ['a.b', 'c']],
  ['/a~1b/~0~01', ['a/b', '~~1']],
  ['/', ['']],
  ['//x', ['', 'x']],
  ['a/b', ['a/b']],
])('%s', (text, keys) => {
  expect(parse(text)).toEqual({ keys, text });
});

test.each([
  ['', /empty key/],
  ['a..b', /JSON pointer/],
  ['.a', /empty key/],
  ['/a~2', /~0/],
  ['/a~', /~0/],
  [`${'a.'.repeat(100)}a`, /101 keys/],
])('%s is refused', (text, message) => {
  expect(() => parse(text)).toThrow(UsageError);
  expect(() => parse(text)).toThrow(message);
});

test('a pointer leads back to its keys', () => {
  const keys = fc.array(fc.string({ unit: 'binary' }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(keys, (path) => {
      expect(parse(pointerOf(path)).keys).toEqual(path);
    }),
  );
});
