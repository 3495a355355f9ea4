/** What a scenario found out: one figure held against its bound. */
import type { PipelineName } from '../../config/schema.ts';
import type { PartName } from '../../deploy/local/stack/stack-state.ts';
import type { RunningStack } from '../../deploy/local/stack/start-stack.ts';

export interface Finding {
  /** For example `tracking, peak RSS`. */
  readonly what: string;
  readonly value: number;
  readonly unit: 'MB' | 'records' | 's' | 'members' | 'times' | 'records/s' | 'ratio';
  /** Null: told for the record, nothing hangs on it. */
  readonly bound: { readonly atMost: number } | { readonly exactly: number } | null;
}

export interface ScenarioOptions {
  readonly stack: RunningStack;
  readonly events: number;
  readonly minutes: number;
  readonly seed: number;
  /** Whose backlog. */
  readonly pipelines: readonly PipelineName[];
  /** Which outages. */
  readonly parts: readonly PartName[];
  /** Records of a burst. */
  readonly burst: number;
  readonly say: (line: string) => void;
  /** Told of each figure as soon as it is known: a long run that fails has not been for nothing. */
  readonly found: (finding: Finding) => void;
}

export type Scenario = (options: ScenarioOptions) => Promise<void>;

export function holds({ value, bound }: Finding): boolean {
  if (bound === null) return true;
  return 'atMost' in bound ? value <= bound.atMost : value === bound.exactly;
}

/** DESIGN: resident memory of a process with one pipeline. */
export const MOST_RSS = { atMost: 512 } as const;
