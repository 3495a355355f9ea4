/** Whatever is read in whatever portions: the batches cover every offset once, in order, and hold every record. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KafkaRecord, OffsetRange } from '../../../../pipelines/common/batch.ts';
import { Gatherer } from '../../../../pipelines/common/runner/gatherer.ts';
import { Lane, sizeOf } from '../../../../pipelines/common/runner/lane.ts';
import { RECORD_OVERHEAD_BYTES } from '../../../../pipelines/common/runner/packed-records.ts';
import { Partition } from '../../../../pipelines/common/runner/partition.ts';

const TOPIC = 'topic';

const record = (partition: number, offset: number, size: number): KafkaRecord => ({
  topic: TOPIC,
  partition,
  offset,
  size,
  value: Buffer.alloc(size),
  key: null,
  timestamp: 0,
});

interface Log {
  /** Offsets that a reader sees; the others are markers or aborted. */
  readonly records: readonly KafkaRecord[];
  readonly start: number;
  readonly end: number;
  readonly intent: OffsetRange | null;
}

const anyLog = (partition: number): fc.Arbitrary<Log> =>
  fc
    .record({
      start: fc.nat(20),
      isRecord: fc.array(fc.boolean(), { maxLength: 60 }),
      size: fc.nat(50),
      intentLength: fc.option(fc.integer({ min: 1, max: 40 })),
    })
    .map(({ start, isRecord, size, intentLength }) => {
      const end = start + isRecord.length;
      const length = Math.min(intentLength ?? 0, isRecord.length);
      return {
        records: isRecord.flatMap((is, index) => (is ? [record(partition, start + index, size)] : [])),
        start,
        end,
        intent: length === 0 ? null : { first: start, last: start + length - 1 },
      };
    });

/** What the client hands out: portions of several partitions, in runs, ends seen now and then. */
const anyReading = fc
  .record({
    logs: fc.tuple(anyLog(0), anyLog(1), anyLog(2)),
    cuts: fc.array(fc.record({ partition: fc.nat(2), take: fc.integer({ min: 1, max: 25 }) }), {
      minLength: 1,
    }),
    maxBatchRecords: fc.integer({ min: 1, max: 20 }),
    maxBatchBytes: fc.integer({ min: 1, max: 400 }),
    isTogether: fc.boolean(),
  })
  .filter(({ logs }) => logs.some(({ records }) => records.length > 0));

describe('Gatherer', () => {
  it('cuts every log into batches that follow each other and lose nothing', () => {
    fc.assert(
      fc.property(anyReading, ({ logs, cuts, maxBatchRecords, maxBatchBytes, isTogether }) => {
        const limits = { maxBatchRecords, maxBatchBytes };
        const shared = new Lane(limits);
        const partitions = logs.map(({ start, intent }, number) => {
          const lane = isTogether ? shared : new Lane(limits);
          const partition = new Partition({ topic: TOPIC, partition: number, assignment: 1, lane });
          const source = { topic: TOPIC, topicId: 'id', partition: number };
          partition.begin({ source, offset: start, intent, stored: start });
          return partition;
        });
        const lanes = new Set(partitions.map(({ lane }) => lane));
        const gatherer = new Gatherer({
          find: (_topic, number) => partitions[number],
          wentBackwards: () => expect.unreachable(),
          becameIdle: () => {},
        });

        const read = [0, 0, 0];
        for (const { partition, take } of [
          ...cuts,
          ...[0, 1, 2].map((partition) => ({ partition, take: 1_000 })),
        ]) {
          const from = read[partition] ?? 0;
          const log = logs[partition];
          const portion = log?.records.slice(from, from + take) ?? [];
          read[partition] = from + portion.length;
          gatherer.gather(portion, 0);
          if (read[partition] === log?.records.length) {
            gatherer.reachedEnd({ topic: TOPIC, partition, offset: log.end });
          }
        }
        for (const lane of lanes) lane.close();

        const entries = [...lanes].flatMap(({ closed }) => closed.flatMap((group) => group.entries));
        for (const [number, { records, start, end, intent }] of logs.entries()) {
          const batches = entries
            .filter(({ batch }) => batch.source.partition === number)
            .map(({ batch }) => batch);
          let next = start;
          for (const batch of batches) {
            expect(batch.first).toBe(next);
            expect(batch.last).toBeGreaterThanOrEqual(batch.first);
            next = batch.last + 1;
            for (const { offset } of batch.records) {
              expect(offset).toBeGreaterThanOrEqual(batch.first);
              expect(offset).toBeLessThanOrEqual(batch.last);
            }
            expect(batch.bytes).toBe([...batch.records].reduce((sum, one) => sum + sizeOf(one), 0));
          }
          expect(next).toBeLessThanOrEqual(end);
          expect(batches.flatMap((batch) => [...batch.records])).toEqual(records);
          if (intent === null) continue;
          expect(batches[0]).toMatchObject(intent);
        }

        // A limit is met by the record that reaches it, and no record is added after that.
        for (const { entries: written } of [...lanes].flatMap(({ closed }) => closed)) {
          const [only] = written;
          if (only !== undefined && logs.some(({ intent }) => intent?.last === only.batch.last)) continue;
          const all = written.flatMap(({ batch }) => [...batch.records]);
          expect(all.length).toBeLessThanOrEqual(maxBatchRecords);
          const largest = Math.max(...all.map(sizeOf));
          expect(all.reduce((sum, one) => sum + sizeOf(one), 0)).toBeLessThan(maxBatchBytes + largest);
        }

        // Everything counted in is counted out.
        const held = entries.reduce(
          (sum, { batch }) => sum + batch.bytes + batch.records.length * RECORD_OVERHEAD_BYTES,
          0,
        );
        expect(gatherer.bufferedBytes + gatherer.replayBytes).toBe(held);
        for (const partition of partitions) gatherer.discard(partition);
        expect(gatherer.bufferedBytes + gatherer.replayBytes).toBe(0);
        for (const lane of lanes) expect([lane.records, lane.bytes, lane.closed.length]).toEqual([0, 0, 0]);
      }),
    );
  });

  it('drops what belongs to a partition that is not read, and what was read before', () => {
    const lane = new Lane({ maxBatchRecords: 10, maxBatchBytes: 1_000 });
    const partition = new Partition({ topic: TOPIC, partition: 0, assignment: 1, lane });
    const backwards: number[] = [];
    const gatherer = new Gatherer({
      find: () => partition,
      wentBackwards: (_partition, offset) => backwards.push(offset),
      becameIdle: () => {},
    });
    gatherer.gather([record(0, 5, 1)], 0);
    expect(partition.open.length).toBe(0);
    const source = { topic: TOPIC, topicId: 'id', partition: 0 };
    partition.begin({ source, offset: 7, intent: null, stored: 7 });
    gatherer.gather([record(0, 6, 1), record(0, 7, 1)], 0);
    expect(backwards).toEqual([6]);
    expect(Array.from(partition.open, ({ offset }) => offset)).toEqual([7]);
  });

  it('takes nothing that was dropped for a stretch without records', () => {
    const lane = new Lane({ maxBatchRecords: 10, maxBatchBytes: 1_000 });
    const partition = new Partition({ topic: TOPIC, partition: 0, assignment: 1, lane });
    const gatherer = new Gatherer({ find: () => partition, wentBackwards: () => {}, becameIdle: () => {} });
    partition.begin({
      source: { topic: TOPIC, topicId: 'id', partition: 0 },
      offset: 0,
      intent: null,
      stored: 0,
    });
    gatherer.gather([record(0, 0, 1), record(0, 1, 1)], 0);
    expect([partition.isIdle, partition.durableTo]).toEqual([false, 0]);
    gatherer.reachedEnd({ topic: TOPIC, partition: 0, offset: 4 });
    gatherer.discard(partition);
    expect([partition.isIdle, partition.durableTo]).toEqual([true, 0]);
  });

  it('begins a batch where the sink needs it, also when reading begins later', () => {
    const lane = new Lane({ maxBatchRecords: 10, maxBatchBytes: 1_000 });
    const partition = new Partition({ topic: TOPIC, partition: 0, assignment: 1, lane });
    const gatherer = new Gatherer({ find: () => partition, wentBackwards: () => {}, becameIdle: () => {} });
    const source = { topic: TOPIC, topicId: 'id', partition: 0 };
    partition.begin({ source, offset: 3, readFrom: 7, intent: null, stored: 3 });
    expect([partition.isIdle, partition.durableTo]).toEqual([true, 7]);
    gatherer.gather([record(0, 7, 1)], 0);
    lane.close();
    expect(lane.closed[0]?.entries[0]?.batch).toMatchObject({ first: 3, last: 7 });
  });

  it('counts keys, values and headers', () => {
    const headers = [{ name: Buffer.from('four') }, { empty: Buffer.alloc(0) }];
    expect(sizeOf({ ...record(0, 0, 10), key: Buffer.from('key'), headers })).toBe(10 + 3 + 4 + 4 + 5);
    expect(sizeOf({ ...record(0, 0, 0), value: null })).toBe(0);
  });
});
