import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { closest } from '../../config/closest.ts';
import { environmentVariable } from '../../config/keys.ts';
import { CONFIG_KEYS, checkConfig } from '../../config/load.ts';
import { deepFreeze, mergeTrees, setValue, type Tree, valueAt } from '../../config/tree.ts';

const key = fc.constantFrom('a', 'b', 'c', '__proto__', 'constructor');
const path = fc.array(key, { minLength: 1, maxLength: 4 });
const tree = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.dictionary(
    key,
    fc.oneof({ maxDepth: 3 }, fc.integer(), fc.constant(null), fc.array(fc.integer()), tie('tree')),
    {
      maxKeys: 3,
    },
  ) as fc.Arbitrary<Tree>,
})).tree;

describe('trees', () => {
  test('what is set is there, and nothing else of the prototype is touched', () => {
    fc.assert(
      fc.property(tree, path, fc.integer(), (base, at, value) => {
        const changed = mergeTrees(base);
        setValue(changed, at, value);
        expect(valueAt(changed, at)).toBe(value);
        expect(Object.keys(Object.prototype)).toEqual([]);
        expect(({} as Tree).a).toBeUndefined();
      }),
    );
  });

  test('in a merge each value is that of the last layer that has one', () => {
    fc.assert(
      fc.property(tree, tree, path, (below, above, at) => {
        const merged = valueAt(mergeTrees(below, above), at);
        const upper = valueAt(above, at);
        if (upper !== undefined && (typeof upper !== 'object' || upper === null || Array.isArray(upper))) {
          expect(merged).toEqual(upper);
        }
        if (at.every((_, depth) => valueAt(above, at.slice(0, depth + 1)) === undefined) && at.length === 1) {
          expect(merged).toEqual(valueAt(below, at));
        }
      }),
    );
  });

  test('a merge changes neither layer', () => {
    fc.assert(
      fc.property(tree, tree, (below, above) => {
        const before = structuredClone([below, above]);
        mergeTrees(deepFreeze(below), deepFreeze(above));
        expect([below, above]).toEqual(before);
      }),
    );
  });

  test('a key named __proto__ is an unknown key like any other', async () => {
    const overrides = JSON.parse('{"__proto__": {"polluted": 1}}');
    const { faults } = await checkConfig({ env: {}, overrides });
    expect(faults.map((fault) => fault.path)).toContain('__proto__');
    expect(({} as Tree).polluted).toBeUndefined();
  });
});

describe('environment variables', () => {
  test.each(CONFIG_KEYS.map((one) => [one.path.join('.'), one] as const))(
    '%s',
    async (name, { path: at, kind, isSecret }) => {
      // A value of the wrong kind for some keys, but one that must be found at exactly this key.
      const text = { text: 'x y', number: '-7', boolean: 'true', list: 'x y', map: '{"x y": 1}' }[kind];
      const variable = environmentVariable(at);
      const { faults } = await checkConfig({ env: { [variable]: text } });
      expect(faults.filter((fault) => fault.path === variable)).toEqual([]);
      if (isSecret) expect(JSON.stringify(faults)).not.toContain('x y');
      const others = faults.filter((fault) => fault.value !== undefined && !fault.path.startsWith(name));
      expect(others).toEqual([]);
    },
  );
});

describe('closest', () => {
  const keys = ['brokers', 'clientId', 'maxPollIntervalMs', 'username', 'url', 'level'];

  test.each([
    ['broker', 'brokers'],
    ['client_id', 'clientId'],
    ['MAX-POLL-INTERVAL-MS', 'maxPollIntervalMs'],
    ['maxPolIntervalms', 'maxPollIntervalMs'],
    ['user', 'username'],
    ['levle', 'level'],
    ['uri', 'url'],
    ['partitions', null],
    ['', null],
  ])('%s → %s', (word, expected) => {
    expect(closest(word, keys)).toBe(expected);
  });

  test('one slip of the finger is always found out', () => {
    fc.assert(
      fc.property(fc.constantFrom(...keys), fc.nat(), fc.constantFrom('x', ''), (word, at, letter) => {
        const position = at % word.length;
        const slip = word.slice(0, position) + letter + word.slice(position + 1);
        expect(closest(slip, keys)).toBe(word);
      }),
    );
  });
});
