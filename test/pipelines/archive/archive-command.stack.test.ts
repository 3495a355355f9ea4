import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ContainerClient } from '@azure/storage-blob';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { loadConfig } from '../../../config/load.ts';
import { frameOf } from '../../../pipelines/common/avro/wire-format.ts';
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

const MAIN = fileURLToPath(new URL('../../../pipelines/main.ts', import.meta.url));

let container: ContainerClient;
let place: Place;
let schemaId: number;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'archive-command-'));
  const config = await loadConfig({ file: inject('configFile') });
  container = createContainer(config);
  place = newPlace(container);
  const schemas = new WriterSchemas({ settings: config.schemaRegistry, clock: systemClock });
  schemaId = await registerSchema(config.schemaRegistry.url, `command-${randomUUID()}-value`, EVENT_V1);
  const event = {
    campaign_id: 'spring',
    occurred_at: 1_700_000_000_123,
    link: null,
    attributes: { device: 'phone' },
  };
  const records = [
    recordIn(place, {
      offset: 3,
      timestamp: 1_700_000_000_456,
      value: Buffer.concat([frameOf(schemaId), typeOf(EVENT_V1).toBuffer(event)]),
    }),
    recordIn(place, { offset: 4, timestamp: 1_700_000_000_457, value: Buffer.from([0xff, 0]) }),
    recordIn(place, { offset: 5, timestamp: 1_700_000_000_458, value: null }),
  ];
  await newSink(place, schemas).write([batchIn(place, records, 3, 5)], () => true);
  await schemas.close();
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const archive = (...args: string[]) =>
  execa(process.execPath, [MAIN, 'archive', ...args], {
    reject: false,
    env: { CAMPAIGN_LEDGER_CONFIG: inject('configFile'), CAMPAIGN_LEDGER_BLOB_PREFIX: place.prefix },
  });

const lines = (text: string) => text.split('\n').map((line) => JSON.parse(line) as unknown);

describe('archive', () => {
  it('lists segments by their names, and with their metadata', async () => {
    const paths = (await segmentsOf(place)).map(({ path }) => place.prefix + path);
    const { stdout } = await archive('list');
    expect(stdout.split('\n')).toEqual(expect.arrayContaining(paths));
    const { stdout: json } = await archive('list', 'campaign.feedback', '--json');
    expect(lines(json)).toMatchObject([
      { path: paths[0], count: 1, schemaId, first: 3, last: 5, batchCount: 3, partCount: 2 },
      { path: paths[1], count: 2, schemaId: null },
    ]);
  });

  it('lists the segments that may hold records of a time', async () => {
    const listed = async (...options: string[]) => {
      const { stdout, stderr, exitCode } = await archive('list', 'campaign.feedback', ...options);
      expect(exitCode, stderr).toBe(0);
      return stdout.split('\n').filter((line) => line !== '');
    };
    const [raw, undecodable] = (await segmentsOf(place)).map(({ path }) => place.prefix + path);
    expect(await listed('--from', '2023-11-14T22:13:20.457Z')).toEqual([undecodable]);
    expect(await listed('--until', '2023-11-14T22:13:20.457Z')).toEqual([raw]);
    expect(await listed('--until', '2023-11-14')).toEqual([]);
    // What could not be decoded has no event time.
    expect(await listed('--event-from', '2023-11-14', '--event-until', '2023-11-15')).toEqual([raw]);
    const wrong = await archive('list', '--from', 'yesterday');
    expect(wrong.exitCode).toBe(2);
    expect(wrong.stderr).toContain('--from: "yesterday" is not a time');
  });

  it('shows what a segment is, in the container and as a file', async () => {
    const [raw = '', undecodable = ''] = (await segmentsOf(place)).map(({ path }) => path);
    const { stdout: text } = await archive('show', raw);
    expect(text).toMatch(/^offsets +3 to 5$/m);
    expect(text).toMatch(/^batch +3 records in 2 segments$/m);
    expect(text).toContain(`${place.prefix}${undecodable} (undecodable, 2 records)`);
    const blob = container.getBlobClient(place.prefix + raw);
    const bytes = await blob.downloadToBuffer();
    const header = { topic: 'campaign.feedback', partition: 4, first: 3, last: 5, count: 1, schemaId };
    expect(JSON.parse((await archive('show', raw, '--json')).stdout)).toMatchObject({
      path: place.prefix + raw,
      bytes: bytes.length,
      metadata: { batchCount: 3, partCount: 2 },
      header: { ...header, schema: EVENT_V1 },
      batch: [
        { schemaId, count: 1 },
        { schemaId: null, count: 2 },
      ],
    });
    const file = join(folder, 'shown.avro');
    await writeFile(file, bytes);
    expect(JSON.parse((await archive('show', file, '--json')).stdout)).toMatchObject({
      metadata: null,
      header,
    });
    await writeFile(file, 'something else');
    expect((await archive('show', file)).exitCode).toBe(1);
    expect((await archive('show', 'nothing-there.avro')).exitCode).toBe(2);
  });

  it('prints the records of a segment, from the container and from a file', async () => {
    const [raw, undecodable] = (await segmentsOf(place)).map(({ path }) => path);
    const fromBlob = await archive('cat', raw ?? '');
    expect(lines(fromBlob.stdout)).toEqual([
      {
        partition: 4,
        offset: 3,
        timestamp: '2023-11-14T22:13:20.456Z',
        key: null,
        headers: [],
        schema_id: schemaId,
        value: {
          campaign_id: 'spring',
          occurred_at: 1_700_000_000_123,
          link: null,
          attributes: { device: 'phone' },
        },
      },
    ]);
    const values = lines((await archive('cat', place.prefix + undecodable)).stdout) as { value: unknown }[];
    expect(values.map(({ value }) => value)).toEqual([{ base64: '/wA=' }, null]);

    const file = join(folder, 'segment.avro');
    const bytes = await container.getBlobClient(place.prefix + raw).downloadToBuffer();
    await writeFile(file, bytes);
    expect((await archive('cat', file)).stdout).toBe(fromBlob.stdout);
    await truncate(file, bytes.length - 1);
    const cut = await archive('cat', file);
    expect(cut.exitCode).toBe(1);
    expect(cut.stderr).toContain('the file ends in the middle of');
    expect((await archive('cat', 'nothing-there.avro')).exitCode).toBe(2);
  });

  it('verifies, for people and for machines', async () => {
    const text = await archive('verify', '--deep');
    expect(text.exitCode).toBe(0);
    expect(text.stdout).toContain('the archive is whole');
    const { path, metadata } = (await segmentsOf(place))[0] ?? { path: '', metadata: {} };
    const blob = container.getBlockBlobClient(place.prefix + path);
    const bytes = await blob.downloadToBuffer();
    await blob.delete();
    const missing = await archive('verify', '--json');
    expect(missing.exitCode).toBe(3);
    expect(JSON.parse(missing.stdout)).toMatchObject({
      discrepancies: [{ code: 'part_missing', topic: 'campaign.feedback', partition: 4, first: 3, last: 5 }],
    });
    await blob.upload(bytes, bytes.length, { metadata });
  });

  it('prints a SELECT, with no credentials unless they are asked for', async () => {
    const { stdout, stderr } = await archive('sql', 'campaign.feedback');
    expect(stdout).toContain('`value.campaign_id`');
    expect(stdout).toContain('azureBlobStorage({connection:String}, ');
    expect(stderr).toContain('--param_connection');
    expect((await archive('sql', 'campaign.feedback', '--with-credentials')).stdout).toContain('AccountKey=');
    expect((await archive('sql', 'campaign.feedback', '--folder', '/data')).stdout).toContain(
      "file('/data/raw/",
    );
    expect((await archive('sql', 'campaign.delivery')).exitCode).toBe(1);
  });
});
