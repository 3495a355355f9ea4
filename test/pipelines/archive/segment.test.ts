import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import avsc from 'avsc';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeBatch, type Segment } from '../../../pipelines/archive/encode-batch.ts';
import { fromBlobMetadata, toBlobMetadata } from '../../../pipelines/archive/segment-metadata.ts';
import { parseSegmentPath } from '../../../pipelines/archive/segment-path.ts';
import { DamagedFile, originalValue, SegmentReader } from '../../../pipelines/archive/segment-reader.ts';
import type { Batch } from '../../../pipelines/common/batch.ts';
import { PackedRecords } from '../../../pipelines/common/runner/packed-records.ts';
import {
  anyBatch,
  batchOf,
  decisions,
  framed,
  record,
  SOURCE,
  typeOf,
  WRITERS,
} from '../../helpers/archive-batches.ts';

/** What a record is, read from Kafka or from the archive. */
interface Comparable {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: string | null;
  readonly headers: readonly (readonly [string, string])[];
  readonly value: string | null;
}

const hex = (bytes: Buffer | string | null | undefined) =>
  bytes == null ? null : Buffer.from(bytes).toString('hex');

function produced({ records }: Batch): Comparable[] {
  return Array.from(records, ({ offset, timestamp, key, value, headers }) => ({
    offset,
    timestamp: timestamp ?? -1,
    key: hex(key),
    headers: (headers ?? []).flatMap((header) =>
      Object.entries(header).map(([name, bytes]) => [name, hex(bytes) ?? ''] as const),
    ),
    value: hex(value),
  }));
}

async function archived(segment: Segment): Promise<Comparable[]> {
  const found: Comparable[] = [];
  const reader = await SegmentReader.open(Readable.from([segment.file.bytes]));
  for await (const one of reader.records()) {
    found.push({
      offset: one.offset,
      timestamp: one.timestamp,
      key: hex(one.key),
      headers: one.headers.map(({ key, value }) => [key, hex(value) ?? ''] as const),
      value: hex(originalValue(one)),
    });
  }
  return found;
}

const byOffset = (a: Comparable, b: Comparable) => a.offset - b.offset;

/** By avsc, which knows nothing of us: it decodes the payloads under the schema in the file. */
function readByAvsc({ file }: Segment): Promise<Record<string, unknown>[]> {
  return new Promise((resolve, reject) => {
    const found: Record<string, unknown>[] = [];
    const decoder = new avsc.streams.BlockDecoder();
    decoder.on('data', (one: Record<string, unknown>) => found.push(one));
    decoder.on('end', () => resolve(found));
    decoder.on('error', reject);
    decoder.end(file.bytes);
  });
}

describe('segments of a batch', () => {
  it('give back every record byte for byte', async () => {
    await fc.assert(
      fc.asyncProperty(anyBatch, async (batch) => {
        const segments = await encodeBatch(batch, decisions());
        const found = (await Promise.all(segments.map(archived))).flat().sort(byOffset);
        expect(found).toEqual(produced(batch));
      }),
      { numRuns: 200 },
    );
  });

  it('are read by avsc, each payload as the value that its own schema gives', async () => {
    await fc.assert(
      fc.asyncProperty(anyBatch, async (batch) => {
        const sources = new Map(Array.from(batch.records, (one) => [one.offset, one]));
        for (const segment of await encodeBatch(batch, decisions())) {
          const { schemaId } = segment.metadata;
          const found = await readByAvsc(segment);
          expect(found).toHaveLength(segment.metadata.count);
          for (const one of found) {
            const source = sources.get(Number(one.offset));
            const expected =
              schemaId === null || source?.value == null
                ? source?.value
                : typeOf(WRITERS.get(schemaId)).fromBuffer(source.value.subarray(5));
            expect(one.value).toEqual(expected);
            expect(one.schema_id).toBe(schemaId ?? -1);
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  it('put a payload under its schema exactly when it is one value of it', async () => {
    await fc.assert(
      fc.asyncProperty(anyBatch, async (batch) => {
        for (const { file, metadata } of await encodeBatch(batch, decisions())) {
          const reader = await SegmentReader.open(Readable.from([file.bytes]));
          for await (const one of reader.records()) {
            const value = originalValue(one);
            const id = value !== null && value.length >= 5 && value[0] === 0 ? value.readUInt32BE(1) : null;
            const type = WRITERS.has(id ?? -1) ? typeOf(WRITERS.get(id ?? -1)) : null;
            const isWhole = value !== null && type !== null && decodes(type, value.subarray(5));
            expect(metadata.schemaId).toBe(isWhole ? id : null);
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  it('have the same bytes when they are built again, from records kept in another way', async () => {
    await fc.assert(
      fc.asyncProperty(anyBatch, async (batch) => {
        const first = await encodeBatch(batch, decisions());
        const packed = new PackedRecords(SOURCE);
        for (const one of batch.records) packed.add(one);
        const copy = { ...batch, records: packed };
        const second = await encodeBatch(copy, decisions());
        expect(second.map(({ file }) => file.bytes.toString('hex'))).toEqual(
          first.map(({ file }) => file.bytes.toString('hex')),
        );
        expect(second.map(({ metadata }) => metadata)).toEqual(first.map(({ metadata }) => metadata));
      }),
      { numRuns: 50 },
    );
  });

  it('say what they hold', async () => {
    await fc.assert(
      fc.asyncProperty(anyBatch, async (batch) => {
        const segments = await encodeBatch(batch, decisions());
        const parts = segments.map(({ metadata: { schemaId, count } }) => ({ schemaId, count }));
        expect(segments.length).toBeGreaterThan(0);
        expect(parts.reduce((sum, { count }) => sum + count, 0)).toBe(batch.records.length);
        for (const { file, metadata } of segments) {
          expect(metadata).toMatchObject({
            first: batch.first,
            last: batch.last,
            batchCount: batch.records.length,
          });
          expect(metadata).toMatchObject({ parts, partCount: parts.length, format: 1 });
          expect(metadata.sha256).toBe(createHash('sha256').update(file.bytes).digest('hex'));
          expect(fromBlobMetadata(toBlobMetadata(metadata))).toEqual(metadata);
          const times = (await archived({ file, metadata })).map(({ timestamp }) => timestamp);
          expect(metadata.kafkaTimes).toEqual(
            times.length === 0 ? null : { min: Math.min(...times), max: Math.max(...times) },
          );
          const { folderTime: _hour, ...coordinates } = parseSegmentPath(file.path) ?? { folderTime: 0 };
          expect(coordinates).toEqual({
            ...SOURCE,
            first: batch.first,
            last: batch.last,
            schemaId: metadata.schemaId,
          });
        }
      }),
      { numRuns: 100 },
    );
  });

  it('have the times of their events in the metadata', async () => {
    const event = { campaign_id: 'c', link: null, attributes: {} };
    const records = [300, 100, 200].map((occurred_at, index) =>
      record({ offset: index, value: framed(7, { ...event, occurred_at }) }),
    );
    const [segment] = await encodeBatch(batchOf(records, { first: 0, last: 2 }), decisions());
    expect(segment?.metadata.eventTimes).toEqual({ min: 100, max: 300 });
  });

  it('spread over as many blocks as the records need, large records included', async () => {
    const sizes = [10, 300_000, 5, 1_048_576, 100, ...Array.from({ length: 400 }, (_, index) => index * 7)];
    const records = sizes.map((size, offset) =>
      record({
        offset,
        value: framed(7, {
          campaign_id: 'ab'.repeat(size / 2),
          occurred_at: offset,
          link: null,
          attributes: {},
        }),
        key: Buffer.alloc(offset % 200, 1),
      }),
    );
    const batch = batchOf(records, { first: 0, last: records.length - 1 });
    const [segment, ...others] = await encodeBatch(batch, decisions());
    expect(others).toEqual([]);
    if (segment === undefined) throw new Error('no segment');
    expect(await archived(segment)).toEqual(produced(batch));
    expect(await readByAvsc(segment)).toHaveLength(records.length);
  });

  it('stand for a batch without records too', async () => {
    const [segment, ...others] = await encodeBatch(batchOf([], { first: 5, last: 9 }), decisions());
    expect(others).toEqual([]);
    expect(segment?.metadata).toMatchObject({ count: 0, first: 5, last: 9, batchCount: 0, schemaId: null });
    expect(segment?.file.path).toMatch(/^undecodable\/campaign\.feedback\/dt=1970-01-01\/hour=00\//);
  });
});

function decodes(type: avsc.Type, payload: Buffer): boolean {
  try {
    type.fromBuffer(payload);
    return true;
  } catch {
    return false;
  }
}

describe('SegmentReader', () => {
  const event = { campaign_id: 'spring', occurred_at: 1, link: 'x'.repeat(40), attributes: { a: 'b' } };
  const records = Array.from({ length: 5 }, (_, offset) => record({ offset, value: framed(7, event) }));

  async function aSegment(): Promise<Buffer> {
    const [segment] = await encodeBatch(batchOf(records, { first: 0, last: 4 }), decisions());
    if (segment === undefined) throw new Error('no segment');
    return segment.file.bytes;
  }

  async function readAll(bytes: Buffer, chunk = bytes.length): Promise<string> {
    const chunks = Array.from({ length: Math.ceil(bytes.length / chunk) }, (_, index) =>
      bytes.subarray(index * chunk, (index + 1) * chunk),
    );
    const reader = await SegmentReader.open(Readable.from(chunks));
    const found: unknown[] = [reader.header];
    for await (const one of reader.records()) found.push([one.offset, hex(originalValue(one))]);
    return JSON.stringify(found);
  }

  it('reads in chunks of any size', async () => {
    const bytes = await aSegment();
    const whole = await readAll(bytes);
    for (const size of [1, 7, 64, 1000]) expect(await readAll(bytes, size)).toBe(whole);
  });

  it('does not take a file that is cut off anywhere for a whole one', async () => {
    const bytes = await aSegment();
    for (let length = 0; length < bytes.length; length++) {
      await expect(readAll(bytes.subarray(0, length)), `cut to ${length} bytes`).rejects.toThrow(DamagedFile);
    }
    await expect(readAll(Buffer.concat([bytes, Buffer.of(0)]))).rejects.toThrow(DamagedFile);
    await expect(readAll(Buffer.concat([bytes, bytes]))).rejects.toThrow(DamagedFile);
  });

  it('gives no other records when any byte is altered', async () => {
    const bytes = await aSegment();
    const [, ...whole] = JSON.parse(await readAll(bytes)) as unknown[];
    let noticed = 0;
    for (let position = 0; position < bytes.length; position++) {
      for (const bit of [1, 0x80]) {
        const altered = Buffer.from(bytes);
        altered[position] = (altered[position] ?? 0) ^ bit;
        const outcome = await readAll(altered).catch((error: unknown) => error);
        if (typeof outcome === 'string') expect((JSON.parse(outcome) as unknown[]).slice(1)).toEqual(whole);
        else expect(outcome).toBeInstanceOf(DamagedFile);
        if (typeof outcome !== 'string') noticed += 1;
      }
    }
    expect(noticed).toBeGreaterThan(bytes.length / 4);
  });
});
