/** Kafka is frozen, or gone, under running processes: what they say of it, how they end, and how they come back. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest';
import { change } from '../helpers/ledger-values.ts';
import { type OwnParts, startOwnParts } from '../helpers/own-parts.ts';
import type { PipelineChild } from '../helpers/pipeline-child.ts';
import { WholeLedger } from '../helpers/whole-ledger.ts';

/** Milliseconds; `shutdownTimeoutMs` of the default configuration. */
const SHUTDOWN_MS = 10_000;
/** Milliseconds: far less than a request to Kafka may take, far more than ending does on a machine that has other things to do. */
const AT_ONCE_MS = 6_000;

let parts: OwnParts;
let ledger: WholeLedger;
beforeAll(async () => {
  parts = await startOwnParts(['kafka']);
  const kafka = { sessionTimeoutMs: 6_000, topics: { profiles: { partitions: 1 } } };
  const overrides = { kafka: { ...kafka, ...parts.overrides.kafka } };
  ledger = await WholeLedger.create(inject('configFile'), { overrides });
});
afterEach(() => ledger.killAll());
afterAll(async () => {
  await ledger?.[Symbol.asyncDispose]();
  await parts?.[Symbol.asyncDispose]();
});

const isReady = async (running: PipelineChild) => (await running.get('/readyz')).status === 200;

async function readyProcess(configFile = ledger.configFile): Promise<PipelineChild> {
  const running = ledger.start(['profiles'], { configFile });
  await running.until('ready', () => isReady(running));
  return running;
}

/** It has the partition to itself and holds records of it: its end has something to wait for. */
async function processThatHolds(groupPrefix: string): Promise<PipelineChild> {
  const pipelines = { profiles: { flushIntervalMs: 600_000 } };
  // A session that outlives the test's waits: with it the records would be let go.
  const kafka = { groupPrefix, sessionTimeoutMs: 30_000 };
  const configFile = await ledger.configured(groupPrefix, { kafka, pipelines });
  const running = await readyProcess(configFile);
  const value = ledger.harness.encode('profiles', change({ change_id: groupPrefix }));
  await ledger.harness.produce('profiles', [{ value }]);
  await running.until('records', async () => (await running.metric('ledger_buffered_bytes')) > 0);
  return running;
}

/** How long it takes to end, once it has been told to. */
async function ending(running: PipelineChild): Promise<{ code: number | null; tookMs: number }> {
  const toldAt = performance.now();
  const { code } = await running.stop();
  return { code, tookMs: performance.now() - toldAt };
}

async function endingAtSecondSignal(running: PipelineChild): ReturnType<typeof ending> {
  running.signal('SIGTERM');
  await sleep(1_000);
  return ending(running);
}

function expectDrained(running: PipelineChild, { code, tookMs }: Awaited<ReturnType<typeof ending>>): void {
  expect(code, running.tail).toBe(0);
  expect(tookMs).toBeLessThan(SHUTDOWN_MS);
  expect(running.logged('pipeline ended'), running.tail).toBe(true);
  expect(running.logged('"level":"fatal"'), running.tail).toBe(false);
}

function expectEndedAtOnce(
  running: PipelineChild,
  { code, tookMs }: Awaited<ReturnType<typeof ending>>,
): void {
  expect(code, running.tail).toBe(1);
  expect(tookMs).toBeLessThan(AT_ONCE_MS);
  expect(running.logged('ended at once by a second signal')).toBe(true);
}

test('with Kafka frozen, for a moment or for long, a process ends in its time, and at once at a second signal', async () => {
  const [soon, late, impatient] = await Promise.all([
    readyProcess(),
    processThatHolds('frozen-late'),
    processThatHolds('frozen-impatient'),
  ]);
  await parts.part('kafka').kill('SIGSTOP');
  try {
    await sleep(1_000);
    const first = ending(soon);
    await sleep(5_000);
    const [second, third] = await Promise.all([ending(late), endingAtSecondSignal(impatient)]);
    expectDrained(soon, await first);
    expectDrained(late, second);
    expectEndedAtOnce(impatient, third);
  } finally {
    await parts.part('kafka').kill('SIGCONT');
  }
});

test('with Kafka gone it is the same', async () => {
  const [late, impatient] = await Promise.all([readyProcess(), processThatHolds('gone-impatient')]);
  await parts.part('kafka').kill();
  await sleep(6_000);
  const [first, second] = await Promise.all([ending(late), endingAtSecondSignal(impatient)]);
  await parts.part('kafka').start();
  expectDrained(late, first);
  expectEndedAtOnce(impatient, second);
});

test('an outage ends for every member when Kafka is back, also for one without a partition', async () => {
  const processes = await Promise.all([readyProcess(), readyProcess()]);
  await parts.part('kafka').kill();
  for (const running of processes) {
    await running.until('an outage', async () => (await running.metric('ledger_outage')) === 1);
    expect((await running.get('/readyz')).body).toContain('kafka');
  }
  await parts.part('kafka').start();
  for (const running of processes) {
    await running.until('ready again', () => isReady(running));
    expect(await running.metric('ledger_outage')).toBe(0);
  }
  const shares = processes.map((running) => running.metric('ledger_assigned_partitions'));
  expect((await Promise.all(shares)).toSorted()).toEqual([0, 1]);
});
