/** Every kind of fault once, packed into few runs: short enough for every change. */
import { Random } from '../../deploy/local/world/random.ts';
import type { Fault } from './fault.ts';
import type { Plan } from './trial.ts';

const STREAM = 8;

/** Of each kind one member; which one the seed decides. */
const KINDS: readonly RegExp[] = [
  /^kill at any moment/,
  /^kill at (?:before-intent|after-intent|before-head|after-head)/,
  /^kill at between-segments/,
  /^kill at (?:mid-write|after-insert|before-fold|after-fold)/,
  /^kill during (?:a rebalance|shutdown)/,
  /^freeze at/,
  /^freeze for many batches/,
  /^freeze until the group is empty/,
  /^kill clickhouse/,
  /^kill blob/,
  /^kill the broker/,
  /^kill the registry/,
  /^kill everything/,
  /^clickhouse (?:refuses|answers|cuts|loses)/,
  /^blob (?:refuses|answers|cuts|loses)/,
  /^registry (?:refuses|answers|cuts|loses)/,
  /hangs$/,
  /fails one flush/,
  /^members .*eager/,
  /^members .*cooperative/,
  /^members .*consumer/,
  /^offsets reset backwards/,
  /^offsets reset forwards/,
  /^the groups deleted/,
  /^a topic deleted/,
  /^records dropped/,
  /^crash before midnight/,
  /^the clock jumps/,
  /^limits changed/,
  /^aborted transactions/,
  /^the disk under clickhouse/,
  /^the disk under blob/,
];

/** Three runs, one for each way of groups to rebalance. */
export function selectionOf(faults: readonly Fault[], seed: number): Plan[] {
  const random = new Random(seed, STREAM);
  const cards = KINDS.flatMap((kind) => {
    const of = faults.filter(({ name }) => kind.test(name));
    const [first, ...more] = of;
    return first === undefined ? [] : [random.pick([first, ...more])];
  });
  const modes = ['cooperative', 'consumer', 'eager'] as const;
  const plans = modes.map((mode, run) => ({
    run,
    seed: random.between(1, 2_000_000_000),
    mode,
    faults: [] as Fault[],
  }));
  cards.forEach((card, index) => {
    const plan = plans.find(({ mode }) => mode === card.mode) ?? plans[index % plans.length];
    plan?.faults.push(card);
  });
  return plans;
}
