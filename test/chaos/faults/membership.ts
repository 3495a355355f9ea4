/** Members that join and leave in the middle of batches, in each way that groups rebalance. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Fault, MODES, type Mode } from '../fault.ts';
import { hasSomePartition, storesSomething } from '../members.ts';

const assigned = 'ledger_assigned_partitions';

function joinAndLeave(mode: Mode): Fault {
  return {
    name: `members join and leave (${mode})`,
    mode,
    weight: 2,
    async strike(trial) {
      const first = await trial.members.one();
      await storesSomething(first);
      const all = await first.metric(assigned);
      let shared = 0;
      for (let round = 0; round < 3; round += 1) {
        const guest = trial.members.start();
        await hasSomePartition(guest);
        if ((await first.metric(assigned)) < all) shared += 1;
        await sleep(trial.random.between(0, 800));
        await (trial.random.chance(0.5) ? guest.stop() : guest.kill());
      }
      return { bit: shared > 0, how: `${shared} of 3 guests took partitions over` };
    },
  };
}

export const MEMBERSHIP: readonly Fault[] = MODES.map(joinAndLeave);
