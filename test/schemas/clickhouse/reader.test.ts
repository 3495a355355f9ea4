/** An account that may read the BI database alone: it sees every view of it and no table. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readerRole, readerStatements } from '../../../deploy/local/clickhouse/reader-role.ts';
import { ask } from '../../../pipelines/campaign-report/read-campaign.ts';
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

test('it may ask what says of itself that it only reads, as reports on campaigns do', async () => {
  const clickhouse = front.client({ username: 'bi' });
  const query = 'SELECT count() AS messages FROM {database:Identifier}.messages SETTINGS join_use_nulls = 0';
  expect(await ask({ clickhouse, database: 'ledger_bi' }, query, {})).toEqual([{ messages: '0' }]);
  await clickhouse.close();
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

test.each([
  ["file('/etc/passwd', LineAsString)"],
  ["url('http://127.0.0.1:1/', LineAsString)"],
  ["remote('127.0.0.1', ledger.events)"],
  ["azureBlobStorage('http://127.0.0.1:1/', 'a', 'b')"],
  ['system.users'],
  ['system.processes'],
])('nor does it read %s', async (source) => {
  await expect(asReader(`SELECT * FROM ${source}`)).rejects.toThrow(/ACCESS_DENIED/);
});

test('it does not even see that there are other databases, and says what it may', async () => {
  expect(await asReader('SELECT name FROM system.databases')).toBe('ledger_bi\n');
  expect(await asReader('SELECT DISTINCT database FROM system.columns')).toBe('ledger_bi\n');
  expect(await asReader('SHOW GRANTS')).toBe(
    'GRANT SHOW DATABASES, SHOW TABLES, SHOW COLUMNS, SELECT ON ledger_bi.* TO bi\n',
  );
});

describe('its limits, which are those of readonly-role.sql', () => {
  test('hold', async () => {
    const limits = await asReader(
      `SELECT name, value, min, max FROM system.settings
       WHERE name IN ('readonly', 'max_concurrent_queries_for_user', 'max_execution_time', 'max_memory_usage', 'max_memory_usage_for_user',
         'max_result_rows') ORDER BY name FORMAT JSONCompactEachRow`,
    );
    expect(
      limits
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([
      ['max_concurrent_queries_for_user', '20', '1', '20'],
      ['max_execution_time', '300', '1', '300'],
      ['max_memory_usage', '8000000000', '1', '8000000000'],
      ['max_memory_usage_for_user', '16000000000', '1', '16000000000'],
      ['max_result_rows', '10000000', '1', '10000000'],
      ['readonly', '2', null, null],
    ]);
    await expect(asReader('SELECT number FROM numbers(11000000) FORMAT Null')).rejects.toThrow(
      /TOO_MANY_ROWS_OR_BYTES/,
    );
  });

  test('may be asked to be lower, as tools do, and not to be higher or none', async () => {
    for (const [setting, most] of [
      ['max_execution_time', 300],
      ['max_memory_usage', 8_000_000_000],
      ['max_result_rows', 10_000_000],
    ] as const) {
      const lower = setting === 'max_memory_usage' ? most / 2 : 10;
      expect(await asReader(`SELECT 1 SETTINGS ${setting} = ${lower}`)).toBe('1\n');
      for (const value of [0, most + 1])
        await expect(asReader(`SELECT 1 SETTINGS ${setting} = ${value}`)).rejects.toThrow(
          /SETTING_CONSTRAINT_VIOLATION/,
        );
    }
    await expect(asReader('SELECT 1 SETTINGS readonly = 0')).rejects.toThrow(/READONLY/);
  });

  // With the rights of the view's owner, and in front of any row policy: an error would print what the policy hides.
  test('what a reader adds to a query does not reach the tables behind the views', async () => {
    const asked = 'SELECT count() FROM ledger_bi.messages';
    for (const setting of [
      `additional_table_filters = {'ledger.message_events': 'toInt64(user_id) = 1'}`,
      `result_overflow_mode = 'break'`,
      `timeout_overflow_mode = 'break'`,
    ])
      await expect(asReader(`${asked} SETTINGS ${setting}`)).rejects.toThrow(/SETTING_CONSTRAINT_VIOLATION/);
    expect(await asReader(`${asked} SETTINGS max_threads = 1`)).toMatch(/^\d+\n$/);
  });

  test('count its queries and seconds of each hour, and not those of the owner', async () => {
    const usage = async () => {
      const text = await asReader(
        `SELECT quota_key, duration, queries, max_queries, max_execution_time FROM system.quota_usage
         FORMAT JSONCompactEachRow SETTINGS output_format_json_quote_64bit_integers = 0`,
      );
      return JSON.parse(text) as [string, number, number, number, number];
    };
    const [, , before] = await usage();
    await asReader('SELECT count() FROM ledger_bi.messages');
    await front.query('SELECT count() FROM ledger_bi.messages');
    expect(await usage()).toEqual(['bi', 3600, before + 1, 5000, 3600]);
  });
});

// The engine of the local stack has no place to create roles in. Its parser reads the statements; what they grant and limit it
// was given above in another form, made from this very file. Not tried here: CREATE and GRANT themselves, ON CLUSTER.
describe('readonly-role.sql', () => {
  const statements = readerStatements();

  test('is what a server can read, and grants nothing but the BI database', async () => {
    const formatted: string[] = [];
    for (const statement of statements) {
      await front.query(`EXPLAIN AST ${statement}`);
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

  test('a statement that the local reader could not be given is not passed over', () => {
    for (const more of [
      'GRANT SELECT ON other.* TO ledger_reader',
      'CREATE ROW POLICY p ON ledger_bi.messages',
    ])
      expect(() => readerRole(['ledger_bi'], [...statements, more])).toThrow(more);
  });
});
