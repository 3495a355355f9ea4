/** A broker that was killed and is back leads its partitions under another epoch: a client from before must go on at once. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createAdmin, type KafkaAdmin } from '../../../../pipelines/common/kafka/admin.ts';
import { testConfig } from '../../../helpers/config.ts';
import { startBroker, type TestBroker } from '../../../helpers/kafka-broker.ts';
import { eventually } from '../../../helpers/runner-harness.ts';

const PARTITIONS = [0, 1, 2].map((partition) => ({ topic: 'led', partition }));

let folder: string;
let broker: TestBroker;
let admin: KafkaAdmin;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'leaders-'));
  broker = await startBroker({ folder });
  admin = createAdmin(await testConfig({ kafka: { brokers: [broker.address] } }));
  await admin.createTopic({ topic: 'led', partitions: PARTITIONS.length, replicationFactor: 1 });
  await eventually(
    () =>
      admin.watermarks(PARTITIONS).then(
        () => true,
        () => false,
      ),
    { what: 'leaders' },
  );
});
afterAll(async () => {
  admin.close();
  await broker.stop();
  await rm(folder, { recursive: true, force: true });
});

test('offsets are told, and records dropped, by the first request after the restart', async () => {
  await broker.part.kill();
  await broker.part.start();
  expect(await admin.watermarks(PARTITIONS)).toEqual(PARTITIONS.map((one) => ({ ...one, low: 0, high: 0 })));
  await broker.part.kill();
  await broker.part.start();
  await admin.deleteRecords(PARTITIONS.map((one) => ({ ...one, offset: 0 })));
});
