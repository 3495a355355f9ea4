/**
 * What deploy/clickhouse/readonly-role.sql gives to its role, in the words of users.xml: the local engine cannot create
 * roles, and its reader shall meet the very limits that a server's does.
 */
import { readFileSync } from 'node:fs';

export interface ReaderRole {
  /** By setting; `min` and `max` bound what the reader may make of it. */
  readonly settings: Readonly<Record<string, { value: number; min?: number; max?: number }>>;
  /** Settings that the reader may not touch at all. */
  readonly fixed: readonly string[];
  /** Without `TO …`, on the databases that were asked for. */
  readonly grants: readonly string[];
  /** For each user by itself, within `seconds`. */
  readonly quota: { readonly seconds: number; readonly max: Readonly<Record<string, number>> };
}

const FILE = new URL('../../clickhouse/readonly-role.sql', import.meta.url);
const SECONDS = { second: 1, minute: 60, hour: 3600, day: 86_400 } as const;

/** The statements of the file, without comments. */
export function readerStatements(): readonly string[] {
  return readFileSync(FILE, 'utf8')
    .replaceAll(/^\s*--.*$/gm, '')
    .split(';')
    .map((statement) => statement.replaceAll(/\s+/g, ' ').trim())
    .filter((statement) => statement !== '');
}

/**
 * @param databases identifiers as they stand in SQL, for the file's `ledger_bi`
 * @throws {Error} when the file says something that this cannot put into users.xml: left out, the reader would be another
 */
export function readerRole(
  databases: readonly string[],
  statements: readonly string[] = readerStatements(),
): ReaderRole {
  const settings: Record<string, { value: number; min?: number; max?: number }> = {};
  const fixed: string[] = [];
  const grants: string[] = [];
  let quota: ReaderRole['quota'] | null = null;
  for (const statement of statements) {
    const profile = /^CREATE SETTINGS PROFILE IF NOT EXISTS ledger_reader_profile SETTINGS (.*)$/.exec(
      statement,
    );
    const grant = /^(GRANT [A-Z ,]+ ON )ledger_bi(\.\*) TO ledger_reader$/.exec(statement);
    const limit =
      /^CREATE QUOTA IF NOT EXISTS \w+ KEYED BY user_name FOR INTERVAL (\d+) (second|minute|hour|day) MAX (.*) TO ledger_reader$/.exec(
        statement,
      );
    if (profile !== null) {
      for (const part of (profile[1] ?? '').split(', ')) {
        const [, fixedName] = /^(\w+) CONST$/.exec(part) ?? [];
        if (fixedName !== undefined) {
          fixed.push(fixedName);
          continue;
        }
        const [, name, value, min, max] =
          /^(\w+) = (\d+)(?: MIN (\d+) MAX (\d+))?$/.exec(part) ?? cannotRead(part);
        settings[String(name)] = {
          value: Number(value),
          ...(min === undefined ? {} : { min: Number(min), max: Number(max) }),
        };
      }
    } else if (grant !== null) {
      grants.push(...databases.map((database) => `${grant[1]}${database}${grant[2]}`));
    } else if (limit !== null) {
      const parts = (limit[3] ?? '')
        .split(', ')
        .map((part) => /^(\w+) = (\d+)$/.exec(part) ?? cannotRead(part));
      quota = {
        seconds: Number(limit[1]) * SECONDS[limit[2] as keyof typeof SECONDS],
        max: Object.fromEntries(parts.map(([, name, value]) => [name, Number(value)])),
      };
    } else if (
      statement !== "CREATE ROLE IF NOT EXISTS ledger_reader SETTINGS PROFILE 'ledger_reader_profile'"
    ) {
      cannotRead(statement);
    }
  }
  return { settings, fixed, grants, quota: quota ?? cannotRead('no quota') };
}

function cannotRead(what: string): never {
  throw new Error(
    `deploy/clickhouse/readonly-role.sql: the local ClickHouse's reader cannot be given this: ${what}`,
  );
}
