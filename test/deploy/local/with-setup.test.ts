/** The wrapper around every npm script: what it runs ends as if it had been run by itself. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

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
