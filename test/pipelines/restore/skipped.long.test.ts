/** What `--skip-damaged` leaves out: each run says so, also one that goes on where another was killed, and one after the repair. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { frame } from '../../../deploy/local/world/encoders.ts';
import { HeadStore } from '../../../pipelines/archive/head.ts';
import { headPath } from '../../../pipelines/archive/segment-path.ts';
import { createContainer } from '../../../pipelines/common/blob/container.ts';
import { systemClock } from '../../../pipelines/common/clock.ts';
import { createLogger } from '../../../pipelines/common/logger.ts';
import { EVERYTHING } from '../../../pipelines/restore/choice.ts';
import { planTopic } from '../../../pipelines/restore/plan.ts';
import { readSource } from '../../../pipelines/restore/read-source.ts';
import { RestoreProducer } from '../../../pipelines/restore/restore-producer.ts';
import { jobOf, sendTopic } from '../../../pipelines/restore/to-kafka.ts';
import { readSchemaFile } from '../../../schemas/migrate/subjects.ts';
import { ArchiveDamage } from '../../helpers/archive-damage.ts';
import { type ArchivedSegment, readArchive } from '../../helpers/archive-witness.ts';
import { consumeAll, type SeenRecord } from '../../helpers/kafka-witness.ts';
import { delivery } from '../../helpers/ledger-values.ts';
import { type Answer, ledgerCommand } from '../../helpers/pipeline-child.ts';
import { produceLoad } from '../../helpers/restore-load.ts';
import { emptyTables } from '../../helpers/table-digests.ts';
import { WholeLedger } from '../../helpers/whole-ledger.ts';

let ledger: WholeLedger;
let topic: string;
let damage: ArchiveDamage;
/** Of the first batch of partition 0. */
let segment: ArchivedSegment;
const targets: string[] = [];
/** From then on: an event under a newer schema, and one under the older that is cut off. */
let from: string;

beforeAll(async () => {
  // As a topic has to be that gets records of long ago.
  const overrides = {
    kafka: { topics: { timestampType: 'CreateTime', delivery: { retentionMs: null } } },
  } as const;
  ledger = await WholeLedger.create(inject('configFile'), { overrides });
  topic = ledger.topic('delivery');
  await produceLoad(ledger, 'one');
  await archiveAll();
  const { fields, ...schema } = JSON.parse(readSchemaFile('delivery-event.avsc')) as { fields: object[] };
  const newer = await ledger.addWriter('delivery', {
    ...schema,
    fields: [...fields, { name: 'screen', type: ['null', 'string'], default: null }],
  });
  const event = { ...delivery({ event_id: 'newer', user_id: 'newer' }), screen: 'wide' };
  const whole = frame(newer.schemaId, newer.type.toBuffer(event));
  const cut = ledger.harness.encode('delivery', delivery({ event_id: 'cut' })).subarray(0, -3);
  from = new Date().toISOString();
  const records = [whole, cut].map((value) => ({ value, key: 'acme/newer', partition: 2 }));
  await ledger.harness.produce('delivery', records);
  await archiveAll();
});

beforeEach(async () => {
  damage = new ArchiveDamage(ledger);
  const found = (await damage.firstBatch(topic, 0)).find(({ path }) => path.startsWith('raw/'));
  if (found === undefined) throw new Error('no segment');
  segment = found;
});

afterEach(() => damage.undo());

afterAll(async () => {
  for (const target of targets) await ledger.harness.admin.deleteTopic(target);
  await ledger[Symbol.asyncDispose]();
});

async function archiveAll(): Promise<void> {
  const archive = ledger.start(['archive']);
  await ledger.caughtUp(['archive']);
  await archive.stop();
}

const restore = (options: readonly string[], faults = ''): Promise<Answer> =>
  ledgerCommand(['archive', 'restore', ...options, '--config', ledger.configFile], {
    LEDGER_FAULT_POINTS: faults,
  });

function flip(bytes: Buffer): Buffer {
  const changed = Buffer.from(bytes);
  const at = changed.length >> 1;
  changed[at] = (changed[at] ?? 0) ^ 1;
  return changed;
}

const container = () => createContainer(ledger.config);

async function newTarget(): Promise<string> {
  const target = `${topic}.restored-${targets.length}`;
  targets.push(target);
  const configs = { 'message.timestamp.type': 'CreateTime', 'retention.ms': '-1' };
  await ledger.harness.admin.createTopic({ topic: target, partitions: 3, replicationFactor: 1, configs });
  return target;
}

/** Segments of the topic under its first schema. */
async function older(): Promise<ArchivedSegment[]> {
  const { schemaId } = ledger.harness.encoders.delivery;
  return (await readArchive(ledger.config)).filter((one) => one.topic === topic && one.schemaId === schemaId);
}

async function setTier(segments: readonly ArchivedSegment[], tier: 'Archive' | 'Hot'): Promise<void> {
  for (const { path } of segments)
    await container()
      .getBlobClient(ledger.config.blob.prefix + path)
      .setAccessTier(tier);
}

const read = (target: string) => consumeAll(ledger.config.kafka.brokers, new Map([[target, 3]]));

/** What of each record a restore keeps, in the order of the partitions. */
const contents = (records: readonly SeenRecord[]) =>
  [0, 1, 2].map((partition) =>
    records
      .filter((record) => record.partition === partition)
      .map(({ timestamp, key, value }) => [timestamp, key?.toString('hex'), value?.toString('hex')]),
  );

describe('restore --to clickhouse --skip-damaged', () => {
  beforeEach(() => emptyTables(ledger));

  it('ends progress in front of what was damaged, also when it was killed behind it', async () => {
    await damage.rewrite(segment, flip);
    const all = ['--to', 'clickhouse', '--all', '--skip-damaged'];
    const killed = await restore(all, 'restore/after-insert:3=SIGKILL');
    expect(killed.stderr).toContain('fault point restore/after-insert');
    const resumed = await restore(all);
    expect(resumed.stderr).toContain(`skipped: ${segment.path}`);
    expect(resumed.exitCode).toBe(3);
    const at = await ledger.rows(
      `SELECT toString(argMax(next_offset, epoch)) AS next FROM progress
       WHERE pipeline = 'tracking' AND topic = {topic:String} AND partition = 0`,
      { topic },
    );
    expect(at).toEqual([{ next: String(segment.first) }]);
  });

  it('restores what has been repaired before it was run again', async () => {
    await damage.remove(segment);
    const topics = [topic, ledger.topic('feedback'), '--to', 'clickhouse'];
    const killed = await restore([...topics, '--skip-damaged'], 'restore/after-insert:2=SIGKILL');
    expect(killed.stderr).toContain('fault point restore/after-insert');
    await damage.undo();
    const repaired = await restore(topics);
    expect(repaired.exitCode, repaired.stderr).toBe(0);
    const [first] = await ledger.rows<{ n: string }>(
      `SELECT toString(count()) AS n FROM events
       WHERE kind = 'delivery' AND partition = 0 AND \`offset\` <= {last:UInt64}`,
      { last: segment.last },
    );
    expect(Number(first?.n)).toBeGreaterThan(0);
  });

  it('keeps what is whole where the segment is damaged that has the schema of another record', async () => {
    for (const one of await older()) await damage.rewrite(one, flip);
    const options = [topic, '--to', 'clickhouse', '--from', from];
    const refused = await restore(options);
    expect(refused.exitCode).toBe(1);
    const { exitCode, stderr } = await restore([...options, '--skip-damaged', '--json']);
    expect(stderr).toMatch(/skipped: raw\S+: it is not what was written/);
    expect(exitCode).toBe(3);
    expect(await ledger.rows('SELECT event_id FROM events')).toEqual([{ event_id: 'newer' }]);
  });

  it('never takes what was moved to the archive tier meanwhile for damaged', async () => {
    const place = { container: container(), prefix: ledger.config.blob.prefix };
    const choice = { ...EVERYTHING, partition: 0 };
    const [source] = (await planTopic(place, topic, choice)).sources;
    if (source === undefined) throw new Error('nothing planned');
    await setTier([segment], 'Archive');
    const skipped: string[] = [];
    const reading = readSource(
      source,
      0,
      {
        place,
        choice,
        config: ledger.config,
        logger: createLogger({ level: 'error', format: 'json' }),
        signal: new AbortController().signal,
        onUnreadable: (_, { path }) => skipped.push(path),
        onRead: () => {},
      },
      { records: async () => {}, reached: () => {} },
    );
    const [end] = await Promise.allSettled([reading]);
    await setTier([segment], 'Hot');
    expect(end).toMatchObject({ status: 'rejected', reason: { name: 'OfflineSegments' } });
    expect(skipped).toEqual([]);
  });

  it('restores what there is of a partition whose head is missing', async () => {
    await damage.remove({ ...segment, path: headPath(segment) });
    const counts = async () =>
      ledger.rows('SELECT partition, toString(count()) AS n FROM events FINAL GROUP BY partition');
    const refused = await restore([topic, '--to', 'clickhouse']);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain('head_missing');
    const skipping = await restore([topic, '--to', 'clickhouse', '--skip-damaged']);
    expect(skipping.exitCode, skipping.stderr).toBe(3);
    const headless = await counts();
    await damage.undo();
    await emptyTables(ledger);
    expect((await restore([topic, '--to', 'clickhouse'])).exitCode).toBe(0);
    expect(new Set(headless)).toEqual(new Set(await counts()));
    expect(headless.length).toBe(3);
  });
});

describe('restore --to kafka', () => {
  it('says what it had skipped when it goes on, and when the archive has been repaired', async () => {
    await damage.rewrite(segment, flip);
    const target = await newTarget();
    const whole = [topic, '--to', 'kafka', '--as', target];
    const skipping = [...whole, '--skip-damaged'];
    const killed = await restore(skipping, 'restore/after-commit=SIGKILL');
    expect(killed.stderr).toContain('fault point restore/after-commit');
    const resumed = await restore(skipping);
    expect(resumed.exitCode, resumed.stderr).toBe(3);
    await damage.undo();
    const repaired = await restore([...whole, '--json']);
    expect(repaired.exitCode, repaired.stderr).toBe(3);
    expect(repaired.stderr).toContain('restore into a new topic');
    expect(JSON.parse(repaired.stdout)).toMatchObject({ restored: 0, damages: 1 });
  });

  it('counts what it goes on behind once where it is still damaged', async () => {
    await damage.remove(segment);
    const target = await newTarget();
    const skipping = [topic, '--to', 'kafka', '--as', target, '--skip-damaged', '--json'];
    const first = await restore(skipping);
    expect(first.exitCode, first.stderr).toBe(3);
    const again = await restore(skipping);
    expect(again.exitCode, again.stderr).toBe(3);
    const { damages } = JSON.parse(first.stdout) as { damages: number };
    expect(JSON.parse(again.stdout)).toMatchObject({ restored: 0, damages });
    await damage.undo();
    const repaired = await restore([topic, '--to', 'kafka', '--as', target]);
    expect(repaired.exitCode, repaired.stderr).toBe(3);
  });

  it('is the same restore when the topic has been made anew meanwhile, and its id has to be named', async () => {
    const target = await newTarget();
    const options = [topic, '--to', 'kafka', '--as', target];
    const killed = await restore(options, 'restore/after-commit=SIGKILL');
    expect(killed.stderr).toContain('fault point restore/after-commit');
    const another = { topic, topicId: 'f'.repeat(32), partition: 0 };
    const { prefix } = ledger.config.blob;
    try {
      await new HeadStore(container(), prefix).replace(
        another,
        { head: null, etag: null },
        { begin: 0, next: 0, intent: null },
      );
      const refused = await restore(options);
      expect(refused.exitCode).toBe(2);
      expect(refused.stderr).toContain('say which by --topic-id');
      const named = await restore([...options, '--topic-id', segment.topicId]);
      expect(named.exitCode, named.stderr).toBe(0);
      expect(contents(await read(target))).toEqual(contents(await ledger.records('delivery')));
    } finally {
      await container()
        .getBlobClient(prefix + headPath(another))
        .delete();
    }
  });

  it('does not ask for segments in the archive tier that only hold a schema', async () => {
    const target = await newTarget();
    const retired = await older();
    await setTier(retired, 'Archive');
    const options = [topic, '--from', from];
    const sent = await restore([...options, '--to', 'kafka', '--as', target]);
    const looking = await restore([...options, '--to', 'clickhouse']);
    await setTier(retired, 'Hot');
    expect(sent.exitCode, sent.stderr).toBe(0);
    expect((await read(target)).length).toBe(2);
    // As rows they do need it, for what could not be decoded; of each schema one is enough.
    expect(looking.exitCode).toBe(1);
    expect(looking.stderr).toContain(`of 3 segments of ${topic} 1 are in the archive tier`);
  });

  it('notes now and then how far it came where nothing is chosen', async () => {
    const { config, harness } = ledger;
    const choice = { ...EVERYTHING, partition: 2, rows: { ...EVERYTHING.rows, tenant: 'nobody' } };
    const target = { topic: await newTarget(), partitions: 3 };
    const logger = createLogger({ level: 'error', format: 'json' });
    const place = { container: container(), prefix: config.blob.prefix };
    const [source] = (await planTopic(place, topic, choice)).sources;
    const [first] = source?.batches ?? [];
    if (first === undefined) throw new Error('nothing planned');
    const inFirst = first.segments.reduce((sum, { count }) => sum + count, 0);
    const stopped = sendTopic(
      {
        ...{ config, place, container: place.container, logger, clock: systemClock },
        signal: new AbortController().signal,
        skipDamaged: false,
        rehydrate: null,
        say: () => {},
        onTopic: () => ({
          update: (read) => {
            if (read > inFirst) throw new Error('stopped');
          },
          finish: () => {},
        }),
      },
      { role: 'delivery', topic, choice, target, offsetsAtOnce: 10 },
    );
    await expect(stopped).rejects.toThrow('stopped');
    const job = jobOf({ topic, choice, target }, segment.topicId);
    const producer = await RestoreProducer.open({ config: harness.config, logger, target, job });
    expect(await producer.restoredTo(2)).toMatchObject({ next: first.last + 1 });
    await producer.close();
  });

  it('does not take what it has sent into its own source for more to send', async () => {
    const before = await ledger.records('delivery');
    const options = [topic, '--to', 'kafka', '--as', topic, '--into-source'];
    const killed = await restore(options, 'restore/after-commit:2=SIGKILL');
    expect(killed.stderr).toContain('fault point restore/after-commit');
    await archiveAll();
    const resumed = await restore(options);
    expect(resumed.exitCode, resumed.stderr).toBe(0);
    expect((await read(topic)).length).toBe(2 * before.length);
  });
});
