/** The lock of set-up: one holder at a time, and none that a killed process leaves behind. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';

const lockModule = pathToFileURL(join(import.meta.dirname, '../../../../deploy/local/setup/lock.mjs')).href;

let folder: string;
let children: ChildProcess[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'setup-lock-'));
  children = [];
});

afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** Runs `action` (JavaScript, with `fs` and the folder of the lock) under the lock in a process of its own; then `after`. */
function holder(action: string, after = ''): ChildProcess {
  const script = `
    import fs from 'node:fs';
    import { setTimeout as sleep } from 'node:timers/promises';
    import { withLock } from ${JSON.stringify(lockModule)};
    const folder = ${JSON.stringify(folder)};
    await withLock(folder + '/lock', { onWait() { console.log('waits'); } }, async () => { ${action} })${after};`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  return child;
}

test('processes that come at once work one after the other', async () => {
  // Two inside at once would read the same number and write it twice.
  const action = `
    const file = folder + '/count';
    const count = fs.existsSync(file) ? Number(fs.readFileSync(file, 'utf8')) : 0;
    await sleep(20);
    fs.writeFileSync(file, String(count + 1));`;
  const ends = Array.from({ length: 8 }, () => once(holder(action), 'exit'));
  for (const [code] of await Promise.all(ends)) expect(code).toBe(0);
  expect(readFileSync(join(folder, 'count'), 'utf8')).toBe('8');
});

test('a holder that was killed does not hold it any longer', async () => {
  const first = holder(`console.log('holds'); await sleep(600_000);`);
  await lineFrom(first);
  const second = holder(`console.log('has it');`);
  expect(await lineFrom(second)).toBe('waits');
  const line = lineFrom(second);
  first.kill('SIGKILL');
  expect(await line).toBe('has it');
});

test('an action that fails gives it back at once', async () => {
  const failing = holder(
    `throw new Error('on purpose');`,
    `.catch(() => console.log('failed')); await sleep(600_000)`,
  );
  expect(await lineFrom(failing)).toBe('failed');
  expect(await lineFrom(holder(`console.log('has it');`))).toBe('has it');
  expect(failing.exitCode).toBeNull();
});

async function lineFrom(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('no output');
  const [chunk] = await once(child.stdout, 'data');
  return String(chunk).trim();
}
