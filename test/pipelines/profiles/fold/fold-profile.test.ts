/** foldProfile against a brute-force model that answers, for one instant at a time, what the profile was then. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { foldProfile, type ProfileChange } from '../../../../pipelines/profiles/fold/fold-profile.ts';

type Plain = { [key: string]: unknown };

function change(part: Partial<ProfileChange> & { changeId: string }): ProfileChange {
  return {
    op: 'PATCH',
    changedAt: 0,
    sourceVersion: null,
    attributes: part.op === 'DELETE' ? null : '{}',
    recordedAt: 0,
    topicId: 'a'.repeat(32),
    partition: 0,
    offset: 0,
    ...part,
  };
}

/** RFC 7396 written down a second time, over plain objects. */
function modelPatch(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const base: Plain =
    typeof target === 'object' && target !== null && !Array.isArray(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete base[key];
    else base[key] = modelPatch(base[key], value);
  }
  return base;
}

/** The profile at `instant`, computed from nothing: undefined before the first change, null when deleted. */
function modelAt(changes: readonly ProfileChange[], instant: number): unknown {
  const provenance = (c: ProfileChange) =>
    [
      String(c.recordedAt).padStart(8, '0'),
      c.topicId,
      String(c.partition).padStart(4, '0'),
      String(c.offset).padStart(8, '0'),
    ].join('|');
  const counted = changes.filter(
    (c) => !changes.some((other) => other.changeId === c.changeId && provenance(other) < provenance(c)),
  );
  const rank = (c: ProfileChange) =>
    [
      String(c.changedAt).padStart(8, '0'),
      c.sourceVersion === null ? '-' : `0${String(c.sourceVersion).padStart(8, '0')}`,
      provenance(c),
    ].join('|');
  const seen = counted.filter((c) => c.changedAt <= instant).sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
  let state: unknown;
  for (const c of seen) {
    const attributes: unknown = JSON.parse(c.attributes ?? '{}');
    if (c.op === 'DELETE') state = null;
    else if (c.op === 'SNAPSHOT') state = modelPatch({}, attributes);
    else state = modelPatch(state ?? {}, attributes);
  }
  return state;
}

const attributeValue = fc.oneof(
  fc.constantFrom(null, true, 1, 'x', [1, null]),
  fc.dictionary(fc.constantFrom('a', 'b'), fc.constantFrom(null, 1, 'y'), { maxKeys: 2 }),
);
const attributes = fc.dictionary(fc.constantFrom('plan', 'city', 'nested'), attributeValue, { maxKeys: 3 });
const changes = fc
  .array(
    fc.record({
      changeId: fc.constantFrom('c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7'),
      op: fc.constantFrom('SNAPSHOT' as const, 'PATCH' as const, 'PATCH' as const, 'DELETE' as const),
      changedAt: fc.integer({ min: 0, max: 6 }),
      sourceVersion: fc.option(fc.bigInt({ min: 0n, max: 3n })),
      attributes,
      recordedAt: fc.integer({ min: 0, max: 3 }),
      topicId: fc.constantFrom('a'.repeat(32), 'b'.repeat(32)),
      partition: fc.integer({ min: 0, max: 1 }),
    }),
    { maxLength: 14 },
  )
  .map((list) =>
    list.map((c, offset) => ({
      ...c,
      offset,
      attributes: c.op === 'DELETE' ? null : JSON.stringify(c.attributes),
    })),
  );

describe('foldProfile', () => {
  test('answers every instant as the brute-force model does', () => {
    fc.assert(
      fc.property(changes, (list) => {
        const versions = foldProfile(list);
        for (let instant = -1; instant <= 7; instant++) {
          const found = versions.filter(
            (v) => v.validFrom <= instant && (v.validTo === null || instant < v.validTo),
          );
          const expected = modelAt(list, instant);
          if (expected === undefined) expect(found).toEqual([]);
          else {
            expect(found).toHaveLength(1);
            expect(found[0]?.deleted).toBe(expected === null);
            expect(JSON.parse(found[0]?.attributes ?? '')).toEqual(expected ?? {});
          }
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('order of arrival and repeated copies change nothing', () => {
    fc.assert(
      fc.property(
        changes.chain((list) =>
          fc.tuple(
            fc.constant(list),
            fc.shuffledSubarray([...list, ...list], { minLength: list.length * 2 }),
          ),
        ),
        ([list, shuffled]) => {
          expect(foldProfile(shuffled)).toEqual(foldProfile(list));
        },
      ),
    );
  });

  test('a further change never makes a version vanish', () => {
    fc.assert(
      fc.property(changes, (list) => {
        const late = list.at(-1);
        if (late === undefined || list.filter((c) => c.changeId === late.changeId).length > 1) return;
        const before = foldProfile(list.slice(0, -1)).map((v) => v.validFrom);
        const after = foldProfile(list).map((v) => v.validFrom);
        expect(after).toEqual(expect.arrayContaining(before));
      }),
    );
  });

  test('versions are numbered from 1, and each ends where the next begins', () => {
    const versions = foldProfile([
      change({ changeId: 'late', changedAt: 20, attributes: '{"plan":"pro"}', recordedAt: 9 }),
      change({ changeId: 'first', op: 'SNAPSHOT', changedAt: 10, attributes: '{"plan":"free","city":null}' }),
      change({ changeId: 'gone', op: 'DELETE', changedAt: 30 }),
      change({ changeId: 'back', changedAt: 40, attributes: '{"city":"Rome"}' }),
    ]);
    expect(
      versions.map(({ version, validFrom, validTo, deleted, attributes: text }) => [
        version,
        validFrom,
        validTo,
        deleted,
        text,
      ]),
    ).toEqual([
      [1, 10, 20, false, '{"plan":"free"}'],
      [2, 20, 30, false, '{"plan":"pro"}'],
      [3, 30, 40, true, '{}'],
      [4, 40, null, false, '{"city":"Rome"}'],
    ]);
  });

  test('two changes at one instant make one version, the higher source version last', () => {
    const [only, ...rest] = foldProfile([
      change({ changeId: 'b', changedAt: 5, sourceVersion: 10n, attributes: '{"plan":"pro"}' }),
      change({
        changeId: 'a',
        changedAt: 5,
        sourceVersion: 9n,
        attributes: '{"plan":"free"}',
        recordedAt: 7,
      }),
      change({ changeId: 'n', changedAt: 5, attributes: '{"plan":"none","seen":1}', recordedAt: 8 }),
    ]);
    expect(rest).toEqual([]);
    expect(only).toMatchObject({
      attributes: '{"plan":"pro","seen":1}',
      changeIds: ['n', 'a', 'b'],
      recordedAt: 8,
    });
  });

  test('__proto__ and constructor are data, and pollute nothing', () => {
    const [version] = foldProfile([
      change({
        changeId: 'a',
        op: 'SNAPSHOT',
        attributes: '{"__proto__":{"admin":true},"constructor":{"x":1}}',
      }),
      change({ changeId: 'b', changedAt: 0, offset: 1, attributes: '{"__proto__":{"level":2}}' }),
    ]);
    expect(version?.attributes).toBe('{"__proto__":{"admin":true,"level":2},"constructor":{"x":1}}');
    expect(({} as Plain).admin).toBeUndefined();
  });

  test.each([
    '12345678901234567890',
    '0.1000000000000000055511151231257827',
    '1e400',
    '-9007199254740993',
    '1E-400',
  ])('the number %s keeps its digits', (number) => {
    const [version] = foldProfile([
      change({ changeId: 'a', op: 'SNAPSHOT', attributes: `{"n":${number},"list":[${number}]}` }),
    ]);
    expect(version?.attributes).toBe(`{"list":[${number}],"n":${number}}`);
  });

  test('a number of a million digits takes no time worth speaking of', () => {
    // Run by run of zeros it would take hours; the limit of the test is two minutes.
    const number = `1${'0'.repeat(1_000_000)}1`;
    const [version] = foldProfile([change({ changeId: 'a', attributes: `{"n":${number}}` })]);
    expect(version?.attributes === `{"n":${number}}`).toBe(true);
  });

  test.each([
    ['1.50', '1.5'],
    ['100000000000000000000', '100000000000000000000'],
    ['1e2', '100'],
    ['0.00', '0'],
  ])('the number %s, which a double holds, is printed as %s', (number, printed) => {
    const [version] = foldProfile([change({ changeId: 'a', op: 'SNAPSHOT', attributes: `{"n":${number}}` })]);
    expect(version?.attributes).toBe(`{"n":${printed}}`);
  });

  test('a hundred thousand changes of one user fold', () => {
    const list = Array.from({ length: 100_000 }, (_, i) =>
      change({ changeId: `c${i}`, changedAt: i, offset: i, attributes: `{"n":${i}}` }),
    );
    expect(foldProfile(list)).toHaveLength(100_000);
  });
});
