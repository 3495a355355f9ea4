/** Which faults each run meets: the same for the same seed, and every fault as often as its weight says. */
import { Random } from '../../deploy/local/world/random.ts';
import { type Fault, MODES } from './fault.ts';
import type { Plan } from './trial.ts';

const STREAM = 7;

export interface DeckOptions {
  readonly faults: readonly Fault[];
  readonly seed: number;
  readonly runs: number;
  /** Faults in a run. */
  readonly each: number;
}

/**
 * Cards are dealt from a shuffled deck that has each fault as many times as its weight; when it is used up, another is shuffled. A
 * fault of one group protocol decides the run's; of two that disagree the second is put back for a later run.
 */
export function deal({ faults, seed, runs, each }: DeckOptions): Plan[] {
  const random = new Random(seed, STREAM);
  let deck: Fault[] = [];
  const draw = (fits: (fault: Fault) => boolean): Fault => {
    const index = deck.findIndex(fits);
    if (index < 0) {
      deck = [...deck, ...shuffled(faults, random)];
      return draw(fits);
    }
    const [card] = deck.splice(index, 1);
    if (card === undefined) throw new Error('there are no faults to deal');
    return card;
  };
  return Array.from({ length: runs }, (_, run) => {
    const hand: Fault[] = [];
    const modeOf = () => hand.find(({ mode }) => mode !== undefined)?.mode;
    const most = Math.min(each, new Set(faults.map(({ name }) => name)).size);
    while (hand.length < most) {
      const known = modeOf();
      hand.push(
        draw(
          (fault) =>
            !hand.includes(fault) &&
            (fault.mode === undefined || known === undefined || fault.mode === known),
        ),
      );
    }
    const runSeed = random.between(1, 2_000_000_000);
    return { run, seed: runSeed, mode: modeOf() ?? random.pick(MODES), faults: hand };
  });
}

function shuffled(faults: readonly Fault[], random: Random): Fault[] {
  const cards = faults.flatMap((fault) => Array.from({ length: fault.weight ?? 1 }, () => fault));
  for (let index = cards.length - 1; index > 0; index -= 1) {
    const other = random.between(0, index);
    const [a, b] = [cards[index], cards[other]];
    if (a !== undefined && b !== undefined) [cards[index], cards[other]] = [b, a];
  }
  return cards;
}
