/** Topics: creates what is missing, reports what is not as configured, refuses compaction. */
import type { Config } from '../../../config/schema.ts';
import { Outage } from '../../../pipelines/common/errors.ts';
import {
  createAdmin,
  type KafkaAdmin,
  type TopicDescription,
} from '../../../pipelines/common/kafka/admin.ts';
import { retryOutage } from '../../../pipelines/common/retry.ts';
import type { Change, Finding, Plan } from '../plan.ts';
import { type DesiredTopic, desiredTopics } from './desired-topics.ts';
import { readTopicSettings, type TopicSettings } from './topic-settings.ts';

/** Milliseconds; a cluster that does not let us see settings costs a second. */
const SETTINGS_RETRY = { retry: { initialMs: 100, maxMs: 400 }, retries: 4 } as const;

/** An existing topic is never altered: more partitions would move users to other ones in mid-history. */
export async function planTopics(config: Config, admin: KafkaAdmin): Promise<Plan> {
  const desired = desiredTopics(config);
  const existing = await admin.describeTopics(desired.map(({ topic }) => topic));
  const drift: Finding[] = [];
  const faults: Finding[] = [];
  const changes: Change[] = [];

  const found = desired.filter(({ topic }) => existing.has(topic));
  const settings = await settingsOf(config, found, drift);
  for (const topic of desired) {
    const description = existing.get(topic.topic);
    if (description === undefined) changes.push(creation(topic, { config, admin }));
    else compare({ topic, description, settings: settings.get(topic.topic) }, { drift, faults });
  }
  return { changes, drift, faults };
}

export async function withAdmin<T>(config: Config, use: (admin: KafkaAdmin) => Promise<T>): Promise<T> {
  const admin = createAdmin(config);
  try {
    return await use(admin);
  } finally {
    admin.close();
  }
}

/** Somebody else's cluster may let us see topics and not their settings: then that is what we report. */
async function settingsOf(
  config: Config,
  found: readonly DesiredTopic[],
  drift: Finding[],
): Promise<ReadonlyMap<string, TopicSettings>> {
  const names = found.map(({ topic }) => topic);
  try {
    // A broker that has not heard yet of a topic that was just made says that there is none: no reason to leave out the check.
    return await retryOutage(() => readTopicSettings(config, names), SETTINGS_RETRY);
  } catch (error) {
    if (!(error instanceof Outage)) throw error;
    drift.push({ part: 'kafka', text: `${error.message}; whether a topic is compacted was not checked` });
    return new Map();
  }
}

function creation(topic: DesiredTopic, { config, admin }: { config: Config; admin: KafkaAdmin }): Change {
  const { partitions, replicationFactor, configs } = topic;
  const details = Object.entries(configs).map(([name, value]) => `${name}=${value}`);
  return {
    part: 'kafka',
    verb: 'create',
    target: `topic ${topic.topic} (partitions=${partitions}, replication=${replicationFactor}, ${details.join(', ')})`,
    apply: async () => {
      if (await admin.createTopic(topic)) return;
      // There all the same: somebody else has made it, or the broker that was asked had not heard of it yet.
      const settings = await settingsOf(config, [topic], []);
      const policy = settings.get(topic.topic)?.get('cleanup.policy') ?? '';
      if (isCompaction(policy)) throw new Error(compacted(topic.topic, policy).text);
    },
  };
}

interface Existing {
  readonly topic: DesiredTopic;
  readonly description: TopicDescription;
  readonly settings: TopicSettings | undefined;
}

function compare(
  { topic, description, settings }: Existing,
  { drift, faults }: { drift: Finding[]; faults: Finding[] },
): void {
  const differs = (what: string, is: unknown, configured: unknown, note = '') =>
    drift.push({
      part: 'kafka',
      text: `topic ${topic.topic} has ${what}=${is}, configured is ${configured}${note}`,
    });

  if (description.partitions !== topic.partitions) {
    const note = '; it stays as it is: with another number, users would change partitions in mid-history';
    differs('partitions', description.partitions, topic.partitions, note);
  }
  if (description.replicationFactor !== topic.replicationFactor) {
    differs('replication', description.replicationFactor, topic.replicationFactor);
  }
  if (settings === undefined) return;
  for (const [name, configured] of Object.entries(topic.configs)) {
    const is = settings.get(name);
    if (is === undefined || is === configured) continue;
    if (name === 'cleanup.policy') {
      if (isCompaction(is)) faults.push(compacted(topic.topic, is));
      else differs(name, is || 'none', configured);
    } else differs(name, is, configured);
  }
}

const isCompaction = (policy: string) => policy.split(',').some((one) => one.trim() === 'compact');

function compacted(topic: string, policy: string): Finding {
  return {
    part: 'kafka',
    text:
      `topic ${topic} has cleanup.policy=${policy}: compaction keeps only the last record of each user and loses the ` +
      `history. Set it back: kafka-configs.sh --alter --entity-type topics --entity-name ${topic} --add-config cleanup.policy=delete`,
  };
}
