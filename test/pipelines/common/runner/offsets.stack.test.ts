/** The commands for a stopped partition, while the group is at work. */
import { describe, expect, inject, it } from 'vitest';
import type { PartitionRef } from '../../../../pipelines/common/batch.ts';
import { UsageError } from '../../../../pipelines/common/errors.ts';
import type { AcceptsGaps, Gap } from '../../../../pipelines/common/gaps.ts';
import {
  acceptGap,
  type OffsetsContext,
  readAgain,
  readOffsets,
} from '../../../../pipelines/common/runner/offsets.ts';
import { RecordingSink, RecordingStore } from '../../../helpers/recording-sink.ts';
import { eventually, type Protocol, RunnerHarness } from '../../../helpers/runner-harness.ts';

const numbered = (from: number, count: number) =>
  Array.from({ length: count }, (_, index) => `v${from + index}`);

class GapKeepingSink extends RecordingSink implements AcceptsGaps {
  readonly #store: RecordingStore;
  readonly gaps: Gap[] = [];

  constructor(store: RecordingStore) {
    super(store);
    this.#store = store;
  }

  async acceptGap(source: PartitionRef, gap: Gap): Promise<void> {
    this.gaps.push(gap);
    this.#store.head(source).next = gap.last + 1;
  }
}

/** A running member whose partition 0 has stopped: the sink has 50, Kafka ends at 80, the group has committed more. */
async function stopped(protocol: Protocol, committed = 70) {
  const harness = await RunnerHarness.create(inject('configFile'), { partitions: 2, protocol });
  const producer = await harness.producer();
  await producer.produce(0, numbered(0, 80));
  const store = new RecordingStore();
  const [described] = (await harness.admin.describeTopics([harness.topic])).values();
  const source = { topic: harness.topic, topicId: described?.topicId ?? '', partition: 0 };
  const head = store.head(source);
  head.next = 50;
  await harness.commitOffset(0, committed);
  const member = harness.start({ sink: new RecordingSink(store) });
  await eventually(() => member.status().unready?.includes('committed_ahead') === true);
  const sink = new GapKeepingSink(store);
  const context: OffsetsContext = {
    config: harness.config,
    admin: harness.admin,
    pipeline: { name: 'archive', topics: [harness.topic], sink, flush: 'partition' },
    logger: harness.logger,
  };
  return {
    harness,
    producer,
    store,
    head,
    member,
    sink,
    context,
    target: { topic: harness.topic, partition: 0 },
  };
}

describe.each<Protocol>(['cooperative-sticky', 'consumer'])('%s', (protocol) => {
  it('reads a range again without stopping anything', async () => {
    const { harness, producer, store, member, context, target } = await stopped(protocol);
    await using _ = harness;
    expect((await readOffsets(context)).map(({ decision }) => decision.kind)).toEqual(['stop', 'start']);
    expect(await readAgain(context, target)).toBe(50);
    await eventually(() => store.values(0).length === 30);
    expect(store.values(0)).toEqual(producer.values(0).slice(50));
    await eventually(() => member.status().unready === null);
    await producer.produce(1, numbered(0, 3));
    await eventually(() => store.values(1).length === 3);
    await expect(readAgain(context, target)).rejects.toThrow(UsageError);
    await member.stop();
  });
});

it('records a gap, and the partition goes on after it', async () => {
  const { harness, producer, store, member, sink, context, target } = await stopped('cooperative-sticky');
  await using _ = harness;
  const note = { by: 'somebody', reason: 'skipped on purpose', at: 0 };
  await expect(acceptGap(context, target, { first: 50, last: 60, ...note })).rejects.toThrow('50 to 69');
  await expect(
    acceptGap(context, { ...target, partition: 1 }, { first: 0, last: 1, ...note }),
  ).rejects.toThrow('nothing');
  await expect(
    acceptGap(context, { ...target, partition: 9 }, { first: 0, last: 1, ...note }),
  ).rejects.toThrow(UsageError);
  expect(sink.gaps).toEqual([]);
  await acceptGap(context, target, { first: 50, last: 69, ...note });
  expect(sink.gaps).toEqual([{ first: 50, last: 69, ...note }]);
  await eventually(() => store.values(0).length === 10);
  expect(store.values(0)).toEqual(producer.values(0).slice(70));
  await eventually(() => member.status().unready === null);
  await member.stop();
});

describe('a commit beyond the end of the log', () => {
  it('skips nothing that is still to come: the gap ends where Kafka does', async () => {
    const { harness, producer, store, member, sink, context, target } = await stopped(
      'cooperative-sticky',
      500,
    );
    await using _ = harness;
    const note = { by: 'somebody', reason: 'skipped on purpose', at: 0 };
    expect(member.status().unready).toContain('committed_ahead');
    await expect(acceptGap(context, target, { first: 50, last: 499, ...note })).rejects.toThrow(
      'Kafka ends at 80',
    );
    expect(sink.gaps).toEqual([]);
    await acceptGap(context, target, { first: 50, last: 79, ...note });
    await eventually(() => member.status().unready === null);
    await producer.produce(0, numbered(80, 400));
    await eventually(() => store.values(0).length === 400);
    expect(store.values(0)).toEqual(producer.values(0).slice(80));
    await member.stop();
  });

  it('is set back to where the sink stands', async () => {
    const { harness, producer, store, member, context, target } = await stopped('cooperative-sticky', 500);
    await using _ = harness;
    expect(await readAgain(context, target)).toBe(50);
    await producer.produce(0, numbered(80, 400));
    await eventually(() => store.values(0).length === 430);
    expect(store.values(0)).toEqual(producer.values(0).slice(50));
    await member.stop();
  });

  it('of a sink that has everything names no gap, only how to go on', async () => {
    const { harness, producer, store, head, member, sink, context, target } = await stopped(
      'cooperative-sticky',
      500,
    );
    await using _ = harness;
    head.next = 80;
    const note = { by: 'somebody', reason: 'as the alarm of old said', at: 0 };
    await expect(acceptGap(context, target, { first: 80, last: 499, ...note })).rejects.toThrow(
      'Kafka ends at 80',
    );
    expect(sink.gaps).toEqual([]);
    expect(await readAgain(context, target)).toBe(80);
    await producer.produce(0, numbered(80, 400));
    await eventually(() => store.values(0).length === 400);
    expect(store.values(0)).toEqual(producer.values(0).slice(80));
    await member.stop();
  });
});
