/** Packed records are the records that were added, as objects and under the cursor. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { KafkaRecord } from '../../../../pipelines/common/batch.ts';
import { cursorOver, type RecordCursor } from '../../../../pipelines/common/record-cursor.ts';
import { sizeOf } from '../../../../pipelines/common/runner/lane.ts';
import { PackedRecords, RECORD_OVERHEAD_BYTES } from '../../../../pipelines/common/runner/packed-records.ts';
import { record, SOURCE } from '../../../helpers/archive-batches.ts';

const bytes = (options?: fc.IntArrayConstraints) => fc.uint8Array(options).map((array) => Buffer.from(array));
const nullable = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null });
/** From nothing to more than the largest buffer that several records share. */
const content = fc.oneof(
  { weight: 40, arbitrary: bytes({ maxLength: 300 }) },
  fc.integer({ min: 10_000, max: 1_200_000 }).map((size) => Buffer.alloc(size, size % 251)),
);
const headers = fc.array(
  fc
    .tuple(fc.oneof(fc.string({ unit: 'grapheme' }), fc.constant('__proto__')), nullable(bytes()))
    .map(([name, value]) => Object.fromEntries([[name, value]])),
  { maxLength: 4 },
);

const anyRecords = fc
  .array(
    fc.record({
      gap: fc.nat(5),
      timestamp: fc.option(fc.integer({ min: -1, max: 2 ** 45 }), { nil: undefined }),
      key: nullable(bytes({ maxLength: 60 })),
      value: nullable(content),
      headers: fc.option(headers, { nil: undefined }),
    }),
    { maxLength: 80 },
  )
  .chain((fields) =>
    fc.integer({ min: 0, max: 2 ** 50 }).map((first) => {
      let offset = first;
      return fields.map(({ gap, ...rest }) => {
        offset += 1 + gap;
        return record({ ...rest, offset, headers: rest.headers as KafkaRecord['headers'] });
      });
    }),
  );

function packed(records: readonly KafkaRecord[]): PackedRecords {
  const result = new PackedRecords(SOURCE);
  for (const one of records) result.add(one);
  return result;
}

/** Bytes as text of as many characters: compared at once, not one by one. */
const text = (bytes: Buffer | string | null | undefined) =>
  bytes == null ? null : Buffer.from(bytes).toString('latin1');

/** What the client leaves out, or gives as an empty list, is one and the same. */
const plain = ({ headers: list, timestamp, value, key, ...rest }: KafkaRecord) => ({
  ...rest,
  timestamp: timestamp ?? -1,
  value: text(value),
  key: text(key),
  headers: (list ?? []).flatMap((header) => Object.entries(header)),
});

function underCursor(cursor: RecordCursor) {
  const part = (from: Buffer, start: number, length: number) =>
    length < 0 ? null : text(from.subarray(start, start + length));
  return {
    offset: cursor.offset,
    timestamp: cursor.timestamp,
    value: part(cursor.bytes, cursor.valueStart, cursor.valueLength),
    key: part(cursor.keyBytes, cursor.keyStart, cursor.keyLength),
    headers: (cursor.headers ?? []).flatMap((header) => Object.entries(header)),
  };
}

it('are what was added, in order', () => {
  fc.assert(
    fc.property(anyRecords, (records) => {
      const all = packed(records);
      expect(all.length).toBe(records.length);
      expect([...all].map(plain)).toEqual(records.map(plain));
      for (const source of [all, records]) {
        const seen: object[] = [];
        for (const cursor = cursorOver(source); cursor.next(); ) {
          seen.push(underCursor(cursor));
          expect(plain(cursor.record())).toMatchObject(underCursor(cursor));
        }
        expect(seen).toEqual(
          records.map(plain).map(({ offset, timestamp, value, key, headers: all }) => ({
            offset,
            timestamp,
            value,
            key,
            headers: all,
          })),
        );
      }
    }),
    { numRuns: 100 },
  );
});

it('take a key or header that came as text as its UTF-8', () => {
  const [only] = packed([{ ...record({ offset: 1, value: null }), key: 'zoë', headers: [{ trace: 'ü' }] }]);
  expect(only?.key).toEqual(Buffer.from('zoë'));
  expect(only?.headers).toEqual([{ trace: Buffer.from('ü') }]);
});

it('do not keep what the client handed out', () => {
  const value = Buffer.from('before');
  const all = packed([record({ offset: 1, value })]);
  value.fill(0);
  expect(String([...all][0]?.value)).toBe('before');
});

it('may be walked over again and by several at once, also while nothing was added', () => {
  expect([...packed([])]).toEqual([]);
  expect(() => packed([]).cursor().record()).toThrow(RangeError);
  const all = packed([1, 2, 3].map((offset) => record({ offset, value: Buffer.from([offset]) })));
  const [one, other] = [all.cursor(), all.cursor()];
  one.next();
  one.next();
  other.next();
  expect([one.offset, other.offset]).toEqual([2, 1]);
});

/** As many as take several of the largest buffers, all with one value. */
const many = (text: string) => {
  const value = Buffer.alloc(150, text);
  return Array.from({ length: 30_000 }, (_, offset) => record({ offset, value }));
};

it('are not read any more once released, and their memory serves others', () => {
  const first = packed(many('first'));
  first.release();
  expect(() => first.cursor()).toThrow(RangeError);
  const records = many('second');
  const before = process.memoryUsage().arrayBuffers;
  const second = packed(records);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 * 1024 * 1024);
  expect([...second].every(({ value }) => value?.equals(Buffer.alloc(150, 'second')))).toBe(true);
});

it('take little more memory than they are counted as', () => {
  const records = many('text');
  const counted = records.reduce((sum, one) => sum + sizeOf(one) + RECORD_OVERHEAD_BYTES, 0);
  const before = process.memoryUsage().arrayBuffers;
  const all = packed(records);
  const taken = process.memoryUsage().arrayBuffers - before;
  expect(all.length).toBe(records.length);
  expect(taken).toBeLessThan(1.5 * counted);
});
