/** kill -9 of the services themselves, with a write under way. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { UnderWay } from '../../helpers/cutting-proxy.ts';
import type { Fault } from '../fault.ts';
import { storesSomething } from '../members.ts';
import type { Trial } from '../trial.ts';
import { isWrite } from './answers.ts';

const KILLS = 9;
const UNDER_WAY_MS = 20_000;

/** Resolves when the service has a write in full. @returns null when none comes */
function nextWrite(trial: Trial, service: 'clickhouse' | 'blob'): Promise<UnderWay | null> {
  const proxy = trial.arena.proxies[service];
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(null), UNDER_WAY_MS);
    proxy.onUnderWay = (one) => {
      if (!isWrite(service, one.request)) return;
      proxy.onUnderWay = () => {};
      clearTimeout(timer);
      resolve(one);
    };
  });
}

function killInMidWrite(service: 'clickhouse' | 'blob', most: number): Fault {
  return {
    name: `kill ${service} in mid-write`,
    weight: 8,
    async strike(trial) {
      await storesSomething(await trial.members.one());
      let hits = 0;
      for (let kills = 0; kills < KILLS; kills += 1) {
        const write = await nextWrite(trial, service);
        await sleep(trial.random.between(0, most));
        // Asked at the very moment of the kill: an answer that is on its way has been written.
        const isHit = write !== null && !write.isAnswered();
        await trial.arena.kill(service);
        if (isHit) hits += 1;
        await sleep(trial.random.between(0, 500));
        await trial.arena.part(service).start();
      }
      return { bit: hits > 0, hits, how: `${hits} of ${KILLS} kills had a write under way` };
    },
  };
}

const killBroker: Fault = {
  name: 'kill the broker',
  weight: 2,
  async strike(trial) {
    const child = await trial.members.one();
    await storesSomething(child);
    await sleep(trial.random.between(0, 500));
    const sent = trial.load.sent;
    await trial.arena.kill('kafka');
    await sleep(trial.random.between(0, 2_000));
    const isSilent = trial.load.sent - sent <= 20;
    await trial.arena.part('kafka').start();
    const before = await child.metric('ledger_records_total');
    await child.until(
      'records stored after the broker came back',
      async () => (await child.metric('ledger_records_total')) > before,
    );
    return { bit: isSilent, how: 'nothing could be sent while it was down' };
  },
};

const killRegistry: Fault = {
  name: 'kill the registry',
  async strike(trial) {
    await trial.members.killAll();
    await trial.arena.kill('registry');
    // It knows no schema yet, and has to ask.
    const child = trial.members.start();
    await child.until(
      'an outage of the registry',
      async () => (await child.metric('ledger_outage', { service: 'registry' })) > 0,
    );
    await sleep(trial.random.between(0, 1_000));
    await trial.arena.part('registry').start();
    await storesSomething(child);
    return { bit: true, how: 'a process that knew no schema waited for it' };
  },
};

const killEverything: Fault = {
  name: 'kill everything at once',
  weight: 2,
  async strike(trial) {
    await storesSomething(await trial.members.one());
    const write = await nextWrite(trial, trial.random.pick(['clickhouse', 'blob']));
    await Promise.all([
      trial.members.killAll(),
      ...(['clickhouse', 'blob', 'kafka', 'registry'] as const).map((name) => trial.arena.kill(name)),
    ]);
    const isHit = write !== null && !write.isAnswered();
    await trial.arena.restore();
    await trial.members.one();
    return { bit: true, hits: isHit ? 1 : 0, how: `all parts and pipelines, a write under way: ${isHit}` };
  },
};

export const PART_KILLS: readonly Fault[] = [
  killInMidWrite('clickhouse', 12),
  killInMidWrite('blob', 2),
  killBroker,
  killRegistry,
  killEverything,
];
