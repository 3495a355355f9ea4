/** The table of codes is what the documentation says, word for word. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { VERIFY_CODES } from '../../../pipelines/verify/codes.ts';
import { createVerifyMetrics } from '../../../pipelines/verify/verify-metrics.ts';

const page = readFileSync(new URL('../../../docs/verify.md', import.meta.url), 'utf8');

test('every code is documented with its meaning and remedy, and no other', () => {
  const rows = [...page.matchAll(/^\| `([a-z0-9_]+)` \| (.+) \| (.+) \|$/gm)].map(
    ([, code, meaning, remedy]) => [code, { meaning, remedy }],
  );
  expect(Object.fromEntries(rows)).toEqual(VERIFY_CODES);
});

test('every metric is documented, and no other', async () => {
  const names = (await createVerifyMetrics().registry.getMetricsAsJSON()).map(({ name }) => name).sort();
  expect([...new Set(page.match(/ledger_verify_[a-z_]+/g))].sort()).toEqual(names);
});
