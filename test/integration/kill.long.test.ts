/** kill -9 of pipelines, of ClickHouse and of Blob storage in the middle of a load: nothing is lost, nothing is there twice. */
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test, vi } from 'vitest';
import type { PipelineName } from '../../config/schema.ts';
import { FAULT_POINTS_VARIABLE } from '../../pipelines/common/fault-points.ts';
import { audit, gatherEvidence } from '../helpers/audit.ts';
import { type OwnParts, startOwnParts } from '../helpers/own-parts.ts';
import type { PipelineChild } from '../helpers/pipeline-child.ts';
import { SteadyLoad } from '../helpers/steady-load.ts';
import { WholeLedger } from '../helpers/whole-ledger.ts';

// Several waits in a row, on a machine that may have other things to do.
vi.setConfig({ testTimeout: 300_000 });

/** Where each pipeline is killed, one process after another. The number is the pass at which it happens. */
const POINTS: Readonly<Record<PipelineName, readonly string[]>> = {
  tracking: [
    'before-insert:2',
    'mid-write:2',
    'after-insert:2',
    'before-progress:2',
    'after-progress:2',
    'before-commit:4',
  ],
  archive: [
    'before-intent:2',
    'after-intent:3',
    'mid-write:2',
    'between-segments',
    'before-head:2',
    'after-head:2',
  ],
  profiles: [
    'mid-write',
    'after-insert',
    'before-fold:2',
    'after-fold:2',
    'before-progress',
    'after-write:2',
  ],
};
const PIPELINES = Object.keys(POINTS) as PipelineName[];

let parts: OwnParts;
let ledger: WholeLedger;
let load: SteadyLoad;

beforeAll(async () => {
  parts = await startOwnParts(['clickhouse', 'blob']);
  const overrides = { ...parts.overrides, kafka: { sessionTimeoutMs: 2_000 } };
  ledger = await WholeLedger.create(inject('configFile'), { overrides });
  load = new SteadyLoad(ledger.harness, 20_261_124);
});
afterAll(async () => {
  await ledger[Symbol.asyncDispose]();
  await parts[Symbol.asyncDispose]();
});
beforeEach(() => load.start());
afterEach(async () => {
  await load.stop();
  await ledger.killAll();
});

/** A process that kills or freezes itself at the points. */
function startWith(faults: string, pipelines: readonly PipelineName[] = PIPELINES): PipelineChild {
  return ledger.start(pipelines, { env: { [FAULT_POINTS_VARIABLE]: faults } });
}

async function untilItStoresSomething(running: PipelineChild): Promise<void> {
  await running.until('something stored', async () => (await running.metric('ledger_records_total')) > 0);
}

/** Nothing more is sent; what there is is carried to the end by a process in good health, or by those that run. */
async function settle({ isRunning = false } = {}): Promise<void> {
  await load.stop();
  const last = isRunning ? null : ledger.start();
  await ledger.caughtUp();
  if (last !== null) expect(await last.stop()).toEqual({ code: 0, signal: null });
}

async function expectExactlyOnce(): Promise<void> {
  const evidence = await gatherEvidence(ledger);
  const records = Object.values(evidence.records).reduce((sum, { length }) => sum + length, 0);
  expect(records).toBe(load.sent);
  for (const { good, bad } of [evidence.judged.delivery, evidence.judged.profiles]) {
    expect(Math.min(good.length, bad.length)).toBeGreaterThan(0);
  }
  expect(await audit(ledger, evidence)).toEqual([]);
}

describe('a pipeline killed', () => {
  test('at every point of its work, one after another', async () => {
    const killAtEach = async (pipeline: PipelineName) => {
      const bitten: string[] = [];
      for (const point of POINTS[pipeline]) {
        const running = startWith(`${pipeline}/${point}=SIGKILL`, [pipeline]);
        await running.until(`killed at ${pipeline}/${point}`, () => running.end !== null);
        expect(await running.ended).toEqual({ code: null, signal: 'SIGKILL' });
        if (running.logged(`fault point ${pipeline}/${point.split(':')[0]}: SIGKILL`)) bitten.push(point);
      }
      expect(bitten).toEqual(POINTS[pipeline]);
    };
    await Promise.all(PIPELINES.map(killAtEach));
    await settle();
    await expectExactlyOnce();
  });

  test('at any moment, all three of them at once', async () => {
    for (let kills = 0; kills < 3; kills += 1) {
      const running = ledger.start();
      await untilItStoresSomething(running);
      await sleep(randomInt(500));
      expect(await running.kill()).toEqual({ code: null, signal: 'SIGKILL' });
    }
    await settle();
    await expectExactlyOnce();
  });

  test('beside another that shares its topics, during a rebalance, and while it ends', async () => {
    const all = async (member: PipelineChild) => (await member.metric('ledger_assigned_partitions')) === 18;
    const first = ledger.start();
    // Were it not the first to join, the second would be the one that hands over partitions, and be killed right away.
    await first.until('all of the partitions', () => all(first));
    const second = startWith('tracking/during-rebalance=SIGKILL');
    for (const pipeline of PIPELINES) {
      const labels = { pipeline };
      await second.until(
        `a share of ${pipeline}`,
        async () => (await second.metric('ledger_assigned_partitions', labels)) > 0,
      );
    }
    await untilItStoresSomething(second);
    await first.kill();
    await second.until('all of the partitions', () => all(second));

    const third = startWith('archive/during-shutdown=SIGKILL');
    expect(await second.ended).toEqual({ code: null, signal: 'SIGKILL' });
    expect(second.logged('fault point tracking/during-rebalance: SIGKILL')).toBe(true);
    await untilItStoresSomething(third);
    expect(await third.stop()).toEqual({ code: null, signal: 'SIGKILL' });
    expect(third.logged('fault point archive/during-shutdown: SIGKILL')).toBe(true);
    await settle();
    await expectExactlyOnce();
  });
});

describe('ClickHouse killed', () => {
  const retries = (running: PipelineChild) =>
    running.metric('ledger_retries_total', { service: 'clickhouse' });

  async function untilAnInsertIsUnderWay(): Promise<void> {
    const isInserting = "SELECT count() AS inserts FROM system.processes WHERE query_kind = 'Insert'";
    for (;;) {
      const [row] = await ledger.rows<{ inserts: number }>(isInserting);
      if ((row?.inserts ?? 0) > 0) return;
    }
  }

  test('while it inserts, and with half of an insert sent', async () => {
    const running = startWith('tracking/mid-write:3=SIGSTOP');
    await running.until('frozen in an insert', () =>
      running.logged('fault point tracking/mid-write: SIGSTOP'),
    );
    await parts.part('clickhouse').kill();
    running.signal('SIGCONT');
    await parts.part('clickhouse').start();

    for (let kills = 0; kills < 3; kills += 1) {
      const before = await retries(running);
      await load.burst(600);
      await untilAnInsertIsUnderWay();
      await parts.part('clickhouse').kill();
      await running.until('an outage', async () => (await retries(running)) > before);
      await parts.part('clickhouse').start();
    }
    await settle({ isRunning: true });
    expect(await running.stop()).toEqual({ code: 0, signal: null });
    await expectExactlyOnce();
  });
});

describe('Blob storage killed', () => {
  test('with a segment or a head on its way', async () => {
    // A process for each: repeated attempts pass the points too, and would be frozen while the store is away.
    for (const point of ['mid-write:2', 'before-head:4', 'mid-write:7']) {
      const running = startWith(`archive/${point}=SIGSTOP`);
      await running.until('frozen', () => running.logged('fault point archive/', ': SIGSTOP'));
      await parts.part('blob').kill();
      running.signal('SIGCONT');
      const labels = { pipeline: 'archive', service: 'blob' };
      await running.until('an outage', async () => (await running.metric('ledger_outage', labels)) === 1);
      await parts.part('blob').start();
      await running.until('its end', async () => (await running.metric('ledger_outage', labels)) === 0);
      expect(await running.stop()).toEqual({ code: 0, signal: null });
    }
    await settle();
    await expectExactlyOnce();
  });
});
