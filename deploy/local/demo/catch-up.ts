/** Runs the pipelines as one process until their groups have committed every offset that the broker has. */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../../../config/schema.ts';
import { topicNames } from '../../../config/topics.ts';
import type { KafkaAdmin, TopicPartition } from '../../../pipelines/common/kafka/admin.ts';
import { consumerGroup } from '../../../pipelines/common/kafka/client-settings.ts';
import { progressBar } from '../../../pipelines/common/progress-bar.ts';
import { retryOutage } from '../../../pipelines/common/retry.ts';
import { spawnLedger } from './ledger-process.ts';

interface CatchUp {
  readonly config: Config;
  readonly configFile: string;
  readonly admin: KafkaAdmin;
}

const POLL_MS = 500;
const GIVE_UP_MS = 300_000;

/** Which topics each pipeline reads (DESIGN's flow). */
function topicsOf(config: Config): ReadonlyMap<string, readonly string[]> {
  const { definitions, delivery, feedback, profiles } = topicNames(config);
  return new Map([
    ['tracking', [definitions, delivery, feedback]],
    ['archive', [definitions, delivery, feedback, profiles]],
    ['profiles', [profiles]],
  ]);
}

async function partitionsOf(admin: KafkaAdmin, topics: readonly string[]): Promise<TopicPartition[]> {
  const described = await admin.describeTopics(topics);
  return [...described.values()].flatMap(({ topic, partitions }) =>
    Array.from({ length: partitions }, (_, partition) => ({ topic, partition })),
  );
}

/** The ends that each group has to reach, by group and partition; a partition without records asks for nothing. */
async function goals(admin: KafkaAdmin, config: Config): Promise<Map<string, Map<string, number>>> {
  const byGroup = new Map<string, Map<string, number>>();
  for (const [pipeline, topics] of topicsOf(config)) {
    const watermarks = await admin.watermarks(await partitionsOf(admin, topics));
    byGroup.set(
      consumerGroup(config, pipeline),
      new Map(
        watermarks
          .filter(({ high }) => high > 0)
          .map(({ topic, partition, high }) => [`${topic}/${partition}`, high]),
      ),
    );
  }
  return byGroup;
}

async function committed(
  admin: KafkaAdmin,
  byGroup: ReadonlyMap<string, ReadonlyMap<string, number>>,
): Promise<number> {
  let done = 0;
  for (const [group, ends] of byGroup) {
    const partitions = [...ends.keys()].map((key) => {
      const [topic = '', partition] = key.split('/');
      return { topic, partition: Number(partition) };
    });
    for (const { topic, partition, offset } of await admin.committedOffsets(group, partitions)) {
      done += Math.min(offset, ends.get(`${topic}/${partition}`) ?? 0);
    }
  }
  return done;
}

/** @throws {Error} when the pipelines end by themselves, or have not caught up after five minutes */
export async function catchUp({ config, configFile, admin }: CatchUp): Promise<void> {
  const byGroup = await goals(admin, config);
  const total = [...byGroup.values()].reduce(
    (sum, ends) => [...ends.values()].reduce((a, b) => a + b, sum),
    0,
  );
  const logFile = join(dirname(configFile), 'logs', 'pipelines.log');
  const child = spawnLedger(['run', '--config', configFile], {
    stdio: 'pipe',
    env: { CAMPAIGN_LEDGER_LOG_FORMAT: 'json', CAMPAIGN_LEDGER_PIPELINES_ARCHIVE_FLUSH_INTERVAL_MS: '3000' },
  });
  const log = createWriteStream(logFile);
  child.stdout?.pipe(log, { end: false });
  child.stderr?.pipe(log, { end: false });
  const ended = once(child, 'exit') as Promise<[number | null]>;
  const bar = progressBar('records carried by the three pipelines', total);
  try {
    const giveUpAt = performance.now() + GIVE_UP_MS;
    for (let done = 0; done < total; ) {
      await sleep(POLL_MS);
      if (child.exitCode !== null)
        throw new Error(`the pipelines ended with ${child.exitCode}; their log is ${logFile}`);
      if (performance.now() > giveUpAt)
        throw new Error(`the pipelines have not caught up; their log is ${logFile}`);
      // A group's coordinator may be busy for a moment: then there is simply nothing new to show.
      done = await retryOutage(() => committed(admin, byGroup), { retry: config.retry, retries: 20 });
      bar.update(done);
    }
  } finally {
    bar.finish();
    child.kill('SIGTERM');
    await ended;
    log.end();
  }
  const [code] = await ended;
  if (code !== 0)
    throw new Error(`the pipelines ended with ${code} when told to stop; their log is ${logFile}`);
}
