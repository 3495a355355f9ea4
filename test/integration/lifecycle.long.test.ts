/** A pipeline process from start to end: what it tells, how it shares the work, waits for services, and ends when told to. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import type { PipelineName } from '../../config/schema.ts';
import type { TopicRole } from '../../config/topics.ts';
import { RECORD_OVERHEAD_BYTES } from '../../pipelines/common/runner/packed-records.ts';
import { audit } from '../helpers/audit.ts';
import { change, definition, delivery, feedback, NOON } from '../helpers/ledger-values.ts';
import { type OwnParts, startOwnParts } from '../helpers/own-parts.ts';
import type { PipelineChild } from '../helpers/pipeline-child.ts';
import { ROLES, WholeLedger } from '../helpers/whole-ledger.ts';

// Several waits in a row, on a machine that may have other things to do.
vi.setConfig({ testTimeout: 300_000 });

const PIPELINES: readonly PipelineName[] = ['tracking', 'archive', 'profiles'];

/** A group notices within a second or so who came, and within three who is gone without a word. */
const QUICK_GROUPS = { kafka: { sessionTimeoutMs: 3_000 } };

let round = 0;

/** Records of all four topics, spread over their partitions; no two calls send the same. @returns how many bytes */
async function produceSome(ledger: WholeLedger, count: number): Promise<Record<TopicRole, number>> {
  round += 1;
  const bytes = { definitions: 0, delivery: 0, feedback: 0, profiles: 0 };
  const eventOf = (role: TopicRole, index: number, user_id: string): object => {
    const id = `${round}-${index}`;
    const message = { message_id: `m${id}`, event_id: id, user_id, occurred_at: NOON + index };
    if (role === 'definitions') return definition({ campaign_id: id });
    if (role === 'delivery') return delivery(message);
    if (role === 'feedback') return feedback(message);
    return change({
      change_id: id,
      user_id,
      op: 'PATCH',
      changed_at: NOON + index,
      attributes: `{"n${id}":1}`,
    });
  };
  for (const role of ROLES) {
    const records = Array.from({ length: count }, (_, index) => {
      const user = `u${index % 40}`;
      const key = role === 'definitions' ? `acme/${round}-${index}` : `acme/${user}`;
      return { key, value: ledger.harness.encode(role, eventOf(role, index, user)) };
    });
    for (const { key, value } of records) bytes[role] += key.length + value.length;
    await ledger.harness.produce(role, records);
  }
  return bytes;
}

const isReady = async (running: PipelineChild) => (await running.get('/readyz')).status === 200;

describe('a process', () => {
  let ledger: WholeLedger;
  beforeAll(async () => {
    ledger = await WholeLedger.create(inject('configFile'), { overrides: QUICK_GROUPS });
  });
  afterEach(() => ledger.killAll());
  afterAll(() => ledger[Symbol.asyncDispose]());

  test('told to end writes and commits what it has gathered, and exits 0', async () => {
    const bytes = await produceSome(ledger, 60);
    const waits = { flushIntervalMs: 600_000, maxBatchRecords: 100_000 };
    const configFile = await ledger.configured('waits', {
      pipelines: { tracking: waits, archive: waits, profiles: waits },
    });
    const running = ledger.start([], { configFile });
    const held = (roles: readonly TopicRole[]) =>
      roles.reduce((sum, role) => sum + bytes[role] + 60 * RECORD_OVERHEAD_BYTES, 0);
    const gathered = {
      tracking: held(['definitions', 'delivery', 'feedback']),
      archive: held(ROLES),
      profiles: held(['profiles']),
    };
    for (const pipeline of PIPELINES) {
      const labels = { pipeline };
      await running.until(
        `${pipeline} with everything in memory`,
        async () => (await running.metric('ledger_buffered_bytes', labels)) === gathered[pipeline],
      );
      expect(await running.metric('ledger_records_total', labels)).toBe(0);
    }
    expect(await ledger.rows('SELECT count() AS rows FROM events')).toEqual([{ rows: 0 }]);
    expect(await running.stop()).toEqual({ code: 0, signal: null });
    expect(running.logged('not everything could be written in time')).toBe(false);
    for (const pipeline of PIPELINES) expect(await ledger.hasCaughtUp(pipeline)).toBe(true);
    expect(await audit(ledger)).toEqual([]);
  });

  test('tells how it is and what it does, on loopback', async () => {
    const running = ledger.start();
    expect(await running.url()).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    await running.until('ready', () => isReady(running));
    expect(await running.get('/healthz')).toMatchObject({ status: 200, body: '{"status":"ok"}' });
    await produceSome(ledger, 50);
    const latest = NOON + 86_400_000;
    await ledger.harness.produce('feedback', [
      {
        value: ledger.harness.encode('feedback', feedback({ event_id: 'latest', occurred_at: latest })),
        partition: 0,
      },
      { value: null, partition: 0 },
    ]);
    await ledger.caughtUp();
    await running.until('no lag', async () => (await running.metric('ledger_lag_offsets')) === 0);

    const topic = ledger.topic('feedback');
    for (const pipeline of PIPELINES) {
      const labels = { pipeline };
      for (const name of ['ledger_records_total', 'ledger_batches_total', 'ledger_bytes_total']) {
        expect(await running.metric(name, labels), `${name} of ${pipeline}`).toBeGreaterThan(0);
      }
      expect(await running.metric('ledger_flush_seconds_count', labels)).toBeGreaterThan(0);
    }
    expect(await running.metric('ledger_dead_letters_total', { topic, code: 'tombstone' })).toBeGreaterThan(
      0,
    );
    expect(
      await running.metric('ledger_newest_event_timestamp_seconds', { pipeline: 'tracking', topic }),
    ).toBe(latest / 1_000);
    const watermarks = await ledger.harness.admin.watermarks(
      [0, 1, 2].map((partition) => ({ topic, partition })),
    );
    for (const { partition, high } of watermarks) {
      const labels = { topic, partition: String(partition) };
      expect(await running.metric('ledger_archived_to_offset', labels)).toBe(high);
    }
    const { body } = await running.get('/metrics');
    for (const name of ['ledger_retries_total', 'process_resident_memory_bytes'])
      expect(body).toContain(`# HELP ${name}`);
    expect(await running.stop()).toEqual({ code: 0, signal: null });
  });

  test('shares the topics with others of its kind, and takes over what they leave', async () => {
    const processes = [ledger.start(), ledger.start()];
    const partitionsOf = (running: PipelineChild, pipeline: PipelineName) =>
      running.metric('ledger_assigned_partitions', { pipeline });
    for (const pipeline of PIPELINES) {
      for (const running of processes) {
        await running.until(
          `a share of ${pipeline}`,
          async () => (await partitionsOf(running, pipeline)) > 0,
        );
      }
    }
    for (const running of processes) await running.until('ready', () => isReady(running));
    await produceSome(ledger, 120);
    await ledger.caughtUp();
    for (const running of processes)
      for (const pipeline of PIPELINES)
        expect(await running.metric('ledger_records_total', { pipeline })).toBeGreaterThan(0);

    const [leaving, staying] = processes;
    expect(await leaving?.stop()).toEqual({ code: 0, signal: null });
    await produceSome(ledger, 60);
    await ledger.caughtUp();
    expect(await staying?.stop()).toEqual({ code: 0, signal: null });
    expect(await audit(ledger)).toEqual([]);
  });
});

describe('while a service is away', () => {
  let parts: OwnParts;
  let ledger: WholeLedger;
  let running: PipelineChild;
  beforeAll(async () => {
    parts = await startOwnParts(['clickhouse', 'blob']);
    const overrides = { ...parts.overrides, ...QUICK_GROUPS };
    ledger = await WholeLedger.create(inject('configFile'), { overrides });
  });
  afterAll(async () => {
    await ledger[Symbol.asyncDispose]();
    await parts[Symbol.asyncDispose]();
  });

  const waitsFor = async (pipeline: PipelineName, service: string) => {
    const labels = { pipeline, service };
    await running.until(
      `${pipeline} that waits for ${service}`,
      async () => (await running.metric('ledger_outage', labels)) === 1,
    );
  };

  test('those that need ClickHouse wait and say so, the archive goes on, and nothing is a dead letter', async () => {
    const configFile = await ledger.configured('patient', { shutdownTimeoutMs: 3_600_000 });
    running = ledger.start([], { configFile });
    await running.until('ready', () => isReady(running));
    await produceSome(ledger, 20);
    await ledger.caughtUp();
    await parts.part('clickhouse').kill();
    await produceSome(ledger, 50);
    await waitsFor('tracking', 'clickhouse');
    await waitsFor('profiles', 'clickhouse');
    await ledger.caughtUp(['archive']);
    const ready = await running.get('/readyz');
    expect(ready.status).toBe(503);
    expect(ready.body).toContain('clickhouse');
    expect((await running.get('/healthz')).status).toBe(200);
    expect(await running.metric('ledger_retries_total', { service: 'clickhouse' })).toBeGreaterThan(0);
    for (const role of ROLES) expect(await ledger.letters(role)).toEqual([]);
  });

  test('one signal lets it go on trying, a second one ends it at once', async () => {
    running.signal('SIGTERM');
    await running.until('draining', () => running.logged('draining', 'tracking'));
    // Sooner a second one would be taken for the first one's echo.
    await sleep(600);
    expect(running.end).toBeNull();
    running.signal('SIGTERM');
    expect(await running.ended).toEqual({ code: 1, signal: null });
    expect(running.logged('ended at once by a second signal')).toBe(true);
  });

  test('it waits from the start as well, and goes on by itself when the service is back', async () => {
    running = ledger.start([], {
      configFile: await ledger.configured('hasty', { shutdownTimeoutMs: 2_000 }),
    });
    await waitsFor('tracking', 'clickhouse');
    await parts.part('clickhouse').start();
    await ledger.caughtUp();
    await running.until('ready', () => isReady(running));
    expect(await running.metric('ledger_outage')).toBe(0);
    expect(await audit(ledger)).toEqual([]);
  });

  test('the archive waits for Blob storage, and those that do not need it go on', async () => {
    await parts.part('blob').kill();
    await produceSome(ledger, 50);
    await waitsFor('archive', 'blob');
    await ledger.caughtUp(['tracking', 'profiles']);
    const ready = await running.get('/readyz');
    expect(ready.status).toBe(503);
    expect(ready.body).toContain('blob');
    expect(ready.body).not.toContain('clickhouse');
  });

  test('it ends with 0 when its time for ending is over, and the next one finishes what it began', async () => {
    expect(await running.stop()).toEqual({ code: 0, signal: null });
    expect(await ledger.hasCaughtUp('archive')).toBe(false);
    await parts.part('blob').start();
    running = ledger.start();
    await ledger.caughtUp();
    await running.until('ready', () => isReady(running));
    expect(await running.stop()).toEqual({ code: 0, signal: null });
    expect(await audit(ledger)).toEqual([]);
  });
});
