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

interface LockedPackage {
  readonly version?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly optional?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const locked = (
  JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Readonly<Record<string, LockedPackage>>;
  }
).packages;

/** A registry mirror may lack the binaries of other platforms than the tested one: those are pinned by version alone. */
function isForeign({ optional, os = ['linux'], cpu = ['x64'], libc = ['glibc'] }: LockedPackage): boolean {
  return optional === true && !(os.includes('linux') && cpu.includes('x64') && libc.includes('glibc'));
}

test('package-lock.json pins every package, and says no place to fetch it from', () => {
  const faults = Object.entries(locked)
    .filter(([folder]) => folder !== '')
    .filter(([, { version, integrity, resolved, ...made }]) => {
      return version === undefined || resolved !== undefined || (integrity === undefined && !isForeign(made));
    })
    .map(([folder]) => folder);
  expect(faults).toEqual([]);
});

test('package-lock.json has the binaries of every platform, without which npm ci refuses it everywhere', () => {
  const missing = Object.values(locked).flatMap(({ optionalDependencies = {} }) =>
    Object.keys(optionalDependencies).filter((name) => locked[`node_modules/${name}`] === undefined),
  );
  expect(missing).toEqual([]);
});
