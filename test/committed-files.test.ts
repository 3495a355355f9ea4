/** What must not stand in any committed file, whatever its kind. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');

/** Where packages come from is each machine's own setting: a host named here would bypass its mirror. In pieces, since this file is searched too. */
const registryHosts = [
  ['registry', 'npmjs', 'org'],
  ['registry', 'yarnpkg', 'com'],
  ['pypi', 'org'],
  ['pythonhosted', 'org'],
  ['repo', 'maven', 'apache', 'org'],
  ['repo1', 'maven', 'org'],
  ['deb', 'debian', 'org'],
  ['security', 'debian', 'org'],
  ['proxy', 'golang', 'org'],
].map((parts) => parts.join('.'));

const committed = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' })
  .split('\0')
  .filter((file) => file !== '' && existsSync(join(root, file)) && statSync(join(root, file)).isFile());

test('no committed file names the host of a package registry', () => {
  const named = committed.flatMap((file) => {
    const text = readFileSync(join(root, file), 'latin1');
    return registryHosts.filter((host) => text.includes(host)).map((host) => `${file}: ${host}`);
  });
  expect(committed).toContain('package-lock.json');
  expect(named).toEqual([]);
});

test('package-lock.json pins every package by version and hash, and says no place to fetch it from', () => {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version?: string; integrity?: string; resolved?: string; inBundle?: boolean }>;
  };
  const faults = Object.entries(lock.packages)
    .filter(([folder]) => folder !== '')
    .filter(([, { version, integrity, resolved, inBundle }]) => {
      return version === undefined || (integrity === undefined && !inBundle) || resolved !== undefined;
    });
  expect(faults).toEqual([]);
});
