/** The numbered SQL files: read, checked, and filled in with what the configuration names. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import type { Config } from '../../../config/schema.ts';

export interface Migration {
  readonly number: number;
  /** File name, for example `001_events.sql`. */
  readonly name: string;
  /** Of the file as it is written, not as it is filled in: another database name is no other migration. */
  readonly sha256: string;
  readonly text: string;
}

const DIRECTORY = new URL('../../clickhouse/', import.meta.url);
const FILE_NAME = /^(\d{3})_[a-z0-9_]+\.sql$/;

/** In the order in which they are applied. @throws {Error} a name or a number is not as it should be */
export function readMigrations(directory: URL = DIRECTORY): readonly Migration[] {
  const migrations = readdirSync(directory)
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .map((name) => {
      const number = Number(FILE_NAME.exec(name)?.[1]);
      if (!Number.isInteger(number)) throw new Error(`${name}: the name must be NNN_lower_case.sql`);
      const text = readFileSync(new URL(name, directory), 'utf8').replaceAll('\r\n', '\n');
      return { number, name, text, sha256: createHash('sha256').update(text).digest('hex') };
    });
  migrations.forEach(({ number, name }, index) => {
    if (number !== index + 1) throw new Error(`${name}: the number must be ${index + 1}`);
  });
  return migrations;
}

export type SqlNames = Pick<Config['clickhouse'], 'database' | 'biDatabase' | 'cluster'>;

/** Single statements, without the semicolon. @throws {Error} a placeholder that there is none of */
export function statementsOf(
  { name, text }: Pick<Migration, 'name' | 'text'>,
  names: SqlNames,
): readonly string[] {
  return fillIn(text, names, name)
    .split(/;[ \t]*(?:\n|$)/)
    .map((statement) => statement.trim())
    .filter((statement) => statement.replace(/^--.*$/gm, '').trim() !== '');
}

/** The configuration takes plain identifiers only; the quotes make that no matter of trust. */
export function quoted(identifier: string): string {
  return `\`${identifier.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\``;
}

export function onCluster({ cluster }: SqlNames): string {
  return cluster === null ? '' : `ON CLUSTER ${quoted(cluster)}`;
}

function fillIn(text: string, names: SqlNames, file: string): string {
  const values: Readonly<Record<string, string>> = {
    database: quoted(names.database),
    bi_database: quoted(names.biDatabase),
    on_cluster: onCluster(names),
    // Paths and replica names are the server's defaults: /clickhouse/tables/{uuid}/{shard} and {replica}.
    replicated: names.cluster === null ? '' : 'Replicated',
  };
  return text.replaceAll(/\$\{([^}]*)\}/g, (placeholder, key: string) => {
    const value = values[key];
    if (value === undefined) throw new Error(`${file}: unknown placeholder ${placeholder}`);
    return value;
  });
}
