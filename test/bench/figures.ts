/** The figures of the main suite out of its measurements: ratios within a round, then the median of the rounds. Pure. */
import type { Measurement } from './measure.ts';
import { median } from './rate.ts';

/** By subject. One that was not measured, or whose count did not match, is missing. */
export type Round = Readonly<Partial<Record<string, Measurement>>>;

export interface Figure {
  readonly name: string;
  /** Null where something that it needs is missing. */
  readonly value: number | null;
  /** Null: it is told, and held against nothing. */
  readonly aim: { readonly atLeast: number } | { readonly atMost: number } | null;
}

export const PIPELINES = ['archive', 'tracking', 'profiles'] as const;

/** With one consumer and with two. The peer counts at its better, for each figure by itself. */
const ENGINES = ['kafka-engine-1', 'kafka-engine-2'] as const;

const MOST_RSS_MB = 512;

type Of = (measurement: Measurement) => number;

export const rateOf: Of = ({ recordsPerSecond }) => recordsPerSecond;
export const cpuOf: Of = ({ ownCpu, clickHouseCpu }) => ownCpu + clickHouseCpu;

export function figuresOf(rounds: readonly Round[]): readonly Figure[] {
  const against = (subject: string, other: string, of: Of = rateOf) =>
    medianRatio(rounds, { subject, other, of });
  return [
    { name: 'archive_vs_consume', value: against('archive', 'bare'), aim: { atLeast: 0.85 } },
    { name: 'tracking_vs_consume', value: against('tracking', 'bare'), aim: { atLeast: 0.6 } },
    {
      name: 'tracking_vs_kafka_engine',
      value: worst(
        Math.min,
        ENGINES.map((engine) => against('tracking', engine)),
      ),
      aim: { atLeast: 1 },
    },
    {
      name: 'tracking_cpu_vs_kafka_engine',
      value: worst(
        Math.max,
        ENGINES.map((engine) => against('tracking', engine, cpuOf)),
      ),
      aim: { atMost: 1 },
    },
    { name: 'tracking_vs_naive', value: against('tracking', 'naive'), aim: { atLeast: 2 } },
    ...PIPELINES.map((pipeline) => ({
      name: `peak_rss_mb.${pipeline}`,
      value: peakOf(rounds, pipeline),
      aim: { atMost: MOST_RSS_MB },
    })),
  ];
}

export function isMet({ value, aim }: Figure): boolean | null {
  if (value === null || aim === null) return null;
  return 'atLeast' in aim ? value >= aim.atLeast : value <= aim.atMost;
}

export function medianOf(rounds: readonly Round[], subject: string, of: Of): number | null {
  return median(rounds.flatMap(({ [subject]: measurement }) => (measurement ? [of(measurement)] : [])));
}

/** Two measurements of one round met the same machine. */
function medianRatio(
  rounds: readonly Round[],
  { subject, other, of }: { subject: string; other: string; of: Of },
): number | null {
  return median(
    rounds.flatMap(({ [subject]: ours, [other]: theirs }) =>
      ours !== undefined && theirs !== undefined && of(theirs) > 0 ? [of(ours) / of(theirs)] : [],
    ),
  );
}

/** Null when not all are there: the peer's better is not known then. */
function worst(choose: (...values: number[]) => number, values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length < values.length ? null : choose(...known);
}

/** The highest of all rounds: memory that was needed once is needed. */
function peakOf(rounds: readonly Round[], subject: string): number | null {
  const peaks = rounds.flatMap(({ [subject]: measurement }) => measurement?.peakRssMb ?? []);
  return peaks.length === 0 ? null : Math.max(...peaks);
}
