/** A batch of nothing but bad records: each can become its letter, and none is held as an object until then. */
import v8 from 'node:v8';
import { runInNewContext } from 'node:vm';
import avsc from 'avsc';
import { afterAll, expect, test } from 'vitest';
import { EncodedBatch } from '../../../../pipelines/common/clickhouse-sink/encoded-batch.ts';
import { RecordEncoder } from '../../../../pipelines/common/clickhouse-sink/record-encoder.ts';
import { createMetrics } from '../../../../pipelines/common/metrics.ts';
import { PackedRecords } from '../../../../pipelines/common/runner/packed-records.ts';
import { ChunkPool } from '../../../../pipelines/common/transcode/chunk-pool.ts';
import { FEEDBACK_ROWS } from '../../../../pipelines/tracking/rows.ts';
import { readSchemaFile } from '../../../../schemas/migrate/subjects.ts';
import { feedback } from '../../../helpers/ledger-values.ts';
import { ScriptedRegistry } from '../../../helpers/scripted-registry.ts';

const RECORDS = 100_000;
/** Of the records alone: offsets, reasons and the table that finds them by offset. */
const MOST_BYTES_EACH = 400;

v8.setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function heldBytes(): number {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

let registry: ScriptedRegistry | undefined;
afterAll(() => registry?.[Symbol.asyncDispose]());

test('a hundred thousand refused records are kept as offsets and reasons', async () => {
  registry = await ScriptedRegistry.start();
  const schema = JSON.parse(readSchemaFile('feedback-event.avsc')) as avsc.Schema;
  registry.known.set(7, schema);
  const value = Buffer.concat([
    Buffer.of(0, 0, 0, 0, 7),
    avsc.Type.forSchema(schema).toBuffer(feedback()).subarray(0, -2),
  ]);
  const source = { topic: 't', topicId: 'id', partition: 0 };
  const records = new PackedRecords(source);
  for (let offset = 0; offset < RECORDS; offset += 1) {
    const headers = [{ trace: Buffer.of(offset & 127) }];
    records.add({
      ...source,
      offset,
      timestamp: 1,
      key: Buffer.from('acme/u1'),
      value,
      size: value.length,
      headers,
    });
  }
  const batch = { source, first: 0, last: RECORDS - 1, bytes: RECORDS * value.length, records };
  const encoder = new RecordEncoder({
    pipeline: 'tracking',
    topic: 't',
    spec: FEEDBACK_ROWS,
    limits: { earliest: 0, maxFutureMs: 0 },
    schemas: await registry.schemas(),
    metrics: createMetrics(),
  });
  await encoder.prepare([batch]);
  const before = heldBytes();
  const encoded = new EncodedBatch(batch, { encoder, pool: new ChunkPool() });
  for (const _ of encoded.encode());
  expect((heldBytes() - before) / RECORDS).toBeLessThan(MOST_BYTES_EACH);
  expect(encoded.faults.size).toBe(RECORDS);
  let next = 0;
  for (const { record, fault, source: from } of encoded.letters()) {
    if (record.offset !== next || record.value?.equals(value) !== true) throw new Error(`letter ${next}`);
    if (next === 99_999)
      expect({ fault, from, headers: record.headers, key: String(record.key) }).toMatchObject({
        fault: { code: 'avro_truncated' },
        from: source,
        headers: [{ trace: Buffer.of(99_999 & 127) }],
        key: 'acme/u1',
      });
    next += 1;
  }
  expect(next).toBe(RECORDS);
});
