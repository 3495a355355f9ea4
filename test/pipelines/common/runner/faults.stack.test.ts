/** Outages, fences, alarms, full memory and endings, on a real broker. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, inject, it } from 'vitest';
import { Fenced, Outage, PartitionStopped } from '../../../../pipelines/common/errors.ts';
import { RECORD_OVERHEAD_BYTES } from '../../../../pipelines/common/runner/packed-records.ts';
import { RecordingSink, RecordingStore } from '../../../helpers/recording-sink.ts';
import { eventually, MESSAGE_KEY, metricValue, RunnerHarness } from '../../../helpers/runner-harness.ts';

const numbered = (from: number, count: number) =>
  Array.from({ length: count }, (_, index) => `v${from + index}`);

describe.each(['partition', 'together'] as const)('flushing %s', (flush) => {
  it('waits out an outage at every step, three in a row, and repeats the very same batches', async () => {
    await using harness = await RunnerHarness.create(inject('configFile'));
    const producer = await harness.producer();
    for (const partition of [0, 1, 2]) await producer.produce(partition, numbered(0, 400));
    const store = new RecordingStore();
    const failures = new Map<string, number>();
    const sink = new RecordingSink(store, {
      before: (step) => {
        const before = failures.get(step) ?? 0;
        failures.set(step, before + 1);
        if (before % 5 < 3) throw new Outage('blob', `no ${step}`);
      },
    });
    const member = harness.start({ sink, flush, limits: { maxBatchRecords: 50 } });
    await eventually(() => member.status().unready?.includes('blob: no') === true);
    await eventually(() => store.recordCount === producer.count, { withinMs: 60_000 });
    for (const partition of [0, 1, 2]) expect(store.values(partition)).toEqual(producer.values(partition));
    await eventually(() => member.status().unready === null);
    expect(await metricValue(member.metrics, 'ledger_retries_total')).toBeGreaterThanOrEqual(9);
    expect(await metricValue(member.metrics, 'ledger_outage')).toBe(0);
    await member.stop();
  });

  it('asks the sink anew when another process has written', async () => {
    await using harness = await RunnerHarness.create(inject('configFile'));
    const producer = await harness.producer();
    const store = new RecordingStore();
    for (const partition of [0, 1, 2]) await producer.produce(partition, numbered(0, 100));
    let fencesLeft = 3;
    const sink = new RecordingSink(store, {
      before: (step, batches) => {
        const [batch] = batches;
        if (step !== 'write' || batch === undefined || fencesLeft === 0) return;
        fencesLeft -= 1;
        // A thawed process finishes the batch that it had begun before it froze.
        const head = store.head(batch.source);
        head.next = batch.last + 1;
        head.version += 1;
        head.batches.push({
          first: batch.first,
          last: batch.last,
          offsets: Array.from(batch.records, ({ offset }) => offset),
          values: Array.from(batch.records, ({ value }) => String(value)),
          by: 'thawed',
        });
      },
    });
    const member = harness.start({ sink, flush, limits: { maxBatchRecords: 30 } });
    await eventually(() => store.recordCount === producer.count);
    for (const partition of [0, 1, 2]) expect(store.values(partition)).toEqual(producer.values(partition));
    expect(fencesLeft).toBe(0);
    expect(member.log.some(({ msg }) => msg.includes('another process has written'))).toBe(true);
    await member.stop();
  });

  it('stops the one partition whose batch cannot be written, and goes on with the others', async () => {
    await using harness = await RunnerHarness.create(inject('configFile'));
    const producer = await harness.producer();
    const store = new RecordingStore();
    for (const partition of [0, 1, 2]) await producer.produce(partition, numbered(0, 100));
    let isBroken = true;
    const sink = new RecordingSink(store, {
      before: (step, batches) => {
        if (isBroken && step === 'write' && batches.some(({ source }) => source.partition === 1)) {
          throw new PartitionStopped('segment_differs', 'a segment has other contents');
        }
      },
    });
    const member = harness.start({ sink, flush, limits: { maxBatchRecords: 30 } });
    await eventually(() => store.values(0).length === 100 && store.values(2).length === 100);
    await eventually(() => member.status().unready?.includes('segment_differs') === true);
    expect(store.values(1)).toEqual([]);
    expect(
      member.log.filter((line) => line.level === 'error' && line.code === 'segment_differs'),
    ).toHaveLength(1);
    isBroken = false;
    await eventually(() => store.recordCount === producer.count);
    for (const partition of [0, 1, 2]) expect(store.values(partition)).toEqual(producer.values(partition));
    await eventually(() => member.status().unready === null);
    await member.stop();
  });

  it('ends with the error that nobody foresaw', async () => {
    await using harness = await RunnerHarness.create(inject('configFile'));
    const producer = await harness.producer();
    await producer.produce(0, numbered(0, 10));
    const sink = new RecordingSink(new RecordingStore(), {
      before: (step) => {
        if (step === 'batch') throw new TypeError('a mistake of ours');
      },
    });
    const member = harness.start({ sink, flush });
    await expect(member.finished).rejects.toThrow('a mistake of ours');
    expect(sink.isClosed).toBe(true);
  });
});

describe('memory and membership', () => {
  it('outlives an outage longer than the poll interval with bounded buffers and no rebalance', async () => {
    await using harness = await RunnerHarness.create(inject('configFile'));
    const producer = await harness.producer();
    const store = new RecordingStore();
    let isAway = false;
    const sink = new RecordingSink(store, {
      before: () => {
        if (isAway) throw new Outage('blob', 'away');
      },
    });
    const maxBufferedBytes = 64 * 1024;
    const member = harness.start({
      sink,
      limits: { maxBufferedBytes },
      kafka: { maxPollIntervalMs: 6_000, sessionTimeoutMs: 6_000 },
    });
    await producer.produce(0, numbered(0, 10));
    await eventually(() => store.recordCount === 10);
    isAway = true;
    for (const partition of [0, 1, 2]) await producer.produce(partition, numbered(10, 3_000));
    await sleep(9_000);
    // A reading call's worth may come on top.
    expect(await metricValue(member.metrics, 'ledger_buffered_bytes')).toBeLessThan(
      maxBufferedBytes + 1_000 * 100,
    );
    expect(await metricValue(member.metrics, 'ledger_paused_partitions')).toBe(3);
    isAway = false;
    await eventually(() => store.recordCount === producer.count);
    for (const partition of [0, 1, 2]) expect(store.values(partition)).toEqual(producer.values(partition));
    expect(member.log.filter(({ msg }) => msg === 'partitions assigned')).toHaveLength(1);
    expect(member.log.filter(({ msg }) => msg === 'partitions revoked')).toHaveLength(0);
    await eventually(async () => (await metricValue(member.metrics, 'ledger_paused_partitions')) === 0);
    await member.stop();
  });

  it('reads large values without holding more than it may', async () => {
    await using harness = await RunnerHarness.create(inject('configFile'), { partitions: 1 });
    const producer = await harness.producer();
    const large = Array.from({ length: 60 }, (_, index) => Buffer.alloc(900_000, `large ${index} `));
    await producer.produce(0, large);
    const store = new RecordingStore();
    const sink = new RecordingSink(store, { before: (step) => (step === 'batch' ? sleep(20) : undefined) });
    const member = harness.start({ sink, limits: { maxBatchBytes: 4_000_000, maxBufferedBytes: 8_000_000 } });
    const readAhead = harness.config.kafka.queuedMaxKbytes * 1_024;
    let most = 0;
    await eventually(async () => {
      most = Math.max(most, await metricValue(member.metrics, 'ledger_buffered_bytes'));
      return store.recordCount === 60;
    });
    expect(store.values(0)).toEqual(producer.values(0));
    expect(store.batches(0).every(({ offsets }) => offsets.length <= 5)).toBe(true);
    // The first call knows no sizes yet: it may bring all that the client has read ahead.
    expect(most).toBeLessThan(8_000_000 + readAhead + 4_000_000);
    await member.stop();
  });

  it('takes up after its membership was lost, without writing under the lost one', async () => {
    await using harness = await RunnerHarness.create(inject('configFile'));
    const producer = await harness.producer();
    const store = new RecordingStore();
    const member = harness.start({
      sink: new RecordingSink(store, { name: 'first' }),
      kafka: { maxPollIntervalMs: 6_000, sessionTimeoutMs: 6_000 },
    });
    await producer.produce(0, numbered(0, 10));
    await eventually(() => store.recordCount === 10);
    const second = harness.start({
      sink: new RecordingSink(store, { name: 'second' }),
      kafka: { maxPollIntervalMs: 6_000, sessionTimeoutMs: 6_000 },
    });
    await eventually(() => second.log.some(({ msg }) => msg === 'partitions assigned'));
    // Frozen past both time limits; the whole process stands still, and with it the second member: both have to come back.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 8_000);
    for (const partition of [0, 1, 2]) await producer.produce(partition, numbered(10, 500));
    await eventually(() => store.recordCount === producer.count, { withinMs: 60_000 });
    for (const partition of [0, 1, 2]) expect(store.values(partition)).toEqual(producer.values(partition));
    await Promise.all([member.stop(), second.stop()]);
  });
});

describe('ending', () => {
  it('writes and commits what is gathered, whatever its age, and closes the sink', async () => {
    await using harness = await RunnerHarness.create(inject('configFile'));
    const producer = await harness.producer();
    const values = numbered(0, 100);
    for (const partition of [0, 1, 2]) await producer.produce(partition, values);
    const besides = MESSAGE_KEY.length + RECORD_OVERHEAD_BYTES;
    const held = values.reduce((sum, value) => sum + value.length + besides, 0);
    const store = new RecordingStore();
    const sink = new RecordingSink(store);
    const member = harness.start({ sink, limits: { flushIntervalMs: 600_000, maxBatchRecords: 100_000 } });
    await eventually(async () => (await metricValue(member.metrics, 'ledger_buffered_bytes')) === 3 * held);
    expect(store.recordCount).toBe(0);
    await member.stop();
    expect(store.recordCount).toBe(300);
    expect(sink.isClosed).toBe(true);
    for (const partition of [0, 1, 2]) expect(await harness.committed(partition)).toBe(100);
  });

  it('does not wait for a service that is away, and loses nothing by it', async () => {
    await using harness = await RunnerHarness.create(inject('configFile'));
    const producer = await harness.producer();
    await producer.produce(0, numbered(0, 100));
    const store = new RecordingStore();
    const away = harness.start({
      sink: new RecordingSink(store, {
        before: (step) => {
          if (step === 'write') throw new Outage('blob', 'away');
        },
      }),
      shutdownTimeoutMs: 1_500,
    });
    await eventually(() => away.status().unready?.includes('away') === true);
    await away.stop();
    const member = harness.start({ sink: new RecordingSink(store) });
    await eventually(() => store.recordCount === 100);
    expect(store.values(0)).toEqual(producer.values(0));
    await member.stop();
  });

  it('comes before any broker was found', async () => {
    await using harness = await RunnerHarness.create(inject('configFile'));
    const sink = new RecordingSink(new RecordingStore());
    const member = harness.start({ sink, kafka: { brokers: ['127.0.0.1:1'] } });
    await eventually(() => member.status().unready?.includes('not connected') === true);
    await member.stop();
    expect(sink.isClosed).toBe(true);
  });

  it('drops the batches of a partition that is fenced by its own process', async () => {
    await using harness = await RunnerHarness.create(inject('configFile'), { partitions: 1 });
    const producer = await harness.producer();
    await producer.produce(0, numbered(0, 20));
    const store = new RecordingStore();
    let fences = 0;
    const sink = new RecordingSink(store, {
      before: (step) => {
        if (step !== 'batch' || fences > 0) return;
        fences += 1;
        throw new Fenced('as if another had replaced the head');
      },
    });
    const member = harness.start({ sink });
    await eventually(() => store.recordCount === 20);
    expect(store.values(0)).toEqual(producer.values(0));
    await member.stop();
  });
});
