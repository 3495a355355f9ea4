/** Every record exactly once and in order, across cuts, members and transactions, in each group protocol. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, inject, it } from 'vitest';
import { RecordingSink, RecordingStore } from '../../../helpers/recording-sink.ts';
import { eventually, metricValue, type Protocol, RunnerHarness } from '../../../helpers/runner-harness.ts';

const PARTITIONS = [0, 1, 2];

const numbered = (from: number, count: number) =>
  Array.from({ length: count }, (_, index) => `v${from + index}`);

function expectChain(store: RecordingStore, partition: number): void {
  const batches = store.batches(partition);
  for (const [index, batch] of batches.entries()) {
    const before = batches[index - 1];
    if (before !== undefined) expect(batch.first).toBe(before.last + 1);
    for (const offset of batch.offsets) {
      expect(offset).toBeGreaterThanOrEqual(batch.first);
      expect(offset).toBeLessThanOrEqual(batch.last);
    }
  }
}

describe.each<Protocol>(['cooperative-sticky', 'range', 'consumer'])('%s', (protocol) => {
  it.each(['partition', 'together'] as const)(
    'keeps every record once and in order, flushing %s',
    async (flush) => {
      await using harness = await RunnerHarness.create(inject('configFile'), { protocol });
      const producer = await harness.producer();
      for (const partition of PARTITIONS)
        await producer.produce(partition, numbered(partition * 10_000, 2_345));
      const store = new RecordingStore();
      const member = harness.start({ sink: new RecordingSink(store), flush });
      await eventually(() => store.recordCount === producer.count);
      for (const partition of PARTITIONS)
        await producer.produce(partition, numbered(partition * 10_000 + 5_000, 7));
      await eventually(() => store.recordCount === producer.count);
      for (const partition of PARTITIONS) {
        expect(store.values(partition)).toEqual(producer.values(partition));
        expect(store.batches(partition).length).toBeGreaterThan(2);
        expectChain(store, partition);
      }
      await eventually(async () => (await harness.committed(0)) === (await harness.end(0)), { everyMs: 300 });
      await member.stop();
    },
  );

  it('hands partitions over between members that join and leave in the middle of batches', async () => {
    await using harness = await RunnerHarness.create(inject('configFile'), { protocol, partitions: 4 });
    const producer = await harness.producer();
    const store = new RecordingStore();
    const slow = (name: string) =>
      new RecordingSink(store, { name, before: (step) => (step === 'batch' ? sleep(30) : undefined) });
    const limits = { maxBatchRecords: 60 };
    let isProducing = true;
    const producing = (async () => {
      for (let round = 0; isProducing; round += 1) {
        for (const partition of [0, 1, 2, 3]) await producer.produce(partition, numbered(round * 100, 37));
        await sleep(40);
      }
    })();
    const first = harness.start({ sink: slow('first'), limits });
    await eventually(() => store.recordCount > 500);
    const second = harness.start({ sink: slow('second'), limits, flush: 'together' });
    await eventually(() => [0, 1, 2, 3].some((one) => store.batches(one).at(-1)?.by === 'second'));
    await first.stop();
    const third = harness.start({ sink: slow('third'), limits });
    await eventually(() => [0, 1, 2, 3].some((one) => store.batches(one).at(-1)?.by === 'third'));
    isProducing = false;
    await producing;
    await eventually(() => store.recordCount === producer.count);
    for (const partition of [0, 1, 2, 3]) {
      expect(store.values(partition)).toEqual(producer.values(partition));
      expectChain(store, partition);
    }
    await Promise.all([second.stop(), third.stop()]);
  });

  it('sees committed transactions only, and comes to the end past trailing markers', async () => {
    await using harness = await RunnerHarness.create(inject('configFile'), { protocol, partitions: 1 });
    const producer = await harness.producer({ transactional: true });
    await producer.commit(0, numbered(0, 30));
    await producer.abort(0, numbered(1_000, 10));
    await producer.commit(0, numbered(30, 30));
    const store = new RecordingStore();
    const member = harness.start({ sink: new RecordingSink(store), limits: { maxBatchRecords: 7 } });
    await eventually(() => store.recordCount === producer.count);
    await producer.commit(0, numbered(60, 1));
    await producer.abort(0, numbered(2_000, 5));
    await eventually(async () => (await harness.committed(0)) === (await harness.end(0)), {
      everyMs: 300,
      what: 'no lag',
    });
    await eventually(async () => (await metricValue(member.metrics, 'ledger_lag_offsets')) === 0);
    expect(store.values(0)).toEqual(producer.values(0));
    expectChain(store, 0);
    await member.stop();

    // The committed offset is past what the sink needs, by markers alone: that is no skip.
    const again = harness.start({ sink: new RecordingSink(store) });
    await producer.commit(0, numbered(61, 3));
    await eventually(() => store.recordCount === producer.count);
    expect(again.status().unready).toBeNull();
    expect(store.values(0)).toEqual(producer.values(0));
    expectChain(store, 0);
    await again.stop();
  });
});
