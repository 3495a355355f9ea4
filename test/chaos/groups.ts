/** What the broker says of a consumer group, and what only an operator does to one. */
import kafka from '@confluentinc/kafka-javascript';
import { eventually } from '../helpers/runner-harness.ts';
import { PIPELINES } from './members.ts';
import type { Trial } from './trial.ts';

const TIMEOUT_MS = 5_000;

/** How many members the group has, by the broker's word. */
export async function membersOf(trial: Trial, groupId: string): Promise<number> {
  const client = kafka.AdminClient.create({
    'bootstrap.servers': trial.ledger.config.kafka.brokers.join(','),
  });
  try {
    const { groups } = await new Promise<kafka.GroupDescriptions>((resolve, reject) =>
      client.describeGroups([groupId], { timeout: TIMEOUT_MS }, (error, answer) =>
        error ? reject(error) : resolve(answer),
      ),
    );
    return groups[0]?.members.length ?? 0;
  } finally {
    client.disconnect();
  }
}

export async function allEmpty(trial: Trial): Promise<void> {
  for (const pipeline of PIPELINES) {
    const groupId = `${trial.ledger.config.kafka.groupPrefix}.${pipeline}`;
    await eventually(async () => (await membersOf(trial, groupId).catch(() => -1)) === 0, {
      what: `nobody in ${groupId}`,
      withinMs: 60_000,
      everyMs: 100,
    });
  }
}

/** As with Kafka's own tools: while the group has no members. */
export async function commitAs(
  trial: Trial,
  {
    groupId,
    offsets,
  }: { groupId: string; offsets: readonly { topic: string; partition: number; offset: number }[] },
): Promise<void> {
  const consumer = new kafka.KafkaConsumer(
    {
      'bootstrap.servers': trial.ledger.config.kafka.brokers.join(','),
      'group.id': groupId,
      'enable.auto.commit': false,
    },
    {},
  );
  await new Promise<void>((resolve, reject) =>
    consumer.connect({}, (error) => (error ? reject(error) : resolve())),
  );
  try {
    consumer.commitSync([...offsets]);
  } finally {
    await new Promise<void>((resolve) => consumer.disconnect(() => resolve()));
  }
}
