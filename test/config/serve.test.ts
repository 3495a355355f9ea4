/** What the configuration of `serve` refuses: whatever would let in somebody who should not be. */
import { expect, test } from 'vitest';
import { faultsOf } from '../helpers/config.ts';

const jwks = (settings: object) => faultsOf({ serve: { auth: { jwks: settings } } });
const GOOD = { url: 'https://login.example/keys', issuer: 'https://login.example', audience: 'ledger' };

test('keys over https, or of this machine', async () => {
  expect(await jwks(GOOD)).toEqual([]);
  expect(await jwks({ ...GOOD, url: 'http://127.0.0.1:9000/keys' })).toEqual([]);
  expect((await jwks({ ...GOOD, url: 'http://login.example/keys' })).join()).toMatch(
    /serve\.auth\.jwks\.url: must be https/,
  );
});

test.each(['issuer', 'audience'])('no token that was made for somebody else: %s', async (name) => {
  expect((await jwks({ ...GOOD, [name]: null })).join()).toMatch(`needs serve.auth.jwks.${name}`);
});

test('an issuer of no keys', async () => {
  expect((await jwks({ ...GOOD, url: null })).join()).toMatch(/is null, but serve\.auth\.jwks\.issuer/);
});

test('a look for jobs is not rarer than their leases end', async () => {
  const faults = await faultsOf({ serve: { jobs: { pollMs: 40_000 } } });
  expect(faults.join()).toMatch(/serve\.jobs\.pollMs: must not exceed serve\.jobs\.leaseMs/);
});
