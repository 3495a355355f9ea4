/** The clients that only tests need: set-up goes on where they are not to be had, says so, and CI does not do without. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { hasJdbc, hasPython } from '../../../helpers/clients.ts';

const root = join(import.meta.dirname, '../../../..');

test.runIf(process.env.CI === 'true')('in CI no test that needs them is skipped', () => {
  expect({ hasPython, hasJdbc }).toEqual({ hasPython: true, hasJdbc: true });
});

test('every package is pinned, also those that the others need', () => {
  const lines = readFileSync(join(root, 'test/helpers/clients/requirements.txt'), 'utf8').split('\n');
  const packages = lines.filter((line) => line !== '' && !line.startsWith('#'));
  expect(packages.length).toBeGreaterThan(5);
  for (const line of packages) expect(line).toMatch(/^[A-Za-z0-9_.-]+==[\w.]+(; .+)?$/);
});

test.runIf(hasPython && process.env.LEDGER_PYTHON === undefined)('and nothing else is installed', () => {
  const program =
    "from importlib.metadata import distributions; print('\\n'.join(d.metadata['Name'] for d in distributions()))";
  const { stdout } = spawnSync(join(root, '.tools/clients/python/bin/python'), ['-c', program], {
    encoding: 'utf8',
  });
  const plain = (name: string) => name.toLowerCase().replaceAll(/[_.]/g, '-');
  const pinned = readFileSync(join(root, 'test/helpers/clients/requirements.txt'), 'utf8')
    .matchAll(/^([\w.-]+)==/gm)
    .map(([, name = '']) => plain(name))
    .toArray();
  const own = ['pip', 'setuptools'];
  expect(
    stdout
      .trim()
      .split('\n')
      .map(plain)
      .filter((name) => !own.includes(name) && !pinned.includes(name)),
  ).toEqual([]);
});

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'clients-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A checkout in which all else is there: the step alone is left. `bin` is the whole PATH. */
function stepIn(bin: Readonly<Record<string, string>>) {
  const checkout = join(folder, 'a checkout');
  for (const part of ['deploy/local/setup', 'test/helpers/clients'])
    cpSync(join(root, part), join(checkout, part), { recursive: true });
  mkdirSync(join(folder, 'bin'));
  for (const [name, text] of Object.entries(bin)) {
    writeFileSync(join(folder, 'bin', name), text);
    chmodSync(join(folder, 'bin', name), 0o755);
  }
  symlinkSync('/bin/sh', join(folder, 'bin', 'sh'));
  const program = `
    import { clientsStep } from ${JSON.stringify(join(checkout, 'deploy/local/setup/clients.mjs'))};
    const step = clientsStep();
    const before = step.isReady();
    await step.run(step.begin());
    console.log(JSON.stringify({ before, after: step.isReady(), lacks: step.lacks() }));
  `;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
    env: { PATH: join(folder, 'bin'), HOME: folder },
  });
  expect(stderr).toBe('');
  return JSON.parse(stdout) as { before: boolean; after: boolean; lacks: string };
}

const FAILS = '#!/bin/sh\necho "Could not resolve host"\nexit 1\n';

test('without network they are given up once, with the reason', () => {
  // A Python that is new enough, and makes an environment whose pip reaches nothing.
  const python = `#!/bin/sh\ncase "$*" in *ensurepip*) exit 0;; *"install"*) ${FAILS.split('\n')[1]}; exit 1;; *"pip --version"*) echo "pip 25.0";; esac\n`;
  const { before, after, lacks } = stepIn({ python3: python, mvn: FAILS });
  expect(before).toBe(false);
  expect(after).toBe(true);
  expect(lacks).toMatch(
    /^Python \(python3 ended with exit code 1, see .*clients-python\.log\) and JDBC \(mvn .*\)$/,
  );
  expect(readFileSync(join(folder, 'a checkout/.tools/log/clients-python.log'), 'utf8')).toContain(
    'Could not resolve host',
  );
});
