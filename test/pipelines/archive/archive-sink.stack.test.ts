import { randomUUID } from 'node:crypto';
import type { ContainerClient } from '@azure/storage-blob';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { loadConfig } from '../../../config/load.ts';
import type { Config } from '../../../config/schema.ts';
import { ArchiveSink } from '../../../pipelines/archive/archive-sink.ts';
import { SegmentSchemas } from '../../../pipelines/archive/batch-schemas.ts';
import { HeadStore } from '../../../pipelines/archive/head.ts';
import { fromBlobMetadata } from '../../../pipelines/archive/segment-metadata.ts';
import { parseSegmentPath } from '../../../pipelines/archive/segment-path.ts';
import { originalValue, SegmentReader } from '../../../pipelines/archive/segment-reader.ts';
import { SegmentStore } from '../../../pipelines/archive/segment-store.ts';
import { frameOf } from '../../../pipelines/common/avro/wire-format.ts';
import {
  type Batch,
  type KafkaRecord,
  type PartitionRef,
  partitionKey,
} from '../../../pipelines/common/batch.ts';
import { createContainer } from '../../../pipelines/common/blob/container.ts';
import { systemClock } from '../../../pipelines/common/clock.ts';
import { Fenced, Outage, PartitionStopped } from '../../../pipelines/common/errors.ts';
import { createLogger } from '../../../pipelines/common/logger.ts';
import { createMetrics } from '../../../pipelines/common/metrics.ts';
import { WriterSchemas } from '../../../pipelines/common/registry/writer-schemas.ts';
import { EVENT_V1, EVENT_V2, typeOf } from '../../helpers/archive-batches.ts';
import {
  batchIn,
  blobsOf,
  newPlace as createPlace,
  newSink as createSink,
  headOf,
  type Place,
  recordIn,
  registerSchema,
  segmentsOf,
} from '../../helpers/archive-place.ts';
import { type CuttingProxy, startCuttingProxy } from '../../helpers/cutting-proxy.ts';

const TOPIC = 'campaign.feedback';
const always = () => true;

let config: Config;
let container: ContainerClient;
let schemas: WriterSchemas;
let proxy: CuttingProxy;
let ids: { readonly v1: number; readonly v2: number };

beforeAll(async () => {
  config = await loadConfig({ file: inject('configFile') });
  container = createContainer(config);
  schemas = new WriterSchemas({ settings: config.schemaRegistry, clock: systemClock });
  const subject = `archive-sink-${randomUUID()}-value`;
  const { url } = config.schemaRegistry;
  ids = {
    v1: await registerSchema(url, subject, EVENT_V1),
    v2: await registerSchema(url, subject, EVENT_V2),
  };
  proxy = await startCuttingProxy(new URL(container.url).origin);
});

afterAll(async () => {
  await schemas.close();
  await proxy.close();
});

const newPlace = (source?: PartitionRef) => createPlace(container, source);
const newSink = (place: Place, through?: ContainerClient) => createSink(place, schemas, through);

/** The same container, by way of the proxy. */
function proxied(): ContainerClient {
  const { origin } = new URL(container.url);
  const connectionString = (config.blob.connectionString ?? '').replace(origin, proxy.url);
  return createContainer({ blob: { ...config.blob, connectionString } });
}

/** What Kafka has: the record at an offset is always the same. Of three schemas, so that a batch is three segments. */
function recordAt(place: Place, offset: number): KafkaRecord {
  const event = {
    campaign_id: `c${offset}`,
    occurred_at: 1_700_000_000_000 + offset,
    link: null,
    attributes: {},
  };
  const values = [
    () => Buffer.concat([frameOf(ids.v1), typeOf(EVENT_V1).toBuffer(event)]),
    () => Buffer.concat([frameOf(ids.v2), typeOf(EVENT_V2).toBuffer({ ...event, score: offset })]),
    () => Buffer.from(`not Avro: ${offset}`),
  ];
  const value = values[offset % values.length]?.() ?? null;
  return recordIn(place, { offset, timestamp: 1_700_000_000_000 + offset * 1000, value });
}

function batchOf(place: Place, first: number, last: number): Batch {
  const records = Array.from({ length: last - first + 1 }, (_, index) => recordAt(place, first + index));
  return batchIn(place, records, first, last);
}

/** The head and the segments with all that their metadata say, sha256 of the file included. */
async function outcomeOf(place: Place): Promise<unknown> {
  const segments = await segmentsOf(place);
  return { head: await headOf(place), segments: segments.map(({ path, metadata }) => ({ path, metadata })) };
}

/** Every archived record, with how often. */
async function archivedValues({ prefix }: Place): Promise<Map<number, string[]>> {
  const found = new Map<number, string[]>();
  for await (const { name } of container.listBlobsFlat({ prefix })) {
    if (!name.endsWith('.avro')) continue;
    const bytes = await container.getBlobClient(name).downloadToBuffer();
    const reader = await SegmentReader.open(
      (async function* () {
        yield bytes;
      })(),
    );
    for await (const record of reader.records()) {
      const value = originalValue(record)?.toString('hex') ?? '';
      found.set(record.offset, [...(found.get(record.offset) ?? []), value]);
    }
  }
  return found;
}

describe('ArchiveSink', () => {
  it('writes one segment a schema, then the head', async () => {
    const place = newPlace();
    const sink = newSink(place);
    const key = partitionKey(place.source);
    expect(await sink.positions([place.source])).toEqual(new Map([[key, { next: null, intent: null }]]));
    await sink.write([batchOf(place, 10, 18)], always);
    await sink.write([batchOf(place, 19, 19)], always);
    expect(await headOf(place)).toEqual({ begin: 10, next: 20, intent: null });
    expect(await newSink(place).positions([place.source])).toEqual(
      new Map([[key, { next: 20, intent: null }]]),
    );

    const segments = await segmentsOf(place);
    expect(segments.map(({ path }) => [path.split('/')[0], parseSegmentPath(path)?.first])).toEqual([
      ['raw', 10],
      ['raw', 10],
      ['raw', 19],
      ['undecodable', 10],
    ]);
    for (const { metadata } of segments) {
      const { first, count, batchCount, partCount, sha256 } = fromBlobMetadata(metadata) ?? {};
      expect(first === 10 ? [count, batchCount, partCount] : [count, batchCount, partCount]).toEqual(
        first === 10 ? [3, 9, 3] : [1, 1, 1],
      );
      expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    }
    const values = await archivedValues(place);
    expect(values.size).toBe(10);
    for (const [offset, copies] of values) {
      expect(copies).toEqual([recordAt(place, offset).value?.toString('hex')]);
    }
  });

  it('leaves the same blobs whichever request fails, and whether or not it was done', async () => {
    const undisturbed = newPlace();
    proxy.fate = () => 'pass';
    proxy.requests = 0;
    await newSink(undisturbed, proxied()).write([batchOf(undisturbed, 100, 108)], always);
    const total = proxy.requests;
    const expected = await outcomeOf(undisturbed);
    expect(total).toBeGreaterThanOrEqual(6);

    for (const fate of ['refuse', 'lose'] as const) {
      for (let failing = 1; failing <= total; failing++) {
        for (const isRestarted of [true, false]) {
          const place = newPlace(undisturbed.source);
          proxy.requests = 0;
          proxy.fate = (number) => (number === failing ? fate : 'pass');
          let sink = newSink(place, proxied());
          const batch = batchOf(place, 100, 108);
          const failure = await sink.write([batch], always).catch((error: unknown) => error);
          expect(failure, `${fate} request ${failing}`).toBeInstanceOf(Outage);
          const before = await segmentsOf(place);
          if (isRestarted) {
            sink = newSink(place);
            const { next, intent } =
              (await sink.positions([place.source])).get(partitionKey(place.source)) ?? {};
            // A whole batch that was begun is to be gathered again; none that was done.
            if (intent != null) expect(intent).toEqual({ first: 100, last: 108 });
            else expect([null, 109]).toContain(next);
            if (next !== 109) await sink.write([batch], always);
          } else {
            await sink.write([batch], always);
          }
          expect(await outcomeOf(place), `${fate} request ${failing}`).toEqual(expected);
          // Nothing that was there has been written again.
          const after = new Map((await blobsOf(place)).map(({ path, etag }) => [path, etag]));
          for (const { path, etag } of before) expect(after.get(path)).toBe(etag);
          await sink.write([batchOf(place, 109, 109)], always);
          expect(await headOf(place)).toEqual({ begin: 100, next: 110, intent: null });
        }
      }
    }
  });

  it('lets one of several owners win each step, and loses and doubles nothing', async () => {
    const place = newPlace();
    const end = 400;
    let fenced = 0;
    const own = async (seed: number): Promise<void> => {
      const sink = newSink(place);
      for (let step = seed; ; step++) {
        const { next, intent } = (await sink.positions([place.source])).get(partitionKey(place.source)) ?? {};
        let from = next ?? 0;
        if (from >= end && intent == null) return;
        let last = intent?.last ?? Math.min(end - 1, from + ((step * 7) % 23));
        // On, until somebody else is faster.
        try {
          for (; from < end; from = last + 1, last = Math.min(end - 1, from + ((step * 11) % 17))) {
            await sink.write([batchOf(place, from, last)], always);
          }
        } catch (error) {
          if (!(error instanceof Fenced)) throw error;
          fenced += 1;
        }
      }
    };
    await Promise.all([own(1), own(2), own(3)]);
    expect(fenced).toBeGreaterThan(0);
    expect(await headOf(place)).toEqual({ begin: 0, next: end, intent: null });
    const values = await archivedValues(place);
    expect([...values.keys()].sort((a, b) => a - b)).toEqual(
      Array.from({ length: end }, (_, offset) => offset),
    );
    expect([...values.values()].every((copies) => copies.length === 1)).toBe(true);
  });

  it('finishes the batch that another owner has begun, and that owner is fenced', async () => {
    const place = newPlace();
    const [frozen, heir] = [newSink(place), newSink(place)];
    await frozen.positions([place.source]);
    // Frozen after its intent: the fence opens for that one step only.
    let steps = 0;
    const stopAfterIntent = () => ++steps <= 1;
    await expect(frozen.write([batchOf(place, 0, 5)], stopAfterIntent)).rejects.toThrow(Fenced);
    const { intent } = (await heir.positions([place.source])).get(partitionKey(place.source)) ?? {};
    expect(intent).toEqual({ first: 0, last: 5 });
    await expect(heir.write([batchOf(place, 0, 3)], always)).rejects.toThrow(Fenced);
    await heir.write([batchOf(place, 0, 5)], always);
    await heir.write([batchOf(place, 6, 9)], always);
    await expect(frozen.write([batchOf(place, 0, 7)], always)).rejects.toThrow(Fenced);
    expect(await headOf(place)).toEqual({ begin: 0, next: 10, intent: null });
  });

  it.each([0, 1, 2, 3])('writes nothing more once the fence has closed after %d steps', async (open) => {
    const place = newPlace();
    let steps = 0;
    await expect(newSink(place).write([batchOf(place, 0, 5)], () => ++steps <= open)).rejects.toThrow(Fenced);
    // The intent is one step, each segment another.
    const segments = await segmentsOf(place);
    expect(segments).toHaveLength(Math.max(0, open - 1));
    const head = await headOf(place);
    expect(head?.next ?? 0).toBe(0);
  });

  it('stops at a segment that is there with other content, and overwrites nothing', async () => {
    const place = newPlace();
    const other = newPlace(place.source);
    await newSink(other).write([batchOf(other, 0, 5)], always);
    const [victim] = (await blobsOf(other)).filter(({ path }) => path.startsWith('raw/'));
    if (victim === undefined) throw new Error('no segment');
    const name = place.prefix + victim.path;
    await container.getBlockBlobClient(name).upload('something else', 14);

    const stop = await newSink(place)
      .write([batchOf(place, 0, 5)], always)
      .catch((error: unknown) => error);
    expect(stop).toBeInstanceOf(PartitionStopped);
    expect(stop).toMatchObject({ code: 'segment_conflict' });
    expect((await container.getBlobClient(name).downloadToBuffer()).toString()).toBe('something else');
    expect(await headOf(place)).toMatchObject({ next: 0, intent: { first: 0, last: 5 } });

    // After a person has put it right the same batch goes in.
    await container.deleteBlob(name);
    await newSink(place).write([batchOf(place, 0, 5)], always);
    expect(await headOf(place)).toEqual({ begin: 0, next: 6, intent: null });
  });

  it('takes equal content under another compression for done, and equal bytes without metadata', async () => {
    const place = newPlace();
    const other = newPlace(place.source);
    await newSink(other).write([batchOf(other, 0, 5)], always);
    const raw = (await blobsOf(other)).filter(({ path }) => path.startsWith('raw/'));
    for (const [index, { path, metadata }] of raw.entries()) {
      const blob = container.getBlockBlobClient(place.prefix + path);
      const bytes = await container.getBlobClient(other.prefix + path).downloadToBuffer();
      const recompressed = { metadata: { ...metadata, sha256: '0'.repeat(64) } };
      await blob.upload(bytes, bytes.length, index === 0 ? recompressed : {});
    }
    await newSink(place).write([batchOf(place, 0, 5)], always);
    expect(await headOf(place)).toEqual({ begin: 0, next: 6, intent: null });
  });

  it('writes nothing while the registry cannot be asked', async () => {
    const place = newPlace();
    const away = new WriterSchemas({
      settings: { ...config.schemaRegistry, url: 'http://127.0.0.1:1' },
      clock: systemClock,
    });
    const sink = new ArchiveSink({
      heads: new HeadStore(container, place.prefix),
      segments: new SegmentStore(container, place.prefix),
      schemas: new SegmentSchemas(away),
      metrics: createMetrics(),
      logger: createLogger({ level: 'silent', format: 'json' }),
      close: () => away.close(),
    });
    await expect(sink.write([batchOf(place, 0, 5)], always)).rejects.toThrow(Outage);
    expect(await blobsOf(place)).toEqual([]);
    await sink.close();
  });

  it('stops at a head that it cannot read', async () => {
    const place = newPlace();
    const path = `${place.prefix}heads/${TOPIC}/${place.source.topicId}/4.json`;
    const text = JSON.stringify({ version: 2, next: 0 });
    await container.getBlockBlobClient(path).upload(text, text.length);
    await expect(newSink(place).positions([place.source])).rejects.toMatchObject({ code: 'head_unreadable' });
  });

  it('waits for a container that is not there', async () => {
    const missing = createContainer({ blob: { ...config.blob, container: `missing-${randomUUID()}` } });
    const place = newPlace();
    await expect(newSink(place, missing).write([batchOf(place, 0, 1)], always)).rejects.toThrow(Outage);
  });
});
