import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';

const MODULE = new URL('../../../pipelines/common/ending-signals.ts', import.meta.url).href;

/** It says which signals it was told as which; the second one ends it. */
const SOURCE = `import { onEndingSignals } from ${JSON.stringify(MODULE)};
  onEndingSignals(['SIGTERM', 'SIGINT'], {
    first: (signal) => console.log('first', signal),
    second: (signal) => { console.log('second', signal); process.exit(); },
  });
  setInterval(() => {}, 1000);
  console.log('ready');`;

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

async function start(): Promise<{ child: ChildProcess; said: () => readonly string[] }> {
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', SOURCE]);
  children.push(child);
  let text = '';
  child.stdout.on('data', (chunk) => (text += chunk));
  await once(child.stdout, 'data');
  return { child, said: () => text.trim().split('\n').slice(1) };
}

test('a signal that echoes is one signal, and again a second later it is the second', async () => {
  const { child, said } = await start();
  for (let times = 0; times < 3; times += 1) {
    child.kill('SIGTERM');
    await sleep(20);
  }
  await sleep(1_000);
  expect(said()).toEqual(['first SIGTERM']);
  child.kill('SIGTERM');
  await once(child, 'close');
  expect(said()).toEqual(['first SIGTERM', 'second SIGTERM']);
});

test('another signal is no echo', async () => {
  const { child, said } = await start();
  child.kill('SIGTERM');
  await sleep(20);
  child.kill('SIGINT');
  await once(child, 'close');
  expect(said()).toEqual(['first SIGTERM', 'second SIGINT']);
});
