/** Segments of some offsets are found from the newest day back, all of them or an error; and heads are known by one listing. */
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { loadConfig } from '../../../config/load.ts';
import type { Config } from '../../../config/schema.ts';
import { DamagedArchive, findBatches } from '../../../pipelines/archive/find-batches.ts';
import { GapRecords } from '../../../pipelines/archive/gap-records.ts';
import { HeadStore } from '../../../pipelines/archive/head.ts';
import { headPositions } from '../../../pipelines/archive/head-positions.ts';
import { headPath } from '../../../pipelines/archive/segment-path.ts';
import { createContainer } from '../../../pipelines/common/blob/container.ts';
import { systemClock } from '../../../pipelines/common/clock.ts';
import { WriterSchemas } from '../../../pipelines/common/registry/writer-schemas.ts';
import { batchIn, newPlace, newSink, type Place, recordIn, segmentsOf } from '../../helpers/archive-place.ts';
import { endpointOf, startCountingProxy, throughProxy } from '../../helpers/counting-proxy.ts';

const DAY_MS = 86_400_000;
const START = Date.UTC(2026, 5, 1, 12);
const always = () => true;

let config: Config;
let schemas: WriterSchemas;
beforeAll(async () => {
  config = await loadConfig({ file: inject('configFile') });
  schemas = new WriterSchemas({ settings: config.schemaRegistry, clock: systemClock });
});
afterAll(() => schemas.close());

/** Ten offsets a day, none of which is Avro. */
async function archive(place: Place, days: readonly number[]): Promise<void> {
  const sink = newSink(place, schemas);
  await sink.positions([place.source]);
  for (const [index, day] of days.entries()) {
    const first = index * 10;
    const records = Array.from({ length: 10 }, (_, at) =>
      recordIn(place, {
        offset: first + at,
        timestamp: START + day * DAY_MS,
        value: Buffer.from(`no Avro ${at}`),
      }),
    );
    await sink.write([batchIn(place, records, first, first + 9)], always);
  }
}

const find = (place: Place, first: number, last: number) =>
  findBatches(place, place.source.topic, [{ source: place.source, first, last }]);

it('only as far back as is needed, and all of it where Kafka times do not go with the offsets', async () => {
  const place = newPlace(createContainer(config));
  await archive(place, [0, 5, 2, 7]);
  const firsts = async (first: number, last: number) =>
    (await find(place, first, last)).map((batch) => batch.first).toSorted((a, b) => a - b);
  expect(await firsts(30, 39)).toEqual([30]);
  expect(await firsts(15, 25)).toEqual([10, 20]);
  expect(await firsts(0, 39)).toEqual([0, 10, 20, 30]);

  const proxy = await startCountingProxy(endpointOf(config.blob.connectionString));
  const connectionString = throughProxy(config.blob.connectionString, proxy);
  const counted = { ...place, container: createContainer({ blob: { ...config.blob, connectionString } }) };
  await find(counted, 30, 39);
  const days = proxy.take().filter(({ path }) => decodeURIComponent(path).includes('/dt='));
  expect(days.map(({ path }) => /dt=([\d-]+)/.exec(decodeURIComponent(path))?.[1])).toEqual([
    '2026-06-08',
    '2026-06-08',
  ]);
  await proxy.close();
});

it('a segment that is not there is an error, unless somebody has accepted that', async () => {
  const place = newPlace(createContainer(config));
  await archive(place, [0, 1]);
  await expect(find(place, 0, 25)).rejects.toThrow(/offsets 20 to 25 of .* are in no segment/);
  const heads = new HeadStore(place.container, place.prefix);
  const gaps = new GapRecords(place.container, { prefix: place.prefix, heads });
  const gap = { first: 20, last: 29, by: 'somebody', reason: 'gone', at: START };
  await gaps.acceptGap(place.source, gap);
  expect((await find(place, 0, 25)).map(({ first }) => first).toSorted()).toEqual([0, 10]);
  const [segment] = await segmentsOf(place);
  await place.container.deleteBlob(place.prefix + (segment?.path ?? ''));
  await expect(find(place, 0, 25)).rejects.toThrow(DamagedArchive);
});

it('heads show where they are; one that does not is read', async () => {
  const place = newPlace(createContainer(config));
  const { topic } = place.source;
  await archive(place, [0, 1]);
  const expected = [{ ...place.source, begin: 0, next: 20 }];
  expect(await headPositions(place, new Set([topic]))).toEqual(expected);
  expect(await headPositions(place, new Set(['another.topic']))).toEqual([]);
  await place.container
    .getBlobClient(place.prefix + headPath(place.source))
    .setMetadata({ by: 'an earlier release' });
  expect(await headPositions(place, new Set([topic]))).toEqual(expected);
});
