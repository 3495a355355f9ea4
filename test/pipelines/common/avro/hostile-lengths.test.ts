/** Lengths and counts that promise more than there is: nobody makes room for them, nobody walks them to their end. */

import avsc from 'avsc';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PayloadScanner } from '../../../../pipelines/common/avro/payload-scanner.ts';
import { cursorOver } from '../../../../pipelines/common/record-cursor.ts';
import { ChunkPool } from '../../../../pipelines/common/transcode/chunk-pool.ts';
import { RowChunks } from '../../../../pipelines/common/transcode/row-chunks.ts';
import type { RowSpec } from '../../../../pipelines/common/transcode/row-spec.ts';
import { Transcoder } from '../../../../pipelines/common/transcode/transcoder.ts';
import { planFor } from '../../../../pipelines/common/transcode/writer-plan.ts';
import { CHANGE_ROWS } from '../../../../pipelines/profiles/rows.ts';
import { CAMPAIGN_ROWS, DELIVERY_ROWS, FEEDBACK_ROWS } from '../../../../pipelines/tracking/rows.ts';
import { readSchemaFile } from '../../../../schemas/migrate/subjects.ts';
import { allocatedBy } from '../../../helpers/allocated.ts';
import { anySchema, encodedValue, encodeLong } from '../../../helpers/avro-arbitraries.ts';
import { change, definition, delivery, feedback } from '../../../helpers/ledger-values.ts';

/** Pages of the heap, a row's buffer, whatever the machinery of the test takes. */
const MOST_BYTES = 8 * 1024 * 1024;

const hostile = fc
  .oneof(
    fc.bigInt(2n ** 27n, 2n ** 63n - 1n),
    fc.bigInt(-(2n ** 63n), -1n),
    fc.constantFrom(2n ** 28n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n)),
  )
  .map(encodeLong);

/** The bytes with one to three hostile numbers put over them. */
function withHostileNumbers(bytes: Buffer): fc.Arbitrary<Buffer> {
  const piece = fc.record({ at: fc.nat(bytes.length), number: hostile, replaced: fc.nat(2) });
  return fc
    .array(piece, { minLength: 1, maxLength: 3 })
    .map((pieces) =>
      pieces.reduce(
        (payload, { at, number, replaced }) =>
          Buffer.concat([payload.subarray(0, at), number, payload.subarray(at + replaced)]),
        bytes,
      ),
    );
}

test('the archive passes over payloads of any schema without making room for what they promise', async () => {
  const payload = anySchema.chain((schema) =>
    encodedValue(schema)
      .chain(withHostileNumbers)
      .map((bytes) => ({ schema, bytes })),
  );
  await fc.assert(
    fc.asyncProperty(payload, async ({ schema, bytes }) => {
      const scanner = new PayloadScanner(avsc.Type.forSchema(schema as avsc.Schema, { wrapUnions: true }));
      expect(await allocatedBy(() => scanner.scan(bytes, 0, bytes.length))).toBeLessThan(MOST_BYTES);
    }),
    { numRuns: 300 },
  );
});

const TOPICS: readonly (readonly [string, RowSpec, object])[] = [
  ['campaign-definition.avsc', CAMPAIGN_ROWS, definition()],
  ['delivery-event.avsc', DELIVERY_ROWS, delivery({ attributes: { region: 'north' } })],
  ['feedback-event.avsc', FEEDBACK_ROWS, feedback()],
  ['profile-change.avsc', CHANGE_ROWS, change()],
];

test.each(TOPICS)('and so does what makes rows of %s', async (file, spec, value) => {
  const schema = JSON.parse(readSchemaFile(file)) as unknown;
  const plan = planFor(schema, spec);
  if (typeof plan === 'string') throw new Error(plan);
  const framed = Buffer.concat([Buffer.alloc(5), avsc.Type.forSchema(schema as avsc.Schema).toBuffer(value)]);
  const transcoder = new Transcoder(spec, { earliest: 0, maxFutureMs: 0 });
  await fc.assert(
    fc.asyncProperty(withHostileNumbers(framed.subarray(5)), async (payload) => {
      const bytes = Buffer.concat([framed.subarray(0, 5), payload]);
      const record = {
        topic: 't',
        partition: 0,
        offset: 0,
        timestamp: Date.UTC(2030, 0, 1),
        key: null,
        value: bytes,
        size: bytes.length,
      };
      const rows = new RowChunks(new ChunkPool());
      const cursor = cursorOver([record]);
      cursor.next();
      const work = () => transcoder.write(rows, cursor, { plan, source: Buffer.of(0) });
      expect(await allocatedBy(work)).toBeLessThan(MOST_BYTES);
    }),
    { numRuns: 500 },
  );
});
