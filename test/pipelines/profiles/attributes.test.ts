/** Attributes of a profile change: one JSON object that can be walked, and nothing else. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkAttributes, MAX_DEPTH } from '../../../pipelines/profiles/attributes.ts';
import { foldProfile } from '../../../pipelines/profiles/fold/fold-profile.ts';

test('every JSON object passes, however it is spaced and escaped', () => {
  const anyObject = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 20 }));
  fc.assert(
    fc.property(anyObject, fc.constantFrom(0, 1, '\t'), (value, space) => {
      expect(checkAttributes(JSON.stringify(value, null, space))).toBeNull();
    }),
  );
});

test('nothing else does', () => {
  const notObject = fc
    .jsonValue()
    .filter((value) => typeof value !== 'object' || value === null || Array.isArray(value));
  fc.assert(
    fc.property(notObject, (value) => {
      expect(checkAttributes(JSON.stringify(value))?.code).toMatch(/^attributes_(not_object|too_deep)$/);
    }),
  );
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const isObject = () => {
        const value: unknown = JSON.parse(text);
        return typeof value === 'object' && value !== null && !Array.isArray(value);
      };
      let expected = false;
      try {
        expected = isObject();
      } catch {}
      expect(checkAttributes(text) === null).toBe(expected);
    }),
  );
});

test('brackets in texts are no depth, and what passes can be folded', () => {
  const deep = (levels: number) => `${'{"a":'.repeat(levels)}"}]\\"${'['.repeat(500)}"${'}'.repeat(levels)}`;
  expect(checkAttributes(deep(MAX_DEPTH))).toBeNull();
  expect(checkAttributes(deep(MAX_DEPTH + 1))).toMatchObject({ code: 'attributes_too_deep' });
  const change = {
    changeId: 'c',
    op: 'PATCH' as const,
    changedAt: 1,
    sourceVersion: null,
    attributes: deep(MAX_DEPTH),
    recordedAt: 1,
    topicId: 't',
    partition: 0,
    offset: 0,
  };
  expect(foldProfile([change])[0]?.attributes).toBe(deep(MAX_DEPTH));
});

test('an endless nest is refused without being walked', () => {
  expect(checkAttributes('{"a":'.repeat(10_000_000))).toMatchObject({ code: 'attributes_too_deep' });
});
