/** kill -9 of a pipeline: at any moment, and at each named point of its work. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { PipelineName } from '../../../config/schema.ts';
import type { Bite, Fault } from '../fault.ts';
import { gone, hasPartitions, hasShareOf, storesSomething } from '../members.ts';
import type { Trial } from '../trial.ts';

/** Points of a batch's way, and the pipelines that pass them. */
export const POINTS: Readonly<Record<string, readonly [PipelineName, ...PipelineName[]]>> = {
  'before-intent': ['archive'],
  'after-intent': ['archive'],
  'before-insert': ['tracking', 'profiles'],
  'mid-write': ['tracking', 'archive', 'profiles'],
  'after-insert': ['tracking', 'profiles'],
  'between-segments': ['archive'],
  'before-fold': ['profiles'],
  'after-fold': ['profiles'],
  'before-progress': ['tracking', 'profiles'],
  'after-progress': ['tracking', 'profiles'],
  'before-head': ['archive'],
  'after-head': ['archive'],
  'before-commit': ['tracking', 'archive', 'profiles'],
  'after-commit': ['tracking', 'archive', 'profiles'],
};

/** Not in every run the first pass: it is another state each time. */
export function pointOf(trial: Trial, point: string): { pipeline: PipelineName; spec: string } {
  const pipeline = trial.random.pick(POINTS[point] ?? (['tracking', 'archive', 'profiles'] as const));
  return { pipeline, spec: `${pipeline}/${point}:${trial.random.between(1, 3)}` };
}

const hasBitten = (log: { logged(...words: string[]): boolean }, point: string, signal: string) =>
  log.logged(`fault point `, `/${point}: ${signal}`);

function killAt(point: string): Fault {
  return {
    name: `kill at ${point}`,
    async strike(trial): Promise<Bite> {
      const { spec } = pointOf(trial, point);
      // Alone, or as one of two.
      const isAlone = trial.random.chance(0.5);
      if (isAlone) await trial.members.killAll();
      const victim = trial.members.start({ faults: `${spec}=SIGKILL` });
      await gone(victim, `killed at ${spec}`);
      const end = await victim.ended;
      const bit = end.signal === 'SIGKILL' && hasBitten(victim, point, 'SIGKILL');
      await trial.members.one();
      return { bit, how: `${spec}, ${isAlone ? 'alone' : 'as one of several'}` };
    },
  };
}

const killAnywhere: Fault = {
  name: 'kill at any moment',
  weight: 3,
  async strike(trial) {
    const victim = await trial.members.one();
    await storesSomething(victim);
    await sleep(trial.random.between(0, 1_500));
    const isBehind = !(await caughtUp(trial));
    const end = await victim.kill();
    await trial.members.one();
    return {
      bit: end.signal === 'SIGKILL' && isBehind,
      how: `with records unread or not yet committed: ${isBehind}`,
    };
  },
};

const killInRebalance: Fault = {
  name: 'kill during a rebalance',
  async strike(trial) {
    const first = await trial.members.one();
    const pipeline = trial.random.pick(['tracking', 'archive', 'profiles'] as const);
    const victim = trial.members.start({
      faults: `${pipeline}/during-rebalance:${trial.random.between(1, 2)}=SIGKILL`,
    });
    // Alone it has everything: whoever comes then takes something of it, until it has passed as many rebalances.
    await Promise.race([hasPartitions(victim), victim.ended]);
    await first.stop();
    for (let guests = 0; guests < 6 && victim.end === null; guests += 1) {
      const guest = trial.members.start();
      await Promise.race([hasShareOf(guest, pipeline), victim.ended]);
      await guest.stop();
    }
    await gone(victim, `killed in a rebalance of ${pipeline}`);
    const bit = hasBitten(victim, 'during-rebalance', 'SIGKILL');
    await trial.members.one();
    return { bit, how: pipeline };
  },
};

const killInShutdown: Fault = {
  name: 'kill during shutdown',
  async strike(trial) {
    const pipeline = trial.random.pick(['tracking', 'archive', 'profiles'] as const);
    const victim = trial.members.start({ faults: `${pipeline}/during-shutdown=SIGKILL` });
    await hasPartitions(victim);
    await trial.members.killOthers(victim);
    await storesSomething(victim);
    const end = await victim.stop();
    await trial.members.one();
    return {
      bit: end.signal === 'SIGKILL' && hasBitten(victim, 'during-shutdown', 'SIGKILL'),
      how: pipeline,
    };
  },
};

async function caughtUp(trial: Trial): Promise<boolean> {
  const each = (['tracking', 'archive', 'profiles'] as const).map((pipeline) =>
    trial.ledger.hasCaughtUp(pipeline),
  );
  return (await Promise.all(each)).every(Boolean);
}

export const KILLS: readonly Fault[] = [
  killAnywhere,
  ...Object.keys(POINTS).map(killAt),
  killInRebalance,
  killInShutdown,
];
