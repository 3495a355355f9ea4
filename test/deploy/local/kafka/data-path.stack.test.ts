/** A broker whose data lie on a path that ASCII cannot spell: whoever is called José has one. */
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createAdmin } from '../../../../pipelines/common/kafka/admin.ts';
import { testConfig } from '../../../helpers/config.ts';
import { startBroker } from '../../../helpers/kafka-broker.ts';

let parent: string;
beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'ledger-path-'));
  // In no encoding but ours would Java find it.
  process.env.LC_ALL = 'C';
});
afterAll(() => rm(parent, { recursive: true }));

test('it starts, keeps what it is given in there, and writes nowhere else', async () => {
  const folder = join(parent, 'caffé ü 日');
  await mkdir(folder);
  const broker = await startBroker({ folder });
  try {
    const admin = createAdmin(await testConfig({ kafka: { brokers: [broker.address] } }));
    await admin.createTopic({ topic: 'kept', partitions: 1, replicationFactor: 1 });
    admin.close();
    // The broker makes it once it has heard of the topic from its controller.
    await expect.poll(() => readdir(join(folder, 'kafka', 'log')), { timeout: 10_000 }).toContain('kept-0');
    expect((await readdir(folder)).sort()).toEqual(['kafka', 'kafka.log']);
    expect(await readdir(parent)).toEqual(['caffé ü 日']);
  } finally {
    await broker.stop();
  }
});
