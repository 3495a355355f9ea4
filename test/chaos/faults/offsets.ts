/** Offsets and topics changed behind the pipelines' back. Where going on would lose something they must stop and say so. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { TopicRole } from '../../../config/topics.ts';
import { eventually } from '../../helpers/runner-harness.ts';
import { type Fault, Unexpected } from '../fault.ts';
import { allEmpty, commitAs } from '../groups.ts';
import { PIPELINES, storesSomething } from '../members.ts';
import type { Trial } from '../trial.ts';
import { groupOf } from './freezes.ts';

interface Stopped {
  readonly pipeline: string;
  readonly topic: string;
  readonly topic_id: string;
  readonly partition: number;
  readonly next: number | null;
  readonly stopped: {
    readonly code: string;
    readonly missing: { first: number; last: number } | null;
  } | null;
}

/** What `offsets list` says stands still; by the documented exit code it is 3 when there is anything. */
async function stopped(trial: Trial): Promise<Stopped[]> {
  const { stdout, stderr, exitCode } = await trial.ledger.command('offsets', 'list', '--json');
  const rows = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Stopped);
  const held = rows.filter((row) => row.stopped !== null);
  if (exitCode !== (held.length > 0 ? 3 : 0))
    throw new Unexpected(`offsets list: exit code ${exitCode} with ${held.length} stopped\n${stderr}`);
  return held;
}

async function done(trial: Trial, ...command: readonly string[]): Promise<void> {
  const { stderr, exitCode } = await trial.ledger.command(...command);
  if (exitCode !== 0) throw new Unexpected(`${command.join(' ')}: exit code ${exitCode}\n${stderr}`);
}

/** A running pipeline says by itself that it has stopped. */
async function raisesTheAlarm(trial: Trial, code: string): Promise<void> {
  const child = trial.members.start();
  await child.until(
    `the alarm ${code}`,
    async () => (await child.metric('ledger_stopped_partition', { code })) > 0,
  );
  const { status } = await child.get('/readyz');
  if (status !== 503) throw new Unexpected(`/readyz is ${status} while a partition is stopped`);
}

/** A broker that was killed before leaves clients behind that have to learn who leads: asked again, they know. */
async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await ask();
    } catch (error) {
      if (attempt === 30) throw error;
      await sleep(500);
    }
  }
}

const pickRole = (trial: Trial): TopicRole => trial.random.pick(['delivery', 'feedback']);

/** Everything is stored, and nobody is there. */
async function quiet(trial: Trial): Promise<void> {
  await trial.load.stop();
  await trial.members.one();
  await trial.ledger.caughtUp();
  await trial.members.killAll();
  await allEmpty(trial);
}

const backwards: Fault = {
  name: 'offsets reset backwards',
  async strike(trial) {
    // As the first fault of a run it would else find nothing stored that the group could be behind.
    const before = await trial.members.one();
    for (const pipeline of ['tracking', 'archive'] as const) await storesSomething(before, pipeline);
    await trial.members.killAll();
    await allEmpty(trial);
    const topic = trial.ledger.topic(pickRole(trial));
    const partitions = [0, 1, 2];
    for (const pipeline of ['tracking', 'archive'] as const) {
      const groupId = groupOf(trial, pipeline);
      await commitAs(trial, {
        groupId,
        offsets: partitions.map((partition) => ({ topic, partition, offset: 0 })),
      });
    }
    const child = trial.members.start();
    await child.until('moved up', async () => (await child.metric('ledger_committed_behind_total')) > 0);
    return { bit: true, how: 'both groups of a topic set back to 0, and moved up' };
  },
};

const forwards: Fault = {
  name: 'offsets reset forwards',
  async strike(trial) {
    await trial.members.killAll();
    await trial.load.burst(300);
    await allEmpty(trial);
    const topic = trial.ledger.topic(pickRole(trial));
    const pipeline = trial.random.pick(['tracking', 'archive'] as const);
    const [{ high } = { high: 0 }] = await patiently(() =>
      trial.ledger.harness.admin.watermarks([{ topic, partition: 0 }]),
    );
    await commitAs(trial, {
      groupId: groupOf(trial, pipeline),
      offsets: [{ topic, partition: 0, offset: high }],
    });
    await raisesTheAlarm(trial, 'committed_ahead');
    await trial.members.killAll();
    await allEmpty(trial);
    const held = await stopped(trial);
    if (held.length !== 1 || held[0]?.stopped?.code !== 'committed_ahead')
      throw new Unexpected(`stopped: ${JSON.stringify(held)}`);
    await done(trial, 'offsets', 'read-again', pipeline, '--topic', topic, '--partition', '0');
    await trial.members.one();
    return { bit: true, how: `${pipeline} stopped, and read again from ${held[0].next}` };
  },
};

const groupDeleted: Fault = {
  name: 'the groups deleted',
  async strike(trial) {
    await trial.members.killAll();
    await allEmpty(trial);
    const deleted = await Promise.all(
      PIPELINES.map((pipeline) => trial.ledger.harness.admin.deleteGroup(groupOf(trial, pipeline))),
    );
    await trial.members.one();
    return { bit: deleted.every(Boolean), how: 'all three' };
  },
};

const topicMadeAnew: Fault = {
  name: 'a topic deleted and made anew',
  async strike(trial) {
    const role = trial.random.pick(['definitions', 'delivery', 'feedback', 'profiles'] as const);
    const topic = trial.ledger.topic(role);
    await trial.load.stop();
    const child = await trial.members.one();
    await trial.ledger.caughtUp();
    await trial.remember(role);
    const before = (await trial.ledger.topicIds()).get(topic);
    await trial.ledger.harness.admin.deleteTopic(topic);
    await eventually(async () => !(await trial.ledger.topicIds()).has(topic), { what: `${topic} deleted` });
    await done(trial, 'migrate');
    const after = (await trial.ledger.topicIds()).get(topic);
    // A producer learns of the new topic in a moment.
    await eventually(
      () =>
        trial.load.burst(20).then(
          () => true,
          () => false,
        ),
      { what: 'the new topic', everyMs: 200 },
    );
    trial.load.start();
    if (trial.random.chance(0.5)) {
      await trial.members.killAll();
      await trial.members.one();
    } else if (child.end !== null) {
      throw new Unexpected(`a process ended when a topic was deleted:\n${child.tail}`);
    }
    return { bit: after !== undefined && after !== before, how: role };
  },
};

const droppedByKafka: Fault = {
  name: 'records dropped by Kafka before they were read',
  async strike(trial) {
    await quiet(trial);
    const role = pickRole(trial);
    const topic = trial.ledger.topic(role);
    const topicId = (await trial.ledger.topicIds()).get(topic) ?? '';
    const { admin } = trial.ledger.harness;
    const watermarks = () =>
      patiently(() => admin.watermarks([0, 1, 2].map((partition) => ({ topic, partition }))));
    const before = await watermarks();
    await trial.load.burst(400);
    await trial.remember(role);
    const after = await watermarks();
    const losses = before
      .map(({ partition, high }) => {
        const end = after.find((one) => one.partition === partition)?.high ?? high;
        return { partition, first: high, last: high + Math.floor((end - high) / 2) - 1 };
      })
      .filter(({ first, last }) => last >= first);
    const kept = losses.map(({ partition, last }) => ({ topic, partition, offset: last + 1 }));
    await patiently(() => admin.deleteRecords(kept));
    trial.forget(role, topicId, losses);
    trial.load.start();

    await raisesTheAlarm(trial, 'offset_out_of_range');
    const held = await stopped(trial);
    if (held.length !== losses.length * 2) throw new Unexpected(`stopped: ${JSON.stringify(held)}`);
    for (const { pipeline, partition, stopped: why } of held) {
      const loss = losses.find((one) => one.partition === partition);
      if (why?.missing?.first !== loss?.first || why?.missing?.last !== loss?.last)
        throw new Unexpected(`${pipeline} names ${JSON.stringify(why)}, lost were ${JSON.stringify(loss)}`);
      await done(
        trial,
        ...['offsets', 'accept-gap', pipeline, '--topic', topic, '--partition', String(partition)],
        ...['--first', String(loss?.first), '--last', String(loss?.last), '--reason', 'dropped by Kafka'],
      );
    }
    // A running process looks again every half minute; a new one at once.
    await trial.members.killAll();
    await trial.members.one();
    return {
      bit: losses.length > 0,
      how: `${losses.length} partitions of ${role} stopped in both pipelines, losses accepted`,
    };
  },
};

export const OFFSETS: readonly Fault[] = [backwards, forwards, groupDeleted, topicMadeAnew, droppedByKafka];
