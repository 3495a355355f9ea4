/** The numbered files: split into statements, filled in for one server and for a cluster. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { readMigrations, statementsOf } from '../../../schemas/migrate/clickhouse/migration-files.ts';
import { faultsOf } from '../../../schemas/migrate/clickhouse/plan-tables.ts';

const directories: string[] = [];

afterEach(async () => {
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true });
});

async function directoryWith(files: Readonly<Record<string, string>>): Promise<URL> {
  const directory = await mkdtemp(join(tmpdir(), 'migrations-'));
  directories.push(directory);
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
  return pathToFileURL(`${directory}/`);
}

const single = { database: 'ledger', biDatabase: 'ledger_bi', cluster: null };

test('a file is split into statements; comments that stand alone are none', () => {
  const text = `-- a; b\nCREATE TABLE \${database}.a (b String COMMENT 'x; y') \${on_cluster}\n;\n\n-- the end\nSELECT 1;  \n-- nothing\n`;
  expect(statementsOf({ name: '001_a.sql', text }, single)).toEqual([
    "-- a; b\nCREATE TABLE `ledger`.a (b String COMMENT 'x; y')",
    '-- the end\nSELECT 1',
  ]);
});

test('on a cluster every table is replicated and every statement names the cluster', () => {
  const names = { ...single, cluster: 'prod' };
  const statements = readMigrations().flatMap((migration) => statementsOf(migration, names));
  expect(statements.length).toBeGreaterThan(10);
  for (const statement of statements) {
    expect(statement).toMatch(/^(?:--.*\n|\n)*CREATE .* ON CLUSTER `prod`/);
    if (/^CREATE TABLE/m.test(statement)) expect(statement).toMatch(/ENGINE = Replicated\w+MergeTree/);
  }
});

test('on one server no statement speaks of a cluster', () => {
  for (const statement of readMigrations().flatMap((migration) => statementsOf(migration, single))) {
    expect(statement).not.toMatch(/CLUSTER|Replicated|\$\{/);
  }
});

test('every statement can be run a second time', () => {
  for (const statement of readMigrations().flatMap((migration) => statementsOf(migration, single))) {
    expect(statement).toMatch(/^CREATE (OR REPLACE VIEW|(TABLE|MATERIALIZED VIEW) IF NOT EXISTS) /m);
  }
});

test('a placeholder that there is none of is an error', () => {
  expect(() => statementsOf({ name: '001_a.sql', text: `SELECT \${databse};` }, single)).toThrow(
    `001_a.sql: unknown placeholder \${databse}`,
  );
});

test('line ends and other databases do not change a checksum', async () => {
  const [unix] = readMigrations(await directoryWith({ '001_a.sql': 'SELECT 1;\n' }));
  const [windows] = readMigrations(await directoryWith({ '001_a.sql': 'SELECT 1;\r\n' }));
  expect(unix?.sha256).toBe(windows?.sha256);
});

test.each([
  [{ '001_a.sql': '', '003_b.sql': '' }, '003_b.sql: the number must be 2'],
  [{ '001_a.sql': '', '001_b.sql': '' }, '001_b.sql: the number must be 2'],
  [{ '1_a.sql': '' }, '1_a.sql: the name must be NNN_lower_case.sql'],
])('%j is refused', async (files, message) => {
  const directory = await directoryWith(files as Record<string, string>);
  expect(() => readMigrations(directory)).toThrow(message);
});

test('a changed file, a newer database and a file left out are faults', () => {
  const file = (number: number, sha256 = 'a') => ({ number, name: `00${number}_x.sql`, text: '', sha256 });
  const applied = (number: number, sha256 = 'a') => ({
    number,
    name: `00${number}_x.sql`,
    sha256,
    program: '9.9.9',
    appliedAt: '2026-01-01 00:00:00.000',
  });
  const texts = (...sets: Parameters<typeof faultsOf>) => faultsOf(...sets).map(({ text }) => text);
  expect(texts([file(1), file(2)], [applied(1)], 'ledger')).toEqual([]);
  expect(texts([file(1, 'b')], [applied(1)], 'ledger')).toEqual([
    expect.stringMatching(/^001_x\.sql is not what was applied to database ledger .* sha256 a then, b now/),
  ]);
  expect(texts([file(1)], [applied(1), applied(2)], 'ledger')).toEqual([
    expect.stringMatching(
      /^database ledger is ahead: it has 002_x\.sql, applied by version 9\.9\.9 .* does not go back/,
    ),
  ]);
  expect(texts([file(1), file(2), file(3)], [applied(1), applied(3)], 'ledger')).toEqual([
    '002_x.sql was never applied to database ledger, but 003_x.sql, which comes after it, was',
  ]);
});
