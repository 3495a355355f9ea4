import { expect, inject, it } from 'vitest';
import { rebuildIndex } from '../../../pipelines/archive/segments-index.ts';
import { createContainer } from '../../../pipelines/common/blob/container.ts';
import { systemClock } from '../../../pipelines/common/clock.ts';
import { WriterSchemas } from '../../../pipelines/common/registry/writer-schemas.ts';
import { batchIn, newPlace, newSink, recordIn, segmentsOf } from '../../helpers/archive-place.ts';
import { LedgerDatabase } from '../../helpers/ledger-database.ts';

it('fills archive_segments from the listing, and forgets what is gone', async () => {
  await using ledger = await LedgerDatabase.create(inject('configFile'));
  const { config, client, database } = ledger;
  const place = newPlace(createContainer(config));
  const { topic, topicId } = place.source;
  const schemas = new WriterSchemas({ settings: config.schemaRegistry, clock: systemClock });
  const sink = newSink(place, schemas);
  for (const first of [0, 5]) {
    const value = Buffer.from('not Avro');
    const records = [recordIn(place, { offset: first, timestamp: 1_700_000_000_456, value })];
    await sink.write([batchIn(place, records, first, first + 4)], () => true);
  }
  await schemas.close();

  const options = { ...place, client, database, topics: [topic] };
  expect(await rebuildIndex(options)).toBe(2);
  expect(await rebuildIndex(options)).toBe(2);
  const [kept, gone] = (await segmentsOf(place)).map(({ path }) => path);
  const rows = await ledger.rows('SELECT * FROM archive_segments FINAL ORDER BY first_offset');
  expect(rows).toHaveLength(2);
  expect(rows[0]).toMatchObject({
    topic,
    topic_id: topicId,
    partition: 4,
    path: place.prefix + kept,
    schema_id: null,
    min_event_at: null,
    max_recorded_at: '2023-11-14 22:13:20.456',
  });
  await place.container.deleteBlob(place.prefix + gone);
  expect(await rebuildIndex(options)).toBe(1);
  expect(await ledger.rows('SELECT path FROM archive_segments FINAL')).toEqual([
    { path: place.prefix + kept },
  ]);
});
