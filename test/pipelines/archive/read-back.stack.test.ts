import { randomUUID } from 'node:crypto';
import type { ClickHouseClient } from '@clickhouse/client';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { loadConfig } from '../../../config/load.ts';
import type { Config } from '../../../config/schema.ts';
import { archivedSchemas, selectStatement } from '../../../pipelines/archive/archive-sql.ts';
import { frameOf } from '../../../pipelines/common/avro/wire-format.ts';
import { createContainer } from '../../../pipelines/common/blob/container.ts';
import { createClickHouse } from '../../../pipelines/common/clickhouse/client.ts';
import { systemClock } from '../../../pipelines/common/clock.ts';
import { WriterSchemas } from '../../../pipelines/common/registry/writer-schemas.ts';
import { EVENT_V1, EVENT_V2, typeOf } from '../../helpers/archive-batches.ts';
import {
  batchIn,
  newPlace,
  newSink,
  type Place,
  recordIn,
  registerSchema,
} from '../../helpers/archive-place.ts';

const always = () => true;

let config: Config;
let clickhouse: ClickHouseClient;
let schemas: WriterSchemas;
let ids: { readonly v1: number; readonly v2: number; readonly number: number };

beforeAll(async () => {
  config = await loadConfig({ file: inject('configFile') });
  clickhouse = createClickHouse(config, { database: null });
  schemas = new WriterSchemas({ settings: config.schemaRegistry, clock: systemClock });
  const { url } = config.schemaRegistry;
  const subject = `read-back-${randomUUID()}-value`;
  ids = {
    v1: await registerSchema(url, subject, EVENT_V1),
    v2: await registerSchema(url, subject, EVENT_V2),
    number: await registerSchema(url, `read-back-${randomUUID()}-value`, 'long'),
  };
});

afterAll(async () => {
  await schemas.close();
  await clickhouse.close();
});

interface Event {
  readonly campaign_id: string;
  readonly occurred_at: number;
  readonly link: string | null;
  readonly attributes: Record<string, string>;
  readonly score?: number | null;
}

const text = fc.oneof(fc.string(), fc.string({ unit: 'grapheme' }));
const anyEvent: fc.Arbitrary<Event> = fc.record({
  campaign_id: text,
  occurred_at: fc.integer({ min: 0, max: 4_102_444_800_000 }),
  link: fc.option(text, { nil: null }),
  attributes: fc.dictionary(text, text, { maxKeys: 3 }).map((entries) => ({ ...entries })),
});
const anyVersioned = fc.oneof(
  anyEvent.map((event) => ({ id: 'v1' as const, event })),
  fc
    .tuple(anyEvent, fc.option(fc.double({ noNaN: true, noDefaultInfinity: true }), { nil: null }))
    .map(([event, score]) => ({ id: 'v2' as const, event: { ...event, score } })),
);

const encode = ({ id, event }: { id: 'v1' | 'v2'; event: Event }): Buffer =>
  Buffer.concat([frameOf(ids[id]), typeOf(id === 'v1' ? EVENT_V1 : EVENT_V2).toBuffer(event)]);

async function selectAll(place: Place): Promise<Record<string, unknown>[]> {
  const { topic } = place.source;
  const { container, connectionString } = config.blob;
  const statement = selectStatement(topic, await archivedSchemas(place, topic), {
    kind: 'blob',
    connection: '{connection:String}',
    container,
    prefix: place.prefix,
  });
  const result = await clickhouse.query({
    query: `SELECT * FROM (${statement}) ORDER BY offset`,
    query_params: { connection: connectionString },
    format: 'JSONEachRow',
    clickhouse_settings: {
      output_format_json_quote_64bit_integers: 0,
      output_format_json_quote_64bit_floats: 0,
    },
  });
  return result.json<Record<string, unknown>>();
}

const dateTime = (time: number) => new Date(time).toISOString().replace('T', ' ').replace('Z', '');

describe("ClickHouse's own Avro reader", () => {
  it('reads, by the statement of `archive sql`, every value of both schema versions', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyVersioned, { minLength: 1, maxLength: 40 }), async (events) => {
        const place = newPlace(createContainer(config));
        const sink = newSink(place, schemas);
        // Among them what the statement must pass over: no event, no Avro, a tombstone.
        const others = [
          Buffer.concat([frameOf(ids.number), typeOf('long').toBuffer(5)]),
          Buffer.from('not Avro'),
          null,
        ];
        const records = [...events.map(encode), ...others].map((value, offset) =>
          recordIn(place, { offset, timestamp: 1_700_000_000_000 + offset * 1_800_000, value }),
        );
        const cut = Math.ceil(records.length / 2);
        await sink.write([batchIn(place, records.slice(0, cut), 0, cut - 1)], always);
        await sink.write([batchIn(place, records.slice(cut), cut, records.length - 1)], always);

        const hasV2 = events.some(({ id }) => id === 'v2');
        expect(await selectAll(place)).toEqual(
          events.map(({ id, event }, offset) => ({
            partition: 4,
            offset,
            timestamp: dateTime(1_700_000_000_000 + offset * 1_800_000),
            key: null,
            schema_id: ids[id],
            'value.campaign_id': event.campaign_id,
            'value.occurred_at': dateTime(event.occurred_at),
            'value.link': event.link,
            'value.attributes': event.attributes,
            // To the bit: JSON's text "-0" is read as the negative zero that was written.
            ...(hasV2 ? { 'value.score': event.score ?? null } : {}),
          })),
        );
      }),
      {
        numRuns: 12,
        examples: [
          [[{ id: 'v2', event: { campaign_id: '', occurred_at: 0, link: null, attributes: {}, score: -0 } }]],
        ],
      },
    );
  });

  it('reads keys, headers and undecodable values as they were', async () => {
    const place = newPlace(createContainer(config));
    const value = Buffer.from([0, 1, 2, 0xff, 0xfe]);
    const record = {
      ...recordIn(place, { offset: 7, timestamp: 1_700_000_000_000, value }),
      key: Buffer.from([0xff, 0]),
      headers: [{ origin: Buffer.from('ä') }, { origin: Buffer.from([0xff]) }, { empty: Buffer.alloc(0) }],
    };
    await newSink(place, schemas).write([batchIn(place, [record], 7, 7)], always);
    const { container, connectionString: connection } = config.blob;
    const result = await clickhouse.query({
      query: `SELECT offset, hex(key) AS key, arrayMap(h -> (h.1, hex(h.2)), headers) AS headers, hex(value) AS value, schema_id
              FROM azureBlobStorage({connection:String}, {container:String}, {path:String}, 'Avro', 'auto',
                'offset Int64, key Nullable(String), headers Array(Tuple(key String, value Nullable(String))), value Nullable(String), schema_id Int32')`,
      query_params: { connection, container, path: `${place.prefix}undecodable/**.avro` },
      format: 'JSONEachRow',
      clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
    });
    expect(await result.json()).toEqual([
      {
        offset: 7,
        key: 'FF00',
        headers: [
          ['origin', 'C3A4'],
          ['origin', 'FF'],
          ['empty', ''],
        ],
        value: value.toString('hex').toUpperCase(),
        schema_id: -1,
      },
    ]);
  });
});
