/** ClickHouse: applies the numbered files in order, each once; refuses files that changed and databases that are ahead. */
import type { ClickHouseClient } from '@clickhouse/client';
import type { Change, Finding, Plan } from '../plan.ts';
import {
  type AppliedMigration,
  createDatabase,
  databasesMissing,
  readApplied,
  recordApplied,
  run,
} from './applied-migrations.ts';
import { type Migration, type SqlNames, statementsOf } from './migration-files.ts';

export interface TableOptions {
  readonly names: SqlNames;
  readonly migrations: readonly Migration[];
  /** This program's version, for the record. */
  readonly program: string;
}

export async function planTables(clickhouse: ClickHouseClient, options: TableOptions): Promise<Plan> {
  const { names, migrations } = options;
  const missing = await databasesMissing(clickhouse, names);
  const applied = await readApplied(clickhouse, names);
  const faults = faultsOf(migrations, applied, names.database);
  const known = new Set(applied.map(({ number }) => number));
  return {
    changes: [
      ...missing.map((name) => databaseCreation(clickhouse, { name, names })),
      ...migrations
        .filter(({ number }) => !known.has(number))
        .map((migration) => application(clickhouse, migration, options)),
    ],
    drift: [],
    faults,
  };
}

/** What the database says about the files, where it cannot be followed. */
export function faultsOf(
  migrations: readonly Migration[],
  applied: readonly AppliedMigration[],
  database: string,
): Finding[] {
  const texts: string[] = [];
  const files = new Map(migrations.map((migration) => [migration.number, migration]));
  const last = migrations.at(-1)?.number ?? 0;
  const newest = applied.at(-1);
  if (newest !== undefined && newest.number > last) {
    texts.push(
      `database ${database} is ahead: it has ${newest.name}, applied by version ${newest.program} at ${newest.appliedAt} UTC, ` +
        `and this version knows files up to ${migrations.at(-1)?.name ?? 'none'}. It does not go back: use version ${newest.program} or newer`,
    );
  }
  for (const { number, name, sha256, appliedAt } of applied) {
    const file = files.get(number);
    if (file !== undefined && file.sha256 !== sha256) {
      texts.push(
        `${file.name} is not what was applied to database ${database} at ${appliedAt} UTC as ${name}: sha256 ${sha256} then, ` +
          `${file.sha256} now. An applied file stays as it is; a change belongs in a new file`,
      );
    }
  }
  const known = new Set(applied.map(({ number }) => number));
  for (const { number, name } of migrations) {
    if (!known.has(number) && newest !== undefined && number < newest.number) {
      texts.push(
        `${name} was never applied to database ${database}, but ${newest.name}, which comes after it, was`,
      );
    }
  }
  return texts.map((text) => ({ part: 'clickhouse', text }));
}

function databaseCreation(
  clickhouse: ClickHouseClient,
  target: { readonly name: string; readonly names: SqlNames },
): Change {
  return {
    part: 'clickhouse',
    verb: 'create',
    target: `database ${target.name}`,
    apply: () => createDatabase(clickhouse, target),
  };
}

function application(
  clickhouse: ClickHouseClient,
  migration: Migration,
  { names, program }: TableOptions,
): Change {
  const statements = statementsOf(migration, names);
  return {
    part: 'clickhouse',
    verb: 'apply',
    target: `${migration.name} to database ${names.database} (${statements.length === 1 ? '1 statement' : `${statements.length} statements`})`,
    apply: async () => {
      for (const statement of statements) await run(clickhouse, statement);
      await recordApplied(clickhouse, { migration, names, program });
    },
  };
}
