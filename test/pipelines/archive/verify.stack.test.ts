import { randomUUID } from 'node:crypto';
import type { ContainerClient } from '@azure/storage-blob';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { loadConfig } from '../../../config/load.ts';
import type { Config } from '../../../config/schema.ts';
import { GapRecords, gapPath } from '../../../pipelines/archive/gap-records.ts';
import { HeadStore } from '../../../pipelines/archive/head.ts';
import { headPath, parseSegmentPath, segmentPath } from '../../../pipelines/archive/segment-path.ts';
import { verdictText } from '../../../pipelines/archive/verdict-text.ts';
import { type ArchiveVerdict, verifyArchive } from '../../../pipelines/archive/verify.ts';
import { frameOf } from '../../../pipelines/common/avro/wire-format.ts';
import type { OffsetRange } from '../../../pipelines/common/batch.ts';
import { createContainer } from '../../../pipelines/common/blob/container.ts';
import { systemClock } from '../../../pipelines/common/clock.ts';
import { WriterSchemas } from '../../../pipelines/common/registry/writer-schemas.ts';
import { EVENT_V1, typeOf } from '../../helpers/archive-batches.ts';
import {
  batchIn,
  newPlace,
  newSink,
  type Place,
  recordIn,
  registerSchema,
  segmentsOf,
} from '../../helpers/archive-place.ts';

const always = () => true;

let config: Config;
let container: ContainerClient;
let schemas: WriterSchemas;
let schemaId: number;

beforeAll(async () => {
  config = await loadConfig({ file: inject('configFile') });
  container = createContainer(config);
  schemas = new WriterSchemas({ settings: config.schemaRegistry, clock: systemClock });
  schemaId = await registerSchema(config.schemaRegistry.url, `verify-${randomUUID()}-value`, EVENT_V1);
});

afterAll(() => schemas.close());

const HOUR = 3_600_000;

/** Batches 10..14, 15..19, 20..24, each of one event that decodes and one record that does not; two folders each. */
async function written(): Promise<Place> {
  const place = newPlace(container);
  const sink = newSink(place, schemas);
  for (const first of [10, 15, 20]) {
    const event = { campaign_id: 'c'.repeat(200), occurred_at: first, link: null, attributes: {} };
    const values = [
      Buffer.concat([frameOf(schemaId), typeOf(EVENT_V1).toBuffer(event)]),
      Buffer.from('not Avro'),
    ];
    const records = values.map((value, index) =>
      recordIn(place, { offset: first + index, timestamp: first * HOUR, value }),
    );
    await sink.write([batchIn(place, records, first, first + 4)], always);
  }
  return place;
}

function verify({ prefix, source }: Place, isDeep: boolean): Promise<ArchiveVerdict> {
  return verifyArchive({ container, prefix, topics: [source.topic], isDeep });
}

const found = ({ discrepancies }: ArchiveVerdict) =>
  discrepancies.map(({ code, first, last }) => [code, first, last]);

async function segmentAt(place: Place, first: number, folder: 'raw' | 'undecodable') {
  const path = (await segmentsOf(place))
    .map((one) => one.path)
    .find((one) => one.startsWith(folder) && parseSegmentPath(one)?.first === first);
  if (path === undefined) throw new Error('no segment');
  const blob = container.getBlockBlobClient(place.prefix + path);
  const { metadata = {} } = await blob.getProperties();
  return { path, blob, metadata, bytes: await blob.downloadToBuffer() };
}

describe('archive verify', () => {
  it.each([false, true])('finds nothing wrong with what the pipeline wrote (deep: %s)', async (isDeep) => {
    const place = await written();
    expect(await verify(place, isDeep)).toEqual({
      partitions: [
        {
          ...place.source,
          begin: 10,
          next: 25,
          intent: null,
          segments: 6,
          records: 6,
          bytes: expect.any(Number),
        },
      ],
      acceptedGaps: [],
      discrepancies: [],
    });
  });

  it('finds nothing wrong with a batch that is only begun', async () => {
    const place = await written();
    // One step: the intent.
    let steps = 0;
    const records = [recordIn(place, { offset: 25, timestamp: 0, value: null })];
    const begun = newSink(place, schemas).write([batchIn(place, records, 25, 30)], () => ++steps <= 1);
    await expect(begun).rejects.toThrow('no longer ours');
    const { partitions, discrepancies } = await verify(place, true);
    expect(discrepancies).toEqual([]);
    expect(partitions).toMatchObject([{ next: 25, intent: { first: 25, last: 30 } }]);
  });

  it.each([10, 15, 20])('names the offsets of the batch at %d when its segments are gone', async (first) => {
    const place = await written();
    await (await segmentAt(place, first, 'raw')).blob.delete();
    await (await segmentAt(place, first, 'undecodable')).blob.delete();
    expect(found(await verify(place, false))).toEqual([['segment_missing', first, first + 4]]);
  });

  it.each(['raw', 'undecodable'] as const)('misses the %s one of two segments of a batch', async (folder) => {
    const place = await written();
    await (await segmentAt(place, 15, folder)).blob.delete();
    const { discrepancies } = await verify(place, false);
    expect(discrepancies).toMatchObject([{ code: 'part_missing', first: 15, last: 19, partition: 4 }]);
    expect(discrepancies[0]?.message).toContain(
      folder === 'raw' ? `${schemaId} (1 records)` : 'undecodable (1 records)',
    );
  });

  it('sees that a segment was cut off or altered, in depth', async () => {
    const place = await written();
    const cut = await segmentAt(place, 10, 'raw');
    await cut.blob.upload(cut.bytes.subarray(0, -20), cut.bytes.length - 20, { metadata: cut.metadata });
    const altered = await segmentAt(place, 20, 'undecodable');
    const middle = altered.bytes.length >> 1;
    altered.bytes[middle] = (altered.bytes[middle] ?? 0) ^ 1;
    await altered.blob.upload(altered.bytes, altered.bytes.length, { metadata: altered.metadata });
    expect(found(await verify(place, false))).toEqual([]);
    expect(found(await verify(place, true))).toEqual([
      ['segment_damaged', 10, 14],
      ['segment_damaged', 20, 24],
    ]);
  });

  it('sees that a segment was copied under another range, with its metadata and without', async () => {
    const place = await written();
    const { path, bytes, metadata } = await segmentAt(place, 10, 'raw');
    const name = parseSegmentPath(path);
    if (name === null) throw new Error(path);
    const copy = async (range: { first: number; last: number }, options: object) =>
      container
        .getBlockBlobClient(place.prefix + segmentPath({ ...name, ...range }))
        .upload(bytes, bytes.length, options);
    await copy({ first: 17, last: 18 }, { metadata });
    await copy({ first: 40, last: 44 }, {});
    expect(found(await verify(place, false)).sort()).toEqual([
      ['metadata_mismatch', 17, 18],
      ['part_missing', 17, 18],
      ['segment_beyond_head', 40, 44],
      ['segment_overlap', 17, 18],
    ]);
  });

  it('sees that a segment has lost its metadata, and that a batch holds another number of records', async () => {
    const place = await written();
    await (await segmentAt(place, 10, 'raw')).blob.setMetadata({});
    for (const folder of ['raw', 'undecodable'] as const) {
      const { blob, metadata } = await segmentAt(place, 15, folder);
      await blob.setMetadata({ ...metadata, batchcount: '3' });
    }
    const { discrepancies } = await verify(place, false);
    expect(discrepancies).toMatchObject([
      // Nothing else tells how many records the segment has.
      { code: 'metadata_missing', first: 10, last: 14 },
      { code: 'count_mismatch', first: 10, last: 14 },
      { code: 'count_mismatch', first: 15, last: 19 },
    ]);
  });

  it('sees that a head is gone, and blobs that do not belong here', async () => {
    const place = await written();
    await container.deleteBlob(place.prefix + headPath(place.source));
    const stranger = container.getBlockBlobClient(`${place.prefix}raw/${place.source.topic}/notes.txt`);
    await stranger.upload('?', 1);
    const { discrepancies } = await verify(place, false);
    expect(discrepancies.map(({ code }) => code).sort()).toEqual(['foreign_blob', 'head_missing']);
  });

  it('hands on what there is without a head to who asks for it, and says what is missing of that', async () => {
    const place = await written();
    await container.deleteBlob(place.prefix + headPath(place.source));
    for (const folder of ['raw', 'undecodable'] as const)
      await (await segmentAt(place, 15, folder)).blob.delete();
    await (await segmentAt(place, 20, 'raw')).blob.delete();
    const firsts: number[] = [];
    const verdict = await verifyArchive({
      container,
      prefix: place.prefix,
      topics: [place.source.topic],
      isDeep: false,
      onHeadless: async ({ first }) => {
        firsts.push(first);
      },
    });
    expect(firsts).toEqual([10, 20]);
    expect(found(verdict)).toEqual([
      ['head_missing', null, null],
      ['segment_missing', 15, 19],
      ['part_missing', 20, 24],
    ]);
  });

  describe('with a gap that somebody has accepted', () => {
    const note = { by: 'ada', reason: 'retention was too short', at: Date.UTC(2026, 8, 1, 8) };

    const gapsOf = (place: Place) =>
      new GapRecords(container, { prefix: place.prefix, heads: new HeadStore(container, place.prefix) });

    const shown = ({ acceptedGaps }: ArchiveVerdict) =>
      acceptedGaps.map(({ first, last, by, reason, at }) => [first, last, by, reason, at]);

    it('shows it with who, when and why, and finds nothing wrong', async () => {
      const place = await written();
      await gapsOf(place).acceptGap(place.source, { first: 25, last: 39, ...note });
      const records = [recordIn(place, { offset: 40, timestamp: 0, value: null })];
      await newSink(place, schemas).write([batchIn(place, records, 40, 44)], always);
      const verdict = await verify(place, true);
      expect(verdict.discrepancies).toEqual([]);
      expect(verdict.acceptedGaps).toEqual([
        {
          code: 'accepted_gap',
          ...place.source,
          first: 25,
          last: 39,
          by: 'ada',
          reason: 'retention was too short',
          at: '2026-09-01T08:00:00.000Z',
          abandoned: null,
        },
      ]);
      const text = verdictText(verdict);
      expect(text).toContain(
        'offsets 25..39: accepted by ada at 2026-09-01T08:00:00.000Z: retention was too short',
      );
      expect(text).toContain('but for the gaps that were accepted');
    });

    it('is at the beginning when the archive has nothing yet', async () => {
      const place = newPlace(container);
      await gapsOf(place).acceptGap(place.source, { first: 0, last: 49, ...note });
      const verdict = await verify(place, false);
      expect(verdict.discrepancies).toEqual([]);
      expect(shown(verdict)).toEqual([[0, 49, 'ada', note.reason, '2026-09-01T08:00:00.000Z']]);
    });

    it('still misses what the gap does not cover', async () => {
      const place = await written();
      await gapsOf(place).acceptGap(place.source, { first: 25, last: 39, ...note });
      await (await segmentAt(place, 20, 'raw')).blob.delete();
      await (await segmentAt(place, 20, 'undecodable')).blob.delete();
      const verdict = await verify(place, false);
      expect(found(verdict)).toEqual([['segment_missing', 20, 24]]);
      expect(verdict.acceptedGaps).toMatchObject([{ first: 25, last: 39 }]);
    });

    it('does not count what there is of a batch that was given up', async () => {
      const place = await written();
      // The intent, and the first of two segments.
      let steps = 0;
      const event = { campaign_id: 'c', occurred_at: 25, link: null, attributes: {} };
      const values = [Buffer.concat([frameOf(schemaId), typeOf(EVENT_V1).toBuffer(event)]), null];
      const records = values.map((value, index) =>
        recordIn(place, { offset: 25 + index, timestamp: 0, value }),
      );
      const begun = newSink(place, schemas).write([batchIn(place, records, 25, 34)], () => ++steps <= 2);
      await expect(begun).rejects.toThrow('no longer ours');
      expect(await segmentsOf(place)).toHaveLength(7);
      // Kafka has 30 and what follows, so those are read again.
      await gapsOf(place).acceptGap(place.source, { first: 25, last: 29, ...note });
      const again = [recordIn(place, { offset: 30, timestamp: 0, value: null })];
      await newSink(place, schemas).write([batchIn(place, again, 30, 34)], always);
      const verdict = await verify(place, true);
      expect(verdict.discrepancies).toEqual([]);
      expect(verdict.acceptedGaps).toMatchObject([
        { first: 25, last: 29, abandoned: { first: 25, last: 34 } },
      ]);
    });

    it('does not take a record at its word where the archive went on all the same', async () => {
      const place = await written();
      const { topic, topicId, partition } = place.source;
      const record = {
        version: 1,
        topic,
        topic_id: topicId,
        partition,
        first: 12,
        last: 17,
        by: 'ada',
        reason: 'changed her mind',
        at: '2026-09-01T08:00:00.000Z',
        abandoned_batch: null,
      };
      const upload = (range: OffsetRange) => {
        const text = JSON.stringify(record);
        return container
          .getBlockBlobClient(place.prefix + gapPath(place.source, range))
          .upload(text, Buffer.byteLength(text));
      };
      await upload(record);
      expect(await verify(place, false)).toMatchObject({ acceptedGaps: [], discrepancies: [] });
      // Copied under another name it says nothing.
      await upload({ first: 12, last: 18 });
      expect(found(await verify(place, false))).toEqual([['gap_unreadable', null, null]]);
    });
  });
});
