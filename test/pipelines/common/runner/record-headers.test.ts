/** A header named `__proto__`, as the client hands it out: with its value as the prototype of the header's object. */
import { expect, it } from 'vitest';
import { mostBytesOf } from '../../../../pipelines/archive/record-writer.ts';
import type { KafkaRecord } from '../../../../pipelines/common/batch.ts';
import { letterMessage } from '../../../../pipelines/common/dead-letters/dead-letter.ts';
import { cursorOver } from '../../../../pipelines/common/record-cursor.ts';
import { sizeOf } from '../../../../pipelines/common/runner/lane.ts';
import { mendHeaders } from '../../../../pipelines/common/runner/record-headers.ts';

it('is a header like any other', () => {
  const hostile = {};
  Reflect.set(hostile, '__proto__', Buffer.from('value'));
  const record: KafkaRecord = {
    topic: 'topic',
    partition: 0,
    offset: 0,
    size: 1,
    value: Buffer.alloc(1),
    key: null,
    timestamp: 0,
    headers: [{ before: Buffer.from('1') }, hostile, { after: Buffer.from('2') }],
  };
  mendHeaders([record, { ...record, headers: [] }]);
  expect(record.headers?.flatMap((header) => Object.entries(header))).toEqual([
    ['before', Buffer.from('1')],
    ['__proto__', Buffer.from('value')],
    ['after', Buffer.from('2')],
  ]);
  expect(sizeOf(record)).toBe(1 + 7 + 14 + 6);
  const cursor = cursorOver([record]);
  cursor.next();
  expect(mostBytesOf(cursor)).toBeGreaterThan(sizeOf(record));
  const source = { topic: 'topic', topicId: 'id', partition: 0 };
  const { headers } = letterMessage({ source, record, fault: { code: 'tombstone', reason: '' } }, 0);
  expect(headers.flatMap((header) => Object.keys(header))).toContain('__proto__');
});
