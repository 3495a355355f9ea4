/** The role of BI tools is made by hand: whoever looks for it finds the file, and nothing says that `migrate` makes it. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readMigrations } from '../../schemas/migrate/clickhouse/migration-files.ts';

const ROLE_FILE = 'deploy/clickhouse/readonly-role.sql';

const read = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');

test('no migration makes it', () => {
  expect(read(ROLE_FILE)).toContain('CREATE ROLE IF NOT EXISTS ledger_reader');
  expect(readMigrations().filter(({ text }) => /\bCREATE (ROLE|USER)\b/i.test(text))).toEqual([]);
});

test.each(['docs/configuration.md', 'docs/data-dictionary.md', 'deploy/compose.yaml'])(
  '%s says where it is',
  (file) => {
    const text = read(file);
    expect(text).toContain(ROLE_FILE);
    expect(text).not.toMatch(/migrate`? (makes|creates)[^.\n]*\brole\b/);
  },
);
