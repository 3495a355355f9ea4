/** A process frozen (SIGSTOP) in the middle of its work for longer than its session, while others go on; then thawed, to write late. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { PipelineName } from '../../../config/schema.ts';
import type { PipelineChild } from '../../helpers/pipeline-child.ts';
import { eventually } from '../../helpers/runner-harness.ts';
import { type Bite, type Fault, Unexpected } from '../fault.ts';
import { membersOf } from '../groups.ts';
import { batchesOf, frozen, hasPartitions } from '../members.ts';
import type { Trial } from '../trial.ts';
import { POINTS, pointOf } from './kills.ts';

const MANY_BATCHES = 12;

/** @param batches that another member makes durable before the thaw */
async function whileAnotherTakesOver(
  trial: Trial,
  { point, batches }: { point: string; batches: number },
): Promise<Bite> {
  const { pipeline, spec } = pointOf(trial, point);
  const other = await trial.members.one();
  const victim = trial.members.start({ faults: `${spec}=SIGSTOP` });
  await frozen(victim);
  const groupId = groupOf(trial, pipeline);
  await eventually(async () => (await membersOf(trial, groupId)) === 1, {
    what: `one member in ${groupId}`,
    withinMs: 60_000,
    everyMs: 100,
  });
  const before = await batchesOf(other, pipeline);
  await other.until(
    `${batches} batches of another member`,
    async () => (await batchesOf(other, pipeline)) >= before + batches,
  );
  await thaw(trial, victim);
  return { bit: true, how: `${spec}, while another wrote ${batches} batches or more` };
}

/** It learns of what it lost only when it has gone on with what it was doing. */
async function thaw(trial: Trial, victim: PipelineChild): Promise<void> {
  victim.signal('SIGCONT');
  await sleep(trial.random.between(300, 2_000));
  if (victim.end !== null) throw new Unexpected(`a process that was thawed ended:\n${victim.tail}`);
  // Which of the two remains: both have to know where they stand.
  await (trial.random.chance(0.5) ? victim.stop() : trial.members.killOthers(victim));
  await trial.members.one();
}

function freezeAt(point: string): Fault {
  return {
    name: `freeze at ${point}`,
    strike: (trial) => whileAnotherTakesOver(trial, { point, batches: 1 }),
  };
}

const forManyBatches: Fault = {
  name: 'freeze for many batches',
  weight: 2,
  strike: (trial) =>
    whileAnotherTakesOver(trial, {
      point: trial.random.pick([
        'after-intent',
        'mid-write',
        'between-segments',
        'before-commit',
        'before-progress',
      ]),
      batches: MANY_BATCHES,
    }),
};

const untilTheGroupIsEmpty: Fault = {
  name: 'freeze until the group is empty',
  weight: 2,
  async strike(trial) {
    const point = trial.random.pick([
      'after-intent',
      'mid-write',
      'before-head',
      'before-commit',
      'after-insert',
    ]);
    const { pipeline, spec } = pointOf(trial, point);
    await trial.members.killAll();
    const victim = trial.members.start({ faults: `${spec}=SIGSTOP` });
    await frozen(victim);
    const groupId = groupOf(trial, pipeline);
    await eventually(async () => (await membersOf(trial, groupId)) === 0, {
      what: `nobody in ${groupId}`,
      withinMs: 60_000,
      everyMs: 100,
    });
    victim.signal('SIGCONT');
    await hasPartitions(victim);
    const before = await batchesOf(victim, pipeline);
    await victim.until('a batch after the thaw', async () => (await batchesOf(victim, pipeline)) > before);
    return { bit: true, how: spec };
  },
};

export function groupOf(trial: Trial, pipeline: PipelineName): string {
  return `${trial.ledger.config.kafka.groupPrefix}.${pipeline}`;
}

export const FREEZES: readonly Fault[] = [
  ...Object.keys(POINTS).map(freezeAt),
  forManyBatches,
  untilTheGroupIsEmpty,
];
