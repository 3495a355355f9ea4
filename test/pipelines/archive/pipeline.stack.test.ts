/** The archive pipeline as a process, killed at each of its named points. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, expect, inject, it } from 'vitest';
import { HeadStore } from '../../../pipelines/archive/head.ts';
import { originalValue, SegmentReader } from '../../../pipelines/archive/segment-reader.ts';
import { verifyArchive } from '../../../pipelines/archive/verify.ts';
import { createContainer } from '../../../pipelines/common/blob/container.ts';
import { FAULT_POINTS_VARIABLE } from '../../../pipelines/common/fault-points.ts';
import { LedgerHarness } from '../../helpers/ledger-harness.ts';
import { PipelineChild } from '../../helpers/pipeline-child.ts';

const folder = await mkdtemp(join(tmpdir(), 'archive-pipeline-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

const BATCH = 40;
const POINTS = [
  'before-intent',
  'after-intent',
  'mid-write',
  'between-segments',
  'before-head',
  'after-head',
];

it('loses and doubles nothing, and overwrites nothing, whatever point it is killed at', async () => {
  await using ledger = await LedgerHarness.create(inject('configFile'), { partitions: 1 });
  const { config } = ledger;
  const container = createContainer(config);
  const topic = ledger.topic('feedback');
  const prefix = `pipeline-test-${config.kafka.groupPrefix}/`;
  const source = { topic, topicId: '', partition: 0 };
  source.topicId = (await ledger.admin.describeTopics([topic])).get(topic)?.topicId ?? '';

  // One kill a batch, and two batches more. Every fifth is not Avro: a batch is two segments.
  const records = Array.from({ length: BATCH * (POINTS.length + 2) }, (_, index) => ({
    key: `acme/u${index}`,
    value:
      index % 5 === 0
        ? Buffer.from(`not Avro ${index}`)
        : ledger.encode('definitions', {
            tenant_id: 'acme',
            campaign_id: `c${index}`,
            name: 'n',
            channel: 'EMAIL',
            subject: null,
            starts_at: null,
            ends_at: null,
            updated_at: 1_700_000_000_000 + index,
            attributes: {},
          }),
  }));
  await ledger.produce('feedback', records);

  /** A group of its own each time: a dead member would be waited for. */
  const start = (name: string, env: Record<string, string>) =>
    PipelineChild.start(['archive', '--config', inject('configFile')], {
      logFile: join(folder, `${name}.log`),
      env: {
        CAMPAIGN_LEDGER_KAFKA_TOPIC_PREFIX: config.kafka.topicPrefix,
        CAMPAIGN_LEDGER_KAFKA_GROUP_PREFIX: `${config.kafka.groupPrefix}-${name}`,
        CAMPAIGN_LEDGER_BLOB_PREFIX: prefix,
        CAMPAIGN_LEDGER_PIPELINES_ARCHIVE_MAX_BATCH_RECORDS: String(BATCH),
        CAMPAIGN_LEDGER_PIPELINES_ARCHIVE_FLUSH_INTERVAL_MS: '200',
        ...env,
      },
    });
  const etags = async () => {
    const found = new Map<string, string | undefined>();
    for await (const { name, properties } of container.listBlobsFlat({ prefix })) {
      if (name.endsWith('.avro')) found.set(name, properties.etag);
    }
    return found;
  };
  const next = async () => (await new HeadStore(container, prefix).read(source)).head?.next ?? 0;

  let before = await etags();
  for (const point of POINTS) {
    const child = start(point, { [FAULT_POINTS_VARIABLE]: `archive/${point}=SIGKILL` });
    const end = await child.ended;
    expect(end, child.text).toMatchObject({ signal: 'SIGKILL' });
    expect(child.logged(`fault point archive/${point}`)).toBe(true);
    const after = await etags();
    for (const [name, etag] of before) expect(after.get(name)).toBe(etag);
    before = after;
  }
  const last = start('last', {});
  await last.until('everything is archived', async () => (await next()) === records.length);
  process.kill(last.pid, 'SIGTERM');
  expect(await last.ended).toMatchObject({ code: 0 });
  const after = await etags();
  for (const [name, etag] of before) expect(after.get(name)).toBe(etag);

  const { discrepancies, partitions } = await verifyArchive({
    container,
    prefix,
    topics: [topic],
    isDeep: true,
  });
  expect(discrepancies).toEqual([]);
  expect(partitions).toMatchObject([{ begin: 0, next: records.length, records: records.length }]);
  const values = new Map<number, string | undefined>();
  for (const name of after.keys()) {
    const bytes = await container.getBlobClient(name).downloadToBuffer();
    const reader = await SegmentReader.open(Readable.from([bytes]));
    for await (const one of reader.records()) {
      expect(values.has(one.offset)).toBe(false);
      values.set(one.offset, `${one.key} ${originalValue(one)?.toString('hex')}`);
    }
  }
  const produced = records.map(({ key, value }, offset) => [offset, `${key} ${value.toString('hex')}`]);
  expect([...values].sort(([a], [b]) => a - b)).toEqual(produced);
});
