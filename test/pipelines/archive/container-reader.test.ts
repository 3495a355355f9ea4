/** Container files that promise more than they hold: refused, without room being made for the promise. */
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ContainerReader, DamagedFile } from '../../../pipelines/archive/container-reader.ts';
import { encodeBatch } from '../../../pipelines/archive/encode-batch.ts';
import { SegmentReader } from '../../../pipelines/archive/segment-reader.ts';
import { allocatedBy } from '../../helpers/allocated.ts';
import { batchOf, decisions, framed, record } from '../../helpers/archive-batches.ts';
import { encodeLong } from '../../helpers/avro-arbitraries.ts';

const MOST_BYTES = 8 * 1024 * 1024;
const MAGIC = Buffer.from('Obj\u0001', 'latin1');
const SYNC = Buffer.alloc(16, 7);

const text = (value: string) => Buffer.concat([encodeLong(Buffer.byteLength(value)), Buffer.from(value)]);
const entry = (key: string, value: string) => Buffer.concat([text(key), text(value)]);
const HEADER = Buffer.concat([
  MAGIC,
  encodeLong(2),
  entry('avro.codec', 'deflate'),
  entry('avro.schema', '"bytes"'),
  encodeLong(0),
  SYNC,
]);

/** @returns how it ended, and the most memory that was taken on the way */
async function readAll(source: Iterable<Buffer>): Promise<{ error: unknown; allocated: number }> {
  let error: unknown = null;
  const allocated = await allocatedBy(async () => {
    try {
      const reader = await ContainerReader.open(Readable.from(source));
      for await (const _ of reader.blocks());
    } catch (caught) {
      error = caught;
    }
  });
  return { error, allocated };
}

const HUGE = [2n ** 27n, 2n ** 28n - 1n, 2n ** 31n, 2n ** 40n, 2n ** 53n, 2n ** 63n - 1n];

describe.each(HUGE)('a file that promises %s', (size) => {
  test.each<[string, Buffer]>([
    ['bytes of a name in its header', Buffer.concat([MAGIC, encodeLong(1), encodeLong(size)])],
    ['entries of its header', Buffer.concat([MAGIC, encodeLong(size), entry('a', 'b')])],
    ['bytes of a block', Buffer.concat([HEADER, encodeLong(1), encodeLong(size), Buffer.alloc(100)])],
    ['records in a block', Buffer.concat([HEADER, encodeLong(size), encodeLong(size)])],
  ])('%s', async (_what, file) => {
    const { error, allocated } = await readAll([file]);
    expect(error).toBeInstanceOf(DamagedFile);
    expect(allocated).toBeLessThan(MOST_BYTES);
  });
});

test('a header without end is given up, however often it says the same', async () => {
  let sent = 0;
  const piece = entry('a', 'x'.repeat(1024 * 1024));
  const { error } = await readAll(
    (function* () {
      yield Buffer.concat([MAGIC, encodeLong(2n ** 53n)]);
      for (; sent < 200; sent += 1) yield piece;
    })(),
  );
  expect(error).toBeInstanceOf(DamagedFile);
  expect(String(error)).toContain('impossible size');
  expect(sent).toBeLessThan(100);
});

test('a segment with a hostile number anywhere in it ends in no other error, and costs no more than it has bytes', async () => {
  const records = [
    null,
    framed(7, { campaign_id: 'c', occurred_at: 1, link: null, attributes: { a: 'b' } }),
  ].map((value, offset) => record({ offset, value, headers: [{ trace: Buffer.of(1) }] }));
  const batch = batchOf(records, { first: 0, last: 1 });
  const [segment] = await encodeBatch(batch, decisions());
  const file = segment?.file.bytes ?? Buffer.alloc(0);
  await fc.assert(
    fc.asyncProperty(
      fc.nat(file.length - 1),
      fc.constantFrom(...HUGE, -1n, -(2n ** 63n)),
      async (at, number) => {
        const damaged = Buffer.concat([file.subarray(0, at), encodeLong(number), file.subarray(at + 1)]);
        let error: unknown = null;
        const allocated = await allocatedBy(async () => {
          try {
            const reader = await SegmentReader.open(Readable.from([damaged]));
            for await (const _ of reader.blocks());
          } catch (caught) {
            error = caught;
          }
        });
        // What is in no sum, such as a letter of the schema's documentation, may change and do no harm.
        if (error !== null) expect(error).toBeInstanceOf(DamagedFile);
        expect(allocated).toBeLessThan(MOST_BYTES);
      },
    ),
    { numRuns: 300 },
  );
});
