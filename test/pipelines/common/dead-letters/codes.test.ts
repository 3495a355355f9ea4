/** The table of codes is what the documentation says, word for word. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { DEAD_LETTER_CODES } from '../../../../pipelines/common/dead-letters/codes.ts';
import { DEAD_LETTER_HEADERS } from '../../../../pipelines/common/dead-letters/dead-letter.ts';
import { REFUSAL_CODES } from '../../../../pipelines/dead-letters/refusal.ts';

const page = readFileSync(new URL('../../../../docs/dead-letters.md', import.meta.url), 'utf8');

test('every code is documented with its meaning and remedy, and no other', () => {
  const rows = [...page.matchAll(/^\| `([a-z0-9_]+)` \| (.+) \| (.+) \|$/gm)].map(
    ([, code, meaning, remedy]) => [code, { meaning, remedy }],
  );
  expect(Object.fromEntries(rows)).toEqual(DEAD_LETTER_CODES);
});

test('every header is documented', () => {
  for (const header of Object.values(DEAD_LETTER_HEADERS)) expect(page).toContain(`\`${header}\``);
});

test('every refusal of a replay is documented, and no other', () => {
  const [, table = ''] = /^\| refusal \| meaning \|\n\|---\|---\|\n((?:\|.*\n)+)/m.exec(page) ?? [];
  const rows = [...table.matchAll(/^\| (.+) \| (.+) \|$/gm)].map(([, code, meaning]) => [code, meaning]);
  expect(Object.fromEntries(rows)).toEqual(REFUSAL_CODES);
});
