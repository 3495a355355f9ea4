/** Records that go from the archive into a topic: byte for byte, each once, whatever stops it. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { checkedTarget } from '../../../pipelines/restore/kafka-target.ts';
import { consumeAll, type SeenRecord } from '../../helpers/kafka-witness.ts';
import { delivery, NOON } from '../../helpers/ledger-values.ts';
import { type Answer, ledgerCommand } from '../../helpers/pipeline-child.ts';
import { produceLoad } from '../../helpers/restore-load.ts';
import { WholeLedger } from '../../helpers/whole-ledger.ts';

let ledger: WholeLedger;
let originals: readonly SeenRecord[];
const targets: string[] = [];

beforeAll(async () => {
  ledger = await WholeLedger.create(inject('configFile'));
  await produceLoad(ledger, 'one');
  const value = ledger.harness.encode('delivery', delivery({ event_id: 'edge', user_id: 'edge' }));
  await ledger.harness.produce('delivery', [
    { key: null, value, partition: 1, timestamp: NOON },
    { key: Buffer.from([0xff, 0xfe]), value, partition: 1, timestamp: 1 },
    {
      key: 'empty',
      value: Buffer.alloc(0),
      partition: 1,
      headers: [{ a: 'x' }, { a: 'y' }, { ['__proto__']: 'z' }, { '': Buffer.from([0xff]) }],
    },
  ]);
  const archive = ledger.start(['archive']);
  await ledger.caughtUp(['archive']);
  await archive.stop();
  originals = await ledger.records('delivery');
});

afterAll(async () => {
  for (const topic of targets) await ledger.harness.admin.deleteTopic(topic);
  await ledger[Symbol.asyncDispose]();
});

const AS_THEY_WERE = { 'message.timestamp.type': 'CreateTime', 'retention.ms': '-1' };

async function newTarget(
  partitions: number,
  configs: Record<string, string> = AS_THEY_WERE,
): Promise<string> {
  const topic = `${ledger.topic('delivery')}.restored-${targets.length}`;
  targets.push(topic);
  await ledger.harness.admin.createTopic({ topic, partitions, replicationFactor: 1, configs });
  return topic;
}

const restore = (topic: string, options: readonly string[] = [], faults = ''): Promise<Answer> =>
  ledgerCommand(
    [
      ...['archive', 'restore', ledger.topic('delivery'), '--to', 'kafka', '--as', topic],
      ...options,
      ...['--config', ledger.configFile],
    ],
    { LEDGER_FAULT_POINTS: faults },
  );

/** What a reader gets, by partition in order, without the offsets, which transactions make others. */
function contents(records: readonly SeenRecord[], partitions: number): unknown[][] {
  return Array.from({ length: partitions }, (_, partition) =>
    records
      .filter((record) => record.partition === partition)
      .map(({ timestamp, key, value, headers }) => [
        timestamp,
        key?.toString('hex') ?? null,
        value?.toString('hex') ?? null,
        headers,
      ]),
  );
}

const read = (topic: string, partitions: number) =>
  consumeAll(ledger.config.kafka.brokers, new Map([[topic, partitions]]));

describe('restore --to kafka', () => {
  it('gives back what was there, killed before and behind a commit, and begun again', async () => {
    const topic = await newTarget(3);
    const killed = await restore(topic, [], 'restore/in-transaction:2=SIGKILL');
    expect(killed.stderr).toContain('fault point restore/in-transaction');
    const killedAgain = await restore(topic, [], 'restore/after-commit=SIGKILL');
    expect(killedAgain.stderr).toContain('fault point restore/after-commit');
    const { exitCode, stderr } = await restore(topic);
    expect(exitCode, stderr).toBe(0);
    expect(contents(await read(topic, 3), 3)).toEqual(contents(originals, 3));

    const again = await restore(topic);
    expect(again.exitCode, again.stderr).toBe(0);
    expect(again.stderr).toContain('restored 0 records');
    expect((await read(topic, 3)).length).toBe(originals.length);
  });

  it('keeps the order of each partition where the target has fewer', async () => {
    const topic = await newTarget(2);
    const { exitCode, stderr } = await restore(topic);
    expect(exitCode, stderr).toBe(0);
    const of = (partition: number) => originals.filter((record) => record.partition === partition);
    const moved = [...of(0), ...of(2).map((record) => ({ ...record, partition: 0 })), ...of(1)];
    expect(contents(await read(topic, 2), 2)).toEqual(contents(moved, 2));
  });

  it('gives back what is chosen only', async () => {
    const topic = await newTarget(3);
    const chosen = originals.filter(
      ({ partition, offset }) => partition === 1 && offset >= 5 && offset <= 30,
    );
    const range = ['--partition', '1', '--first', '5', '--last', '30'];
    expect((await restore(topic, range)).exitCode).toBe(0);
    expect(contents(await read(topic, 3), 3)).toEqual(contents(chosen, 3));

    const ofUser = await newTarget(3);
    expect((await restore(ofUser, ['--tenant', 'acme', '--user', 'u4'])).exitCode).toBe(0);
    const keyed = originals.filter(({ key }) => key?.toString() === 'acme/u4');
    expect(keyed.length).toBeGreaterThan(5);
    expect(contents(await read(ofUser, 3), 3)).toEqual(contents(keyed, 3));
  });

  it('refuses a topic that would not keep them as they were', async () => {
    const refusals: [topic: string, reason: string][] = [
      [ledger.topic('feedback'), '--into-source'],
      ['no-such-topic', 'there is no such topic'],
      [await newTarget(1, { ...AS_THEY_WERE, 'message.timestamp.type': 'LogAppendTime' }), 'LogAppendTime'],
      [await newTarget(1, { ...AS_THEY_WERE, 'retention.ms': '86400000' }), 'retention.ms is 86400000'],
      [await newTarget(1, { ...AS_THEY_WERE, 'retention.bytes': '1000000' }), 'retention.bytes is 1000000'],
      [await newTarget(1, { ...AS_THEY_WERE, 'cleanup.policy': 'compact' }), 'compacted'],
    ];
    const { config, harness } = ledger;
    for (const [topic, reason] of refusals)
      await expect(
        checkedTarget({ config, admin: harness.admin }, { topic, intoSource: false }),
      ).rejects.toMatchObject({ name: 'UsageError', message: expect.stringContaining(reason) as string });
    const small = await newTarget(3, { ...AS_THEY_WERE, 'max.message.bytes': '100' });
    const { exitCode, stderr } = await restore(small);
    expect(stderr).toContain('raise its max.message.bytes');
    expect(exitCode).toBe(2);
  });
});
