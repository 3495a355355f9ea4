/** The command as the documentation has it, `npm run -s ledger -- …`: whoever is told to end, or killed, nothing is left. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest';
import { eventually } from '../helpers/runner-harness.ts';
import { WholeLedger } from '../helpers/whole-ledger.ts';

const ROOT = join(import.meta.dirname, '../..');

let ledger: WholeLedger;
beforeAll(async () => {
  ledger = await WholeLedger.create(inject('configFile'));
});
afterEach(() => {
  for (const started of groups.splice(0)) signalGroup(started, 'SIGKILL');
});
afterAll(() => ledger[Symbol.asyncDispose]());

/** Whatever a failure has left is killed. */
const groups: Started[] = [];

interface Started {
  readonly npm: ChildProcess;
  readonly log: () => string;
}

/** Leads a process group of its own, as a service does; resolves when its log has the words. */
async function start(name: string, { kafka = {}, until = '"msg":"reading' } = {}): Promise<Started> {
  const logFile = join(ledger.folder, `${name}.log`);
  const configFile = await ledger.configured(name, { kafka: { groupPrefix: name, ...kafka } });
  const descriptor = openSync(logFile, 'a');
  const npm = spawn('npm', ['run', '-s', 'ledger', '--', 'run', 'profiles', '--config', configFile], {
    cwd: ROOT,
    env: { ...process.env, CAMPAIGN_LEDGER_LOG_FORMAT: 'json' },
    stdio: ['ignore', descriptor, descriptor],
    detached: true,
  });
  closeSync(descriptor);
  const log = () => readFileSync(logFile, 'utf8');
  const started = { npm, log };
  groups.push(started);
  await eventually(() => log().includes(until), { what: until, withinMs: 60_000 });
  return started;
}

/** The number of a group is that of its leader, also when the leader is gone. @returns false when nobody is left */
function signalGroup({ npm }: Started, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-(npm.pid ?? 0), signal);
  } catch {
    return false;
  }
}

const isGroupThere = (started: Started) => signalGroup(started, 0);

const times = (log: string, words: string) => log.split(words).length - 1;

function expectDrained(log: string): void {
  expect(times(log, '"msg":"draining'), log).toBe(1);
  expect(times(log, '"msg":"pipeline ended'), log).toBe(1);
  expect(log).not.toContain('second signal');
}

test('SIGTERM to npm drains, and npm ends with 0 after that', async () => {
  const started = await start('term');
  started.npm.kill('SIGTERM');
  expect(await once(started.npm, 'exit')).toEqual([0, null]);
  expect(isGroupThere(started)).toBe(false);
  expectDrained(started.log());
});

test('SIGTERM to the whole process group is one signal', async () => {
  const started = await start('group');
  signalGroup(started, 'SIGTERM');
  expect(await once(started.npm, 'exit')).toEqual([0, null]);
  await eventually(() => !isGroupThere(started), { what: 'the end of all' });
  expectDrained(started.log());
});

test('a second SIGTERM a second later ends it at once', async () => {
  // It waits for a broker, each time for some seconds: the first signal lets it do so once more.
  const started = await start('second', {
    kafka: { brokers: ['127.0.0.1:1'] },
    until: 'connection to Kafka',
  });
  await sleep(700);
  started.npm.kill('SIGTERM');
  await sleep(1_000);
  started.npm.kill('SIGTERM');
  // An end in good order is 0.
  expect(await once(started.npm, 'exit')).toEqual([1, null]);
  expect(isGroupThere(started)).toBe(false);
  expect(started.log()).toContain('ended at once by a second signal');
});

test('kill -9 of npm leaves nothing', async () => {
  const started = await start('kill');
  started.npm.kill('SIGKILL');
  await once(started.npm, 'exit');
  await eventually(() => !isGroupThere(started), { what: 'the end of all' });
  expectDrained(started.log());
});
