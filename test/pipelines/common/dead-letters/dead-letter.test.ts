/** What a letter adds to a record: never more than the room that its topic has beyond the record's own. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DEAD_LETTER_HEADROOM_BYTES } from '../../../../config/topics.ts';
import type { KafkaRecord } from '../../../../pipelines/common/batch.ts';
import {
  cutLetter,
  letterMessage,
  sizeOfLetter,
} from '../../../../pipelines/common/dead-letters/dead-letter.ts';

const SOURCE = { topic: `${'t'.repeat(230)}.feedback`, topicId: 'f'.repeat(32), partition: 2 ** 31 - 1 };
const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
const name = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.constantFrom('dl.code', 'dl.reason', 'dl.cut', '__proto__'),
);
const header = fc.tuple(name, bytes(500)).map((one) => Object.fromEntries([one]));

const anyRecord: fc.Arbitrary<KafkaRecord> = fc.record({
  topic: fc.constant(SOURCE.topic),
  partition: fc.constant(SOURCE.partition),
  offset: fc.maxSafeNat(),
  timestamp: fc.maxSafeNat(),
  key: fc.option(bytes(10_000)),
  value: fc.option(bytes(100_000)),
  size: fc.constant(0),
  headers: fc.array(header, { maxLength: 60 }),
});

const reason = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme' }).map((text) => text.repeat(5_000)),
);

const sizeOf = ({ key, value, headers = [] }: KafkaRecord) =>
  sizeOfLetter({ topic: '', key: key ?? null, value, headers });

test('whatever the record, its headers and the reason are', () => {
  fc.assert(
    fc.property(anyRecord, reason, (record, text) => {
      const letter = letterMessage(
        { source: SOURCE, record, fault: { code: 'avro_invalid', reason: text } },
        0,
      );
      expect(sizeOfLetter(letter) - sizeOf(record)).toBeLessThan(DEAD_LETTER_HEADROOM_BYTES);
      const codes = letter.headers.filter((one) => 'dl.code' in one);
      expect(codes).toEqual([{ 'dl.code': 'avro_invalid' }]);
    }),
  );
});

test('and a letter that is cut is small', () => {
  const value = Buffer.alloc(5_000_000, 1);
  const headers = Array.from({ length: 50_000 }, (_, index) => ({ [`h${index}`]: Buffer.alloc(50) }));
  const record = {
    topic: 't',
    partition: 0,
    offset: 0,
    timestamp: 0,
    key: Buffer.alloc(1_000_000),
    value,
    size: value.length,
    headers,
  };
  const letter = letterMessage({ source: SOURCE, record, fault: { code: 'not_framed', reason: '' } }, 0);
  expect(sizeOfLetter(cutLetter(letter))).toBeLessThan(100_000);
});
