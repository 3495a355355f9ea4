/** What a fault is: something done to a ledger under load, and the proof that it bit. */
import type { Trial } from './trial.ts';

/** Of consumer groups: the classic protocol in both of its ways to rebalance, and the broker-side one (KIP-848). */
export const MODES = ['eager', 'cooperative', 'consumer'] as const;
export type Mode = (typeof MODES)[number];

export interface Bite {
  /** A fault that did not bite proves nothing, and does not count. */
  readonly bit: boolean;
  /** What the probe saw, or missed. */
  readonly how: string;
  /** Parts killed with a write under way; nought for other faults. */
  readonly hits?: number;
  /** Why it was not tried at all; left out where it was. */
  readonly notRun?: string;
}

export interface Fault {
  readonly name: string;
  /** Where the fault is one of a protocol; any mode when left out. */
  readonly mode?: Mode;
  /** How often it is dealt, beside the others; 1 when left out. */
  readonly weight?: number;
  /** Why it cannot be done on this machine; null where it can. */
  readonly impossible?: (trial: Trial) => string | null;
  /** Leaves the parts as whole as it found them; the pipelines' processes are the trial's affair. */
  readonly strike: (trial: Trial) => Promise<Bite>;
}

/** @throws {Error} where the pipelines should have stopped with an alarm, or gone on, and did not */
export class Unexpected extends Error {
  override readonly name = 'Unexpected';
}
