/** What bounds memory and waiting, small: `npm run endurance` shows the same with millions of records and minutes of outage. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest';
import { deadLetterTopic } from '../../config/topics.ts';
import type { Sent } from '../helpers/ledger-harness.ts';
import { feedback } from '../helpers/ledger-values.ts';
import { type OwnParts, startOwnParts } from '../helpers/own-parts.ts';
import type { PipelineChild } from '../helpers/pipeline-child.ts';
import { WholeLedger } from '../helpers/whole-ledger.ts';

const KIB = 1024;
const MAX_BUFFERED_BYTES = 512 * KIB;
/** What one call of the client may add to full buffers: a thousand records. */
const ONE_CALL_BYTES = 400 * KIB;
/** The least that can be configured. */
const MAX_POLL_MS = 10_000;

let parts: OwnParts;
let ledger: WholeLedger;
beforeAll(async () => {
  parts = await startOwnParts(['clickhouse']);
  const limits = { maxBatchRecords: 2_000, maxBatchBytes: 256 * KIB, maxBufferedBytes: MAX_BUFFERED_BYTES };
  ledger = await WholeLedger.create(inject('configFile'), {
    overrides: {
      ...parts.overrides,
      kafka: { sessionTimeoutMs: 2_000, maxPollIntervalMs: MAX_POLL_MS, queuedMaxKbytes: KIB },
      pipelines: { tracking: { ...limits, flushIntervalMs: 100 } },
    },
  });
});
afterEach(() => ledger.killAll());
afterAll(async () => {
  await ledger?.[Symbol.asyncDispose]();
  await parts?.[Symbol.asyncDispose]();
});

async function readyTracking(): Promise<PipelineChild> {
  const running = ledger.start(['tracking']);
  await running.until('ready', async () => (await running.get('/readyz')).status === 200);
  return running;
}

function goodOnes(name: string, count: number): (Sent & { partition: number })[] {
  return Array.from({ length: count }, (_, index) => {
    const event = feedback({ event_id: `${name}-${index}`, message_id: `${name}-${index}` });
    return { key: 'acme/u1', value: ledger.harness.encode('feedback', event), partition: 1 + (index % 2) };
  });
}

const stored = async (name: string) => {
  const query = 'SELECT count() AS rows FROM events WHERE startsWith(event_id, {name:String})';
  return Number((await ledger.rows<{ rows: number }>(query, { name }))[0]?.rows);
};

/** Over all partitions. */
async function lettersSent(): Promise<number> {
  const topic = deadLetterTopic(ledger.topic('feedback'));
  const count = (await ledger.partitions([topic])).get(topic) ?? 0;
  const partitions = Array.from({ length: count }, (_, partition) => ({ topic, partition }));
  return (await ledger.harness.admin.watermarks(partitions)).reduce((sum, { high }) => sum + high, 0);
}

test('a burst of bad records in one partition does not hold up the others until all of it is done', async () => {
  const burst = 20_000;
  const bad = Array.from({ length: burst }, (_, index) => ({
    key: 'acme/u2',
    value: Buffer.from(`bad ${index} ${'x'.repeat(250)}`),
    partition: 0,
  }));
  await ledger.harness.produce('feedback', bad);
  await ledger.harness.produce('feedback', goodOnes('behind', 200));
  const running = await readyTracking();
  await running.until('the good ones stored', async () => (await stored('behind')) === 200);
  expect(await lettersSent()).toBeLessThan(burst);
  await ledger.caughtUp(['tracking']);
  expect(await lettersSent()).toBe(burst);
  expect(await running.stop()).toEqual({ code: 0, signal: null });
});

test('an outage fills the buffers and no more, and costs no partition', async () => {
  const running = await readyTracking();
  await parts.part('clickhouse').kill();
  await ledger.harness.produce('feedback', goodOnes('outage', 12_000));
  await running.until('paused', async () => (await running.metric('ledger_paused_partitions')) > 0);
  // The group would take the partitions away from a member that is not heard of for so long.
  await sleep(1.2 * MAX_POLL_MS);
  const buffered = await running.metric('ledger_buffered_bytes');
  expect(buffered).toBeGreaterThanOrEqual(MAX_BUFFERED_BYTES);
  expect(buffered).toBeLessThan(MAX_BUFFERED_BYTES + ONE_CALL_BYTES);
  await parts.part('clickhouse').start();
  await ledger.caughtUp(['tracking']);
  expect(running.log.filter(({ msg }) => msg === 'partitions assigned')).toHaveLength(1);
  expect(running.logged('partitions revoked')).toBe(false);
  expect(await stored('outage')).toBe(12_000);
  expect(await running.stop()).toEqual({ code: 0, signal: null });
});
