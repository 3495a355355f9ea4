/** Other people's clients, which set-up brings for the tests: Python with its packages, ClickHouse's JDBC driver. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { findJava } from '../../deploy/local/setup/java.mjs';

const folder = join(import.meta.dirname, '../../.tools/clients');
const programs = join(import.meta.dirname, 'clients');

/** LEDGER_PYTHON names another, which must have test/helpers/clients/requirements.txt. */
export const python = process.env.LEDGER_PYTHON ?? join(folder, 'python/bin/python');

export const hasPython = existsSync(python);

const jdbcDriver = join(folder, 'jdbc');
const java = findJava();

export const hasJdbc = hasPython && java !== null && existsSync(jdbcDriver);

/** The title of a test that needs a client: who reads in the list that it was skipped shall know what to do. */
export function titled(name: string, isThere: boolean): string {
  return isThere ? name : `${name} (skipped: set-up could not bring it, npm run setup says why)`;
}

/**
 * Runs a program of test/helpers/clients.
 * @returns what it printed, JSON
 * @throws {Error} with its standard error
 */
export async function runClient<Answer>(program: string, args: readonly string[]): Promise<Answer> {
  const options = { env: { ...process.env, PYTHONUTF8: '1' }, maxBuffer: 64 * 1024 * 1024 };
  const { stdout } = await promisify(execFile)(python, [join(programs, program), ...args], options);
  return JSON.parse(stdout) as Answer;
}

/** What `jdbc-views.py` needs to run the driver: Java's library and the jars. */
export function jdbcArguments(): string[] {
  if (java === null) throw new Error('no Java: npm run setup brings it');
  return [join(dirname(dirname(java)), 'lib/server/libjvm.so'), join(jdbcDriver, '*')];
}
