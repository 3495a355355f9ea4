/** Beginnings on a real broker: intents, committed offsets that disagree, records that Kafka dropped, topics made anew. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, inject, it } from 'vitest';
import type { PartitionRef } from '../../../../pipelines/common/batch.ts';
import { Outage } from '../../../../pipelines/common/errors.ts';
import { RecordingSink, RecordingStore } from '../../../helpers/recording-sink.ts';
import { eventually, type Member, metricValue, RunnerHarness } from '../../../helpers/runner-harness.ts';

const numbered = (from: number, count: number) =>
  Array.from({ length: count }, (_, index) => `v${from + index}`);

const oneBatch = { maxBatchRecords: 10 };

/** A harness whose sink has stored offsets 0 to 49 of partition 0, and whose group is empty. */
async function withHistory(options: Parameters<typeof RunnerHarness.create>[1] = {}) {
  const harness = await RunnerHarness.create(inject('configFile'), { partitions: 2, ...options });
  const producer = await harness.producer();
  await producer.produce(0, numbered(0, 50));
  const store = new RecordingStore();
  const member = harness.start({ sink: new RecordingSink(store), limits: oneBatch });
  await eventually(() => store.recordCount === 50);
  await eventually(async () => (await harness.committed(0)) === 50, { everyMs: 200 });
  await member.stop();
  return { harness, producer, store };
}

async function sourceOf(harness: RunnerHarness, partition: number): Promise<PartitionRef> {
  const described = await harness.admin.describeTopics([harness.topic]);
  return { topic: harness.topic, topicId: described.get(harness.topic)?.topicId ?? '', partition };
}

async function eventuallyStopped(member: Member, code: string): Promise<string> {
  await eventually(() => member.status().unready?.includes(code) === true, { what: code });
  expect(await metricValue(member.metrics, 'ledger_stopped_partition')).toBe(1);
  const alarm = member.log.find((line) => line.code === code);
  return alarm?.msg ?? '';
}

describe('an intent', () => {
  it.each([
    ['larger than today’s limits', 50, 83, { maxBatchRecords: 5 }],
    ['smaller than today’s limits', 50, 52, { maxBatchRecords: 500 }],
  ])(
    '%s is gathered again with exactly its bounds, before anything else',
    async (_name, first, last, limits) => {
      const { harness, producer, store } = await withHistory();
      await using _ = harness;
      await producer.produce(0, numbered(50, 100));
      store.head(await sourceOf(harness, 0)).intent = { first, last };
      const member = harness.start({ sink: new RecordingSink(store), limits });
      await eventually(() => store.recordCount === producer.count);
      expect(store.batches(0).find((batch) => batch.first === first)).toMatchObject({ first, last });
      expect(store.values(0)).toEqual(producer.values(0));
      await member.stop();
    },
  );

  it('that ends with a transaction marker is complete at the end of the partition', async () => {
    await using harness = await RunnerHarness.create(inject('configFile'), { partitions: 1 });
    const producer = await harness.producer({ transactional: true });
    await producer.commit(0, numbered(0, 4));
    const store = new RecordingStore();
    store.head(await sourceOf(harness, 0)).intent = { first: 0, last: 4 };
    const member = harness.start({ sink: new RecordingSink(store), flush: 'together' });
    await eventually(() => store.recordCount === 4);
    expect(store.batches(0)).toMatchObject([{ first: 0, last: 4, offsets: [0, 1, 2, 3] }]);
    await producer.commit(0, numbered(4, 2));
    await eventually(() => store.recordCount === 6);
    expect(store.batches(0).at(-1)).toMatchObject({ first: 5, offsets: [5, 6] });
    await member.stop();
  });

  it('larger than the memory for buffers is gathered all the same', async () => {
    const { harness, producer, store } = await withHistory();
    await using _ = harness;
    await producer.produce(0, numbered(50, 400));
    await producer.produce(1, numbered(0, 400));
    store.head(await sourceOf(harness, 0)).intent = { first: 50, last: 399 };
    const member = harness.start({
      sink: new RecordingSink(store),
      limits: { maxBatchRecords: 50, maxBufferedBytes: 64 * 1024 },
    });
    await eventually(() => store.recordCount === producer.count);
    for (const partition of [0, 1]) expect(store.values(partition)).toEqual(producer.values(partition));
    await member.stop();
  });

  it('that does not begin where the sink stands is an alarm', async () => {
    const { harness, store } = await withHistory();
    await using _ = harness;
    store.head(await sourceOf(harness, 0)).intent = { first: 40, last: 60 };
    const member = harness.start({ sink: new RecordingSink(store) });
    await eventuallyStopped(member, 'intent_mismatch');
    await member.stop();
  });
});

describe('a committed offset', () => {
  it('behind the sink is moved up, and nothing is read twice', async () => {
    const { harness, producer, store } = await withHistory();
    await using _ = harness;
    await harness.commitOffset(0, 20);
    const member = harness.start({ sink: new RecordingSink(store) });
    await eventually(async () => (await harness.committed(0)) === 50, { everyMs: 200 });
    expect(await metricValue(member.metrics, 'ledger_committed_behind_total')).toBe(1);
    await producer.produce(0, numbered(50, 3));
    await eventually(() => store.recordCount === 53);
    expect(store.values(0)).toEqual(producer.values(0));
    await member.stop();
  });

  it('ahead of the sink stops the partition alone, names what is missing, and is seen again when it is repaired', async () => {
    const { harness, producer, store } = await withHistory();
    await using _ = harness;
    await producer.produce(0, numbered(50, 30));
    await harness.commitOffset(0, 70);
    const member = harness.start({ sink: new RecordingSink(store) });
    const message = await eventuallyStopped(member, 'committed_ahead');
    expect(message).toContain('50 to 69');
    expect(message).toContain(`offsets read-again archive --topic ${harness.topic} --partition 0`);
    expect(message).toContain('--first 50 --last 69');
    await producer.produce(1, numbered(0, 5));
    await eventually(() => store.values(1).length === 5);
    expect(store.values(0)).toHaveLength(50);

    // As `accept-gap` does: the sink is told that these will never come.
    store.head(await sourceOf(harness, 0)).next = 70;
    await eventually(() => store.values(0).length === 60);
    expect(store.offsets(0).at(50)).toBe(70);
    expect(member.status().unready).toBeNull();
    expect(await metricValue(member.metrics, 'ledger_stopped_partition')).toBe(0);
    await member.stop();
  });

  it('where the sink has nothing at all stops the partition as well', async () => {
    const { harness } = await withHistory();
    await using _ = harness;
    const member = harness.start({ sink: new RecordingSink(new RecordingStore()) });
    expect(await eventuallyStopped(member, 'committed_ahead')).toContain('0 to 49');
    await member.stop();
  });

  it('that is gone with its group is not missed', async () => {
    const { harness, producer, store } = await withHistory();
    await using _ = harness;
    await eventually(() => harness.admin.deleteGroup(harness.group).catch(() => false));
    await producer.produce(0, numbered(50, 3));
    const member = harness.start({ sink: new RecordingSink(store) });
    await eventually(() => store.recordCount === 53);
    await eventually(async () => (await harness.committed(0)) === 53, { everyMs: 200 });
    expect(store.values(0)).toEqual(producer.values(0));
    await member.stop();
  });
});

describe('a partition of nothing but aborted transactions', () => {
  it('has no lag, and no record is missed when the first one comes', async () => {
    await using harness = await RunnerHarness.create(inject('configFile'), { partitions: 1 });
    const producer = await harness.producer({ transactional: true });
    await producer.abort(0, numbered(0, 20));
    const store = new RecordingStore();
    const member = harness.start({ sink: new RecordingSink(store) });
    await eventually(async () => (await harness.committed(0)) === (await harness.end(0)), { everyMs: 200 });
    await eventually(async () => (await metricValue(member.metrics, 'ledger_lag_offsets')) === 0);
    expect(store.head(await sourceOf(harness, 0)).next).toBeNull();
    await member.stop();
    const again = harness.start({ sink: new RecordingSink(store) });
    await producer.commit(0, numbered(20, 2));
    await eventually(() => store.recordCount === 2);
    expect(store.batches(0)).toMatchObject([{ first: 0, values: producer.values(0) }]);
    await again.stop();
  });
});

describe('offsets that Kafka no longer has', () => {
  it('stop the partition at its start', async () => {
    const { harness, producer, store } = await withHistory();
    await using _ = harness;
    await producer.produce(0, numbered(50, 30));
    await harness.admin.deleteRecords([{ topic: harness.topic, partition: 0, offset: 61 }]);
    const member = harness.start({ sink: new RecordingSink(store) });
    const message = await eventuallyStopped(member, 'offset_out_of_range');
    expect(message).toContain('50 to 60');
    expect(message).toContain('--first 50 --last 60');
    await member.stop();
  });

  it('stop a sink that has lost everything, of which Kafka has only the rest', async () => {
    const { harness, producer } = await withHistory();
    await using _ = harness;
    await producer.produce(0, numbered(50, 30));
    await harness.admin.deleteRecords([{ topic: harness.topic, partition: 0, offset: 61 }]);
    const store = new RecordingStore();
    const member = harness.start({ sink: new RecordingSink(store) });
    const message = await eventuallyStopped(member, 'offset_out_of_range');
    expect(message).toContain('--first 0 --last 60');
    // As `accept-gap` does.
    store.head(await sourceOf(harness, 0)).next = 61;
    await eventually(() => store.values(0).length === 19);
    expect(store.values(0)).toEqual(producer.values(0).slice(61));
    await member.stop();
  });

  it('stop a sink that never had anything, once the group has begun', async () => {
    await using harness = await RunnerHarness.create(inject('configFile'), { partitions: 1 });
    const producer = await harness.producer();
    const store = new RecordingStore();
    const away = () => {
      throw new Outage('blob', 'away');
    };
    const before = (step: string) => (step === 'positions' ? undefined : away());
    const first = harness.start({ sink: new RecordingSink(store, { before }), shutdownTimeoutMs: 500 });
    await eventually(async () => (await harness.committed(0)) === 0, { everyMs: 200 });
    await producer.produce(0, numbered(0, 30));
    await first.stop().catch(() => {});
    await harness.admin.deleteRecords([{ topic: harness.topic, partition: 0, offset: 20 }]);
    const member = harness.start({ sink: new RecordingSink(store) });
    expect(await eventuallyStopped(member, 'offset_out_of_range')).toContain('--first 0 --last 19');
    expect(store.recordCount).toBe(0);
    await member.stop();
  });

  it('stop the partition while it is read', async () => {
    await using harness = await RunnerHarness.create(inject('configFile'), { partitions: 2 });
    const producer = await harness.producer();
    const store = new RecordingStore();
    let isAway = false;
    const sink = new RecordingSink(store, {
      before: async () => {
        if (isAway) throw new Outage('blob', 'away');
      },
    });
    await producer.produce(0, numbered(0, 10));
    const member = harness.start({ sink, limits: { maxBufferedBytes: 64 * 1024 } });
    await eventually(() => store.recordCount === 10);
    // While memory is full nothing is read, and Kafka drops what was to come.
    isAway = true;
    await producer.produce(0, numbered(10, 5_000));
    await eventually(async () => (await metricValue(member.metrics, 'ledger_paused_partitions')) > 0);
    await harness.admin.deleteRecords([{ topic: harness.topic, partition: 0, offset: 5_000 }]);
    // What is held is all that is left of it, however long the outage lasts.
    await sleep(1_500);
    expect(member.status().unready).not.toContain('offset_out_of_range');
    isAway = false;
    const message = await eventuallyStopped(member, 'offset_out_of_range');
    const last = store.offsets(0).at(-1) ?? 0;
    expect(last).toBeGreaterThan(9);
    expect(message).toContain(`${last + 1} to 4999`);
    expect(store.values(0)).toEqual(producer.values(0).slice(0, last + 1));
    await producer.produce(1, numbered(0, 5));
    await eventually(() => store.values(1).length === 5);
    await member.stop();
  });
});

describe('a topic made anew', () => {
  it('is read from its beginning under its own id', async () => {
    const { harness, producer, store } = await withHistory();
    await using _ = harness;
    const before = await sourceOf(harness, 0);
    const member = harness.start({ sink: new RecordingSink(store), limits: oneBatch });
    await producer.produce(0, numbered(50, 10));
    await eventually(() => store.recordCount === 60);
    await harness.admin.deleteTopic(harness.topic);
    await eventually(async () => (await harness.admin.describeTopics([harness.topic])).size === 0, {
      everyMs: 100,
    });
    await eventually(
      () =>
        harness.createTopic(2).then(
          () => true,
          () => false,
        ),
      { everyMs: 200 },
    );
    await eventually(async () => (await harness.admin.describeTopics([harness.topic])).size === 1, {
      everyMs: 100,
    });
    const after = await sourceOf(harness, 0);
    expect(after.topicId).not.toBe(before.topicId);
    // More than the old one had: its offsets could be taken for the old one's going on.
    const anew = await harness.producer();
    await anew.produce(0, numbered(1_000, 200));
    await eventually(() => store.head(after).batches.flatMap(({ values }) => values).length === 200, {
      withinMs: 90_000,
    });
    expect(store.head(after).batches.flatMap(({ values }) => values)).toEqual(anew.values(0));
    expect(store.head(before).batches.flatMap(({ values }) => values)).toEqual(producer.values(0));
    await member.stop();
  });
});
