/** Long lists of ids reach ClickHouse in parameters that it takes: a server refuses more than 128 KiB in one. */
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import type { Batch } from '../../../../pipelines/common/batch.ts';
import { createClickHouse } from '../../../../pipelines/common/clickhouse/client.ts';
import { portions } from '../../../../pipelines/common/clickhouse/list-parameters.ts';
import { EncodedBatch } from '../../../../pipelines/common/clickhouse-sink/encoded-batch.ts';
import { Flush } from '../../../../pipelines/common/clickhouse-sink/flush.ts';
import type { RecordEncoder } from '../../../../pipelines/common/clickhouse-sink/record-encoder.ts';
import { ChunkPool } from '../../../../pipelines/common/transcode/chunk-pool.ts';
import { foldProfiles } from '../../../../pipelines/profiles/fold-step.ts';
import { Pin } from '../../../../pipelines/report/pin.ts';
import { readDefinitions } from '../../../../pipelines/report/read-clickhouse.ts';
import { testConfig } from '../../../helpers/config.ts';
import { type RecordedRequest, startRecordingServer } from '../../../helpers/recording-server.ts';

/** `http_max_field_value_size` as servers have it. */
const SERVER_LIMIT = 128 * 1024;

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A server that has nothing. */
async function emptyServer() {
  const server = await startRecordingServer((_request, reply) => reply.send(''));
  cleanups.push(() => server.close());
  const client = createClickHouse(await testConfig({ clickhouse: { url: server.url } }));
  cleanups.push(() => client.close());
  return { client, requests: server.requests };
}

/** The texts that a list names, and that no parameter is too long. */
function namesIn({ query, body }: RecordedRequest): string[] {
  const parameters = [...Object.values(query), ...body.split(/\r\n--/)];
  for (const parameter of parameters) expect(Buffer.byteLength(parameter)).toBeLessThan(SERVER_LIMIT);
  return parameters.flatMap((parameter) => parameter.match(/name-\d+/g) ?? []);
}

/** Each as long as two ids of uuids and a prefix. */
const names = Array.from({ length: 5_000 }, (_, index) => `${'x'.repeat(72)}name-${index}`);
const short = names.map((name) => name.replace(/^x+/, ''));

test('every user of a flush is asked about, however long the ids are', async () => {
  const { client, requests } = await emptyServer();
  const { onRow, step } = foldProfiles({
    pipeline: 'profiles',
    client,
    signal: new AbortController().signal,
    // Not asked: nobody has a base.
    cold: () => Promise.reject(new Error('there is no cold tier')),
  });
  const source = { topic: 'profile.changes', topicId: '0'.repeat(32), partition: 0 };
  const batch: Batch = { source, first: 0, last: 0, records: [], bytes: 0 };
  const note = onRow(batch);
  for (const name of names) {
    note({ text: (column) => (column === 'user_id' ? name : column), time: () => 0 });
  }
  const encoded = new EncodedBatch(batch, { encoder: {} as RecordEncoder, pool: new ChunkPool() });
  await step(new Flush([encoded], () => true));
  expect(requests.flatMap(namesIn)).toEqual(short);
});

test('every campaign of a report is asked about, however many there are', async () => {
  const { client, requests } = await emptyServer();
  await readDefinitions(
    { clickhouse: client, database: 'ledger' },
    { tenantId: 't', campaignIds: names, knownAt: null, pin: new Pin() },
  );
  expect(requests.flatMap(namesIn)).toEqual(short);
});

test('portions hold every item once, in order, and bounded', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.string({ maxLength: 1_024, unit: 'binary' }), { maxLength: 2 }), {
        size: 'large',
      }),
      fc.integer({ min: 1, max: 50 }),
      (items, most) => {
        const cut = [...portions(items, (texts) => texts, most)];
        expect(cut.flat()).toEqual(items);
        for (const portion of cut) {
          expect(portion.length).toBeGreaterThan(0);
          expect(portion.length).toBeLessThanOrEqual(most);
          const escaped = portion.flat().reduce((sum, text) => sum + 2 * Buffer.byteLength(text), 0);
          expect(escaped + 8 * portion.length).toBeLessThan(SERVER_LIMIT);
        }
      },
    ),
    { numRuns: 20 },
  );
});
