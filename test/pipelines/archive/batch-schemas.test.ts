import { describe, expect, it } from 'vitest';
import { BatchSchemas, SegmentSchemas } from '../../../pipelines/archive/batch-schemas.ts';
import { encodeBatch } from '../../../pipelines/archive/encode-batch.ts';
import { frameOf } from '../../../pipelines/common/avro/wire-format.ts';
import { PartitionStopped } from '../../../pipelines/common/errors.ts';
import { batchOf, record } from '../../helpers/archive-batches.ts';
import { ScriptedRegistry } from '../../helpers/scripted-registry.ts';

/** A long of value 1 under each id. */
const batch = (...ids: number[]) =>
  batchOf(
    ids.map((id, offset) => record({ offset, value: Buffer.concat([frameOf(id), Buffer.of(2)]) })),
    { first: 0, last: ids.length - 1 },
  );

async function partsOf(schemas: BatchSchemas, ...ids: number[]) {
  const segments = await encodeBatch(batch(...ids), schemas);
  return segments.map(({ metadata: { schemaId, count } }) => [schemaId, count]);
}

describe('BatchSchemas', () => {
  it('keeps to its first word within a batch', async () => {
    await using registry = await ScriptedRegistry.start();
    registry.known.set(7, 'long');
    const segmentSchemas = new SegmentSchemas(await registry.schemas());
    const schemas = new BatchSchemas(segmentSchemas, null);
    expect(await partsOf(schemas, 7, 8, 7, 9, 8)).toEqual([
      [7, 2],
      [null, 3],
    ]);
    expect(new Set(registry.asked)).toEqual(new Set(['/schemas/ids/7', '/schemas/ids/8', '/schemas/ids/9']));
    expect(schemas.used()).toEqual([7]);
    registry.known.set(8, 'long');
    registry.clock.time += 3_600_000;
    expect(await partsOf(schemas, 8)).toEqual([[null, 1]]);
    expect(await partsOf(new BatchSchemas(segmentSchemas, null), 8)).toEqual([[8, 1]]);
  });

  it('takes the word of the intent, whatever the registry has learnt since', async () => {
    await using registry = await ScriptedRegistry.start();
    registry.known.set(7, 'long').set(8, 'long');
    const schemas = new BatchSchemas(new SegmentSchemas(await registry.schemas()), [7]);
    expect(await partsOf(schemas, 7, 8, 7)).toEqual([
      [7, 2],
      [null, 1],
    ]);
    expect(new Set(registry.asked)).toEqual(new Set(['/schemas/ids/7']));
  });

  it('stops the partition when a schema of the intent is gone', async () => {
    await using registry = await ScriptedRegistry.start();
    const schemas = new BatchSchemas(new SegmentSchemas(await registry.schemas()), [7]);
    const stop = await partsOf(schemas, 7).catch((error: unknown) => error);
    expect(stop).toBeInstanceOf(PartitionStopped);
    expect(stop).toMatchObject({ code: 'schema_lost' });
  });

  it.each<[string, unknown]>([
    ['uses a name of the wrapper', { type: 'enum', name: 'CampaignLedgerSegmentRecord', symbols: ['A'] }],
    [
      'is nested without end',
      Array(500)
        .fill(0)
        .reduce((items) => ({ type: 'array', items }), 'int'),
    ],
    ['is not Avro', { type: 'object' }],
  ])('leaves values undecoded whose schema %s', async (_what, schema) => {
    await using registry = await ScriptedRegistry.start();
    registry.known.set(7, schema);
    const schemas = new BatchSchemas(new SegmentSchemas(await registry.schemas()), null);
    expect(await partsOf(schemas, 7)).toEqual([[null, 1]]);
    expect(schemas.used()).toEqual([]);
  });

  it('asks nothing for ids that no registry gives out', async () => {
    await using registry = await ScriptedRegistry.start();
    const schemas = new BatchSchemas(new SegmentSchemas(await registry.schemas()), null);
    expect(await partsOf(schemas, 0, 0xffff_ffff)).toEqual([[null, 2]]);
    expect(registry.asked).toEqual([]);
  });
});
