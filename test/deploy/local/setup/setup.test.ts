/** Set-up on a machine that lacks what it needs: it says so at once and touches nothing. */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

const root = join(import.meta.dirname, '../../../..');
let folder: string;
let checkout: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'setup-'));
  checkout = join(folder, 'a checkout');
  for (const part of [
    'package.json',
    'package-lock.json',
    '.nvmrc',
    'deploy/local/setup.mjs',
    'deploy/local/setup',
    'deploy/local/kafka/pom.xml',
    'test/helpers/clients',
  ])
    cpSync(join(root, part), join(checkout, part), { recursive: true });
  mkdirSync(join(folder, 'empty'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** With no program on PATH: no package manager, no npm, no Maven. */
function setUp(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [join(checkout, 'deploy/local/setup.mjs'), ...args], {
    encoding: 'utf8',
    env: { PATH: join(folder, 'empty'), HOME: folder },
  });
}

test('names everything that is missing, before anything is done', () => {
  const { status, stdout, stderr } = setUp();
  expect(stderr).toMatch(/nothing was changed/);
  expect(stderr).toMatch(/to bring Node and the packages: npm\n/);
  expect(stderr).toMatch(/to fetch Kafka's jars: Maven\n/);
  expect(stderr).toMatch(
    /then run this again\.\nOn Debian: apt-get update && apt-get install -y .*\bmaven\b/,
  );
  expect(stderr).not.toMatch(/\bat .*\.mjs/);
  expect(stdout).toBe('');
  expect(status).toBe(1);
  expect(existsSync(join(checkout, 'node_modules'))).toBe(false);
});

test('--check says what would be done and does none of it', () => {
  const { status, stdout } = setUp('--check');
  expect(stdout).toMatch(
    /^node +there: .*\npackages would npm ci --ignore-scripts.*\nclient +would .*\njava .*\nkafka +would fetch.*\nbrowser +there: .*\nclients +would install /,
  );
  expect(status).toBe(3);
  expect(existsSync(join(checkout, 'node_modules'))).toBe(false);
});

test('refuses what it does not know', () => {
  const { status, stderr } = setUp('--chekc');
  expect(stderr).toMatch(/^usage: /);
  expect(status).toBe(2);
});

test('the Node that is brought is one that set-up would accept', async () => {
  const { isNewEnough } = (await import(join(root, 'deploy/local/setup/node.mjs'))) as {
    isNewEnough: (version: string) => boolean;
  };
  expect(isNewEnough(readFileSync(join(root, '.nvmrc'), 'utf8'))).toBe(true);
  const verdicts = ['v20.19.0', 'v22.17.1', 'v22.18.0', 'v23.5.0', 'v23.6.0', 'v24.0.0', 'v26.1.0'].map(
    isNewEnough,
  );
  expect(verdicts).toEqual([false, false, true, false, true, true, true]);
});
