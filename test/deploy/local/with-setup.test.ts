/** The wrapper around every npm script: what it runs ends as if it had been run by itself. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../../helpers/runner-harness.ts';

const wrapper = join(import.meta.dirname, '../../../deploy/local/with-setup.mjs');
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'with-setup-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Runs a TypeScript file under the wrapper, as an npm script does; `LEDGER_SETUP_DONE` is unset so that it looks for itself. */
function runWrapped(name: string, source: string, args: readonly string[] = []): ChildProcess {
  const file = join(folder, `${name}.ts`);
  writeFileSync(file, source);
  const { LEDGER_SETUP_DONE: _, ...env } = process.env;
  return spawn(process.execPath, [wrapper, '--up-to', 'node', file, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function outputOf(
  child: ChildProcess,
): Promise<{ stdout: string; stderr: string; code: number | null; signal: string | null }> {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk) => (stdout += chunk));
  child.stderr?.on('data', (chunk) => (stderr += chunk));
  const [code, signal] = await once(child, 'close');
  return { stdout, stderr, code, signal };
}

test('passes arguments, output and exit code through and adds nothing of its own', async () => {
  const source = `const words: readonly string[] = process.argv.slice(2);
    console.log(JSON.stringify(words));
    process.exitCode = 3;`;
  const { stdout, stderr, code } = await outputOf(runWrapped('exit', source, ['--up-to', 'a b', '*']));
  expect(JSON.parse(stdout)).toEqual(['--up-to', 'a b', '*']);
  expect(stderr).toBe('');
  expect(code).toBe(3);
});

test('passes SIGTERM on and waits for an orderly end', async () => {
  const source = `process.on('SIGTERM', () => { console.log('drained'); process.exit(0); });
    setInterval(() => {}, 1000);
    console.log('ready');`;
  const child = runWrapped('drain', source);
  const output = outputOf(child);
  if (child.stdout !== null) await once(child.stdout, 'data');
  child.kill('SIGTERM');
  expect(await output).toMatchObject({ stdout: 'ready\ndrained\n', code: 0 });
});

test('dies of the signal that what it ran died of', async () => {
  const child = runWrapped('die', `process.kill(process.pid, 'SIGTERM'); setInterval(() => {}, 1000);`);
  expect(await outputOf(child)).toMatchObject({ code: null, signal: 'SIGTERM' });
});

/** A program that says its pid, starts another one apart from itself, as a detached stack is, and drains when it is told to. */
const DRAINS = `import { spawn } from 'node:child_process';
  const apart = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 20000)'], { detached: true, stdio: 'ignore' });
  apart.unref();
  process.on('SIGTERM', () => { process.stdout.write('drained '); process.exit(0); });
  setInterval(() => {}, 1000);
  process.stdout.write(process.pid + ' ' + apart.pid + ' ');`;

const isThere = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

async function pidsFrom(child: ChildProcess): Promise<readonly [number, number]> {
  let text = '';
  child.stdout?.on('data', (chunk) => (text += chunk));
  await eventually(() => /^\d+ \d+ /.test(text), { what: 'the program' });
  const [pid = 0, apart = 0] = text.split(' ').map(Number);
  return [pid, apart];
}

test('what it runs does not outlive it, and what that has started apart does', async () => {
  const child = runWrapped('orphan', DRAINS);
  const [pid, apart] = await pidsFrom(child);
  child.kill('SIGKILL');
  await eventually(() => !isThere(pid), { withinMs: 5_000, what: 'its end' });
  expect(isThere(apart)).toBe(true);
  process.kill(apart);
});

test('when npm is killed what runs is told to end, and drains', async () => {
  const file = join(folder, 'unseen.ts');
  writeFileSync(file, DRAINS);
  const asNpm = `require('node:child_process').spawn(process.execPath, process.argv.slice(1), { stdio: 'inherit' })`;
  const npm = spawn(process.execPath, ['-e', asNpm, wrapper, '--up-to', 'node', file], {
    env: { ...process.env, npm_lifecycle_event: 'ledger' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const output = outputOf(npm);
  const [pid, apart] = await pidsFrom(npm);
  npm.kill('SIGKILL');
  expect((await output).stdout).toContain('drained');
  await eventually(() => !isThere(pid), { withinMs: 5_000, what: 'its end' });
  process.kill(apart);
});
