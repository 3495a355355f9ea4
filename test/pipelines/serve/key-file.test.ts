/** The file of keys: what is made is accepted, what is wrong is named, and no hash is repeated in an error. */
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { newKey, parseKeyFile, tokenHash } from '../../../pipelines/serve/auth/key-file.ts';

const SHA256 = 'ab'.repeat(32);
const key = (change: object = {}) =>
  JSON.stringify({
    keys: [{ id: 'desk', sha256: SHA256, tenants: ['acme'], scopes: ['reports:read'], ...change }],
  });

test('a key that was made is one that is accepted, by its token alone', () => {
  const made = newKey({
    id: 'desk',
    tenants: ['acme', 'ünï'],
    scopes: ['reports:read'],
    expires: '2027-12-31',
  });
  const other = newKey({ id: 'desk', tenants: ['acme'], scopes: ['reports:read'] });
  expect(made.token).toMatch(/^clk_[\w-]{43}$/);
  expect(made.token).not.toBe(other.token);
  expect(made.entry).not.toContain(made.token);
  const file = `keys:\n${made.entry}`;
  expect(parse(file).keys).toHaveLength(1);
  expect(parseKeyFile(file)).toEqual([
    {
      ...{ id: 'desk', sha256: tokenHash(made.token), tenants: ['acme', 'ünï'], scopes: ['reports:read'] },
      expires: Date.UTC(2027, 11, 31),
    },
  ]);
});

test.each([
  ['not YAML', 'keys: [{', /^it is not YAML$/],
  ['nothing', '', /keys: must list the keys/],
  ['another thing', '- 1', /keys/],
  ['a hash that is none', key({ sha256: 'secret' }), /keys\.0\.sha256: must be the 64 hex digits/],
  ['a hash in capitals', key({ sha256: SHA256.toUpperCase() }), /sha256/],
  ['an id with a space', key({ id: 'a b' }), /keys\.0\.id: must be 1 to 64/],
  ['no tenant', key({ tenants: [] }), /at least one tenant/],
  ['a scope that there is not', key({ scopes: ['reports:*'] }), /scopes\.0: must be some of reports:read/],
  [
    'an end without a zone',
    key({ expires: '2027-12-31T00:00' }),
    /expires: "2027-12-31T00:00" is not a time/,
  ],
  ['a field misspelt', key({ expire: '2027-12-31' }), /expire/],
  [
    'one id twice',
    key()
      .replace(/(\{"id.*\})\]/, `$1,$1]`)
      .replace(SHA256, 'cd'.repeat(32)),
    /two keys have the id of desk/,
  ],
  [
    'one token twice',
    key()
      .replace(/(\{"id.*\})\]/, `$1,$1]`)
      .replace('desk', 'other'),
    /two keys have the sha256/,
  ],
])('%s', (_what, text, fault) => {
  expect(() => parseKeyFile(text)).toThrow(fault);
  expect(() => parseKeyFile(text)).not.toThrow(SHA256);
});
