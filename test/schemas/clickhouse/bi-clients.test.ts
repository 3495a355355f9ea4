/** The BI views through the clients that BI tools use, with the rights that BI tools have: names, types, comments and values come over. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readTableColumns, type TableColumn } from '../../../schemas/data-dictionary.ts';
import { readMigrations, statementsOf } from '../../../schemas/migrate/clickhouse/migration-files.ts';
import { ClickHouseFront, temporaryDirectory } from '../../helpers/clickhouse-front.ts';
import { hasJdbc, hasPython, jdbcArguments, runClient, titled } from '../../helpers/clients.ts';

const TENANT = "o'tenant \\ ü";
const VIEWS = [
  'campaign_results',
  'campaign_stats',
  'events',
  'messages',
  'messages_with_profile',
  'profile_versions',
];

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let front: ClickHouseFront;
let port: string;
/** What the engine itself says. */
let columns: readonly TableColumn[];

const event = (message: string, occurred_at: string, more: object = {}) => ({
  tenant_id: TENANT,
  user_id: 'ü/1',
  campaign_id: 'c%1',
  message_id: message,
  event_id: `e-${message}`,
  type: 'SENT',
  kind: 'delivery',
  channel: 'EMAIL',
  occurred_at,
  attributes: { quote: 'it\'s "so"\t✓' },
  source: '0123456789abcdef0123456789abcdef/0',
  offset: 1,
  recorded_at: occurred_at,
  ...more,
});

beforeAll(async () => {
  if (!hasPython) return;
  directory = await temporaryDirectory();
  front = await ClickHouseFront.start(directory.path, ['--reader', 'bi', '--log-level', 'fatal']);
  const names = { database: 'ledger', biDatabase: 'ledger_bi', cluster: null };
  for (const name of [names.database, names.biDatabase]) await front.query(`CREATE DATABASE ${name}`);
  for (const migration of readMigrations())
    for (const statement of statementsOf(migration, names)) await front.query(statement);
  const client = front.client();
  const insert = (table: string, values: readonly object[]) =>
    client.insert({ table, values, format: 'JSONEachRow' });
  await insert('ledger.events', [
    event('m1', '2026-03-01 12:00:00.001', { variant: 'B' }),
    event('m1', '2026-03-01 13:00:00.999', { type: 'OPENED', kind: 'feedback' }),
    event('m2', '2026-03-02 00:00:00.000'),
    event('m2', '2026-03-02 00:00:01.500', { type: 'CONVERTED', kind: 'feedback', value: 12.25 }),
    event('m0', '2025-03-02 00:00:00.000'),
  ]);
  await insert('ledger.profile_versions', [
    {
      tenant_id: TENANT,
      user_id: 'ü/1',
      valid_from: '2026-03-01 12:00:00.001',
      valid_to: null,
      version: 1,
      deleted: false,
      attributes: '{"plan":"plus ✓"}',
      change_ids: ['a', 'b'],
      recorded_at: '2026-03-01 12:00:00.001',
      fold: '1',
      withdrawn: 0,
    },
  ]);
  columns = await readTableColumns(client, ['ledger_bi']);
  await client.close();
  port = new URL(front.url).port;
});

afterAll(async () => {
  await front?.end();
  await directory?.[Symbol.asyncDispose]();
});

test.skipIf(!hasPython)('the engine itself knows six views', () => {
  expect([...new Set(columns.map(({ table }) => table))]).toEqual(VIEWS);
});

describe.skipIf(!hasPython)(titled('clickhouse-connect', hasPython), () => {
  test.each(['default', 'bi'])('as %s', async (account) => {
    expect(await runClient('connect-views.py', [port, account])).toEqual({
      types: [
        'String',
        "DateTime64(3, 'UTC')",
        'Nullable(String)',
        'UInt64',
        "Nullable(DateTime64(3, 'UTC'))",
        'Float64',
        'Nullable(UInt32)',
        'Nullable(String)',
      ],
      rows: [
        [
          'm1',
          '2026-03-01T12:00:00.001000+00:00',
          'B',
          1,
          '2026-03-01T12:00:00.001000+00:00',
          0,
          1,
          '{"plan":"plus ✓"}',
        ],
        [
          'm2',
          '2026-03-02T00:00:00+00:00',
          null,
          0,
          '2026-03-01T12:00:00.001000+00:00',
          12.25,
          1,
          '{"plan":"plus ✓"}',
        ],
      ],
      event: [false, { quote: 'it\'s "so"\t✓' }, '2025-03-02'],
      arrow: { types: ['string', 'timestamp[ms, tz=UTC]', 'uint64'], rows: 3 },
    });
  });
});

describe.skipIf(!hasPython)(titled('SQLAlchemy, as Superset asks', hasPython), () => {
  interface Seen {
    readonly schemas: string[];
    readonly tables: Record<
      string,
      {
        comment: string;
        columns: { name: string; type: string; nullable: boolean; comment: string }[];
      }
    >;
    readonly hasTable: boolean[];
    readonly keys: string[];
    readonly built: unknown[][];
    readonly written: number;
  }

  test('as the reader', async () => {
    const { schemas, tables, ...rest } = await runClient<Seen>('sqlalchemy-views.py', [port, 'bi']);
    expect(schemas).toEqual(['ledger_bi']);
    expect(
      Object.entries(tables).flatMap(([table, { comment: tableComment, columns: ofTable }]) =>
        ofTable.map(({ name, type, nullable, comment }) => ({
          table,
          tableComment,
          name,
          type,
          nullable,
          comment,
        })),
      ),
    ).toEqual(
      columns.map(({ table, tableComment, column, type, comment }) => ({
        table,
        tableComment,
        name: column,
        type: /^(?:Nullable\()?(\w+)/.exec(type)?.[1],
        nullable: type.startsWith('Nullable'),
        comment,
      })),
    );
    expect(rest).toEqual({ hasTable: [true, false], keys: [], built: [['c%1', 2, 1]], written: 3 });
  });
});

describe.skipIf(!hasJdbc)(titled('JDBC, as Metabase, Tableau and DBeaver ask', hasJdbc), () => {
  interface Seen {
    readonly schemas: string[];
    readonly tables: string[][];
    readonly columns: Record<string, string[][]>;
    readonly messages: unknown[][];
    readonly limited: number;
  }

  test('as the reader', async () => {
    const seen = await runClient<Seen>('jdbc-views.py', [...jdbcArguments(), port, 'bi']);
    expect(seen.schemas).toEqual(['ledger_bi']);
    const comments = new Map(columns.map(({ table, tableComment }) => [table, tableComment]));
    expect(seen.tables).toEqual(VIEWS.map((view) => [view, 'VIEW', comments.get(view)]));
    for (const view of VIEWS)
      expect(seen.columns[view]).toEqual(
        columns
          .filter(({ table }) => table === view)
          .map(({ column, type, comment }) => [
            column,
            type,
            type.startsWith('Nullable') ? 'YES' : 'NO',
            comment,
          ]),
      );
    expect(seen.messages).toEqual([
      ['m1', Date.UTC(2026, 2, 1, 12, 0, 0, 1), 1, 0, 'B'],
      ['m2', Date.UTC(2026, 2, 2), 0, 12.25, null],
    ]);
    expect(seen.limited).toBe(2);
  });
});
