/** An account that may read the BI database alone: it sees every view of it and no table. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readMigrations, statementsOf } from '../../../schemas/migrate/clickhouse/migration-files.ts';
import { ClickHouseFront, temporaryDirectory } from '../../helpers/clickhouse-front.ts';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let front: ClickHouseFront;

beforeAll(async () => {
  directory = await temporaryDirectory();
  front = await ClickHouseFront.start(directory.path, ['--reader', 'bi', '--reader-databases', 'ledger_bi']);
  const names = { database: 'ledger', biDatabase: 'ledger_bi', cluster: null };
  for (const name of [names.database, names.biDatabase]) await front.query(`CREATE DATABASE ${name}`);
  for (const migration of readMigrations()) {
    for (const statement of statementsOf(migration, names)) await front.query(statement);
  }
});

afterAll(async () => {
  await front.end();
  await directory[Symbol.asyncDispose]();
});

const asReader = (query: string) => front.query(query, { user: 'bi' });

test('it reads every view of the BI database', async () => {
  const views = (await asReader('SHOW TABLES FROM ledger_bi')).trim().split('\n');
  expect(views).toContain('messages_with_profile');
  for (const view of views) {
    expect(await asReader(`SELECT count() FROM ledger_bi.${view}`)).toBe('0\n');
  }
});

test.each([
  'SELECT * FROM ledger.events',
  'SELECT * FROM ledger.messages',
  'SELECT * FROM ledger.profile_versions',
  'CREATE OR REPLACE VIEW ledger_bi.messages AS SELECT 1',
  'DROP VIEW ledger_bi.messages',
])('it may not: %s', async (query) => {
  await expect(asReader(query)).rejects.toThrow(/ACCESS_DENIED|READONLY/);
});

// The local server keeps its accounts in a file and cannot create roles: the statements are read by its parser only.
test('readonly-role.sql is what a server can read, and grants nothing but the BI database', async () => {
  const url = new URL('../../../deploy/clickhouse/readonly-role.sql', import.meta.url);
  const statements = readFileSync(url, 'utf8')
    .replaceAll(/^--.*$/gm, '')
    .replaceAll(/\s+/g, ' ')
    .split(';');
  const formatted: string[] = [];
  for (const statement of statements.filter((text) => text.trim() !== '')) {
    formatted.push(
      await front.query('SELECT formatQuerySingleLine({statement:String})', { param_statement: statement }),
    );
  }
  expect(formatted.map((text) => text.split(' ', 3).join(' '))).toEqual([
    'CREATE SETTINGS PROFILE',
    'CREATE ROLE IF',
    'GRANT SELECT ON',
    'GRANT SHOW DATABASES,',
    'CREATE QUOTA IF',
  ]);
  for (const grant of formatted.filter((text) => text.startsWith('GRANT'))) {
    expect(grant).toMatch(/ ON ledger_bi\.\* TO ledger_reader\s*$/);
  }
});
