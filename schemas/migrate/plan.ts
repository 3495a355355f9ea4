/** What a migration has to do, what it found different, and what forbids it. */

export type Part = 'blob' | 'kafka' | 'schemaRegistry' | 'clickhouse';

/** Verb for what is to be done, and for what was done. */
export const VERBS = {
  create: 'created',
  register: 'registered',
  set: 'set',
  apply: 'applied',
} as const;

/** One thing to do. Doing it again does no harm: a migration that died half-way is simply started again. */
export interface Change {
  readonly part: Part;
  readonly verb: keyof typeof VERBS;
  /** What it is done to, in words that follow the verb. */
  readonly target: string;
  apply(): Promise<void>;
}

/** Drift: it is not as configured, and left alone. Fault: nothing at all is done until somebody has put it right. */
export interface Finding {
  readonly part: Part;
  readonly text: string;
}

export interface Plan {
  readonly changes: readonly Change[];
  readonly drift: readonly Finding[];
  readonly faults: readonly Finding[];
}

export function joinPlans(plans: readonly Plan[]): Plan {
  return {
    changes: plans.flatMap(({ changes }) => changes),
    drift: plans.flatMap(({ drift }) => drift),
    faults: plans.flatMap(({ faults }) => faults),
  };
}
