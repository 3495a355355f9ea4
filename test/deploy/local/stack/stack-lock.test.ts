import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockStack, ownerOf, StackIsRunning } from '../../../../deploy/local/stack/stack-lock.ts';

const SOURCE = join(import.meta.dirname, '../../../../deploy/local/stack/stack-lock.ts');

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lock-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Another process that tries to take the lock, says whether it has it, and stays. */
async function contender() {
  const script = `
    import { lockStack } from ${JSON.stringify(SOURCE)};
    try { lockStack(${JSON.stringify(folder)}, 'command'); console.log('mine'); }
    catch (error) { console.log(error.name); }
    setInterval(() => {}, 1000);
  `;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  for await (const said of createInterface({ input: child.stdout })) return { child, said };
  throw new Error('it said nothing');
}

async function end({ child }: Awaited<ReturnType<typeof contender>>) {
  child.kill('SIGKILL');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

describe('the lock of a data directory', () => {
  it('is one owner’s until it is given back', () => {
    const unlock = lockStack(folder, 'embedded');
    expect(ownerOf(folder)).toMatchObject({ pid: process.pid, role: 'embedded' });
    expect(() => lockStack(folder, 'command')).toThrow(StackIsRunning);
    unlock();
    expect(ownerOf(folder)).toBeNull();
    lockStack(folder, 'command')();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('counts for nothing when its owner was killed', async () => {
    const owner = await contender();
    expect(owner.said).toBe('mine');
    expect(() => lockStack(folder, 'embedded')).toThrow(`in process ${owner.child.pid}`);
    await end(owner);
    expect(ownerOf(folder)).toBeNull();
    lockStack(folder, 'embedded')();
  });

  it('counts for nothing when another process has its owner’s number by now', () => {
    writeFileSync(
      join(folder, 'stack.lock'),
      JSON.stringify({ pid: process.pid, startedAt: 'long ago', role: 'command' }),
    );
    expect(ownerOf(folder)).toBeNull();
    lockStack(folder, 'embedded')();
  });

  it('counts for nothing when it was cut short', () => {
    writeFileSync(join(folder, 'stack.lock'), '{"pid": 12');
    lockStack(folder, 'embedded')();
  });

  it('goes to one of several who find a stale one', async () => {
    writeFileSync(
      join(folder, 'stack.lock'),
      JSON.stringify({ pid: 1, startedAt: 'long ago', role: 'command' }),
    );
    const contenders = await Promise.all([1, 2, 3, 4].map(contender));
    expect(contenders.map(({ said }) => said).sort()).toEqual([
      'StackIsRunning',
      'StackIsRunning',
      'StackIsRunning',
      'mine',
    ]);
    await Promise.all(contenders.map(end));
  });
});
