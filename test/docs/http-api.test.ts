/** docs/http-api.md names every problem and every state of a job, and none that is not. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { SCOPES } from '../../pipelines/serve/auth/principal.ts';
import { JOB_STATES } from '../../pipelines/serve/jobs/job.ts';
import { PROBLEMS } from '../../pipelines/serve/problems.ts';

const text = readFileSync(new URL('../../docs/http-api.md', import.meta.url), 'utf8');
const rows = (pattern: RegExp, from = text) =>
  [...from.matchAll(pattern)].map(([, first, second]) => [first, second]);

test('every code has its row, with its status', () => {
  const inCode = Object.entries(PROBLEMS).map(([code, { status }]) => [code, String(status)]);
  expect(rows(/^\| `([a-z_]+)` \| (\d{3}) \|/gm).sort()).toEqual(inCode.sort());
});

test('every state has its row', () => {
  const table = /^\| state \|.*?\n\n/ms.exec(text)?.[0] ?? '';
  const states = rows(/^\| `([a-z]+)` \|/gm, table).map(([state]) => state);
  expect(states).toEqual([...JOB_STATES]);
});

test('every scope is told of', () => {
  for (const scope of SCOPES) expect(text).toContain(`| \`${scope}\` |`);
});
