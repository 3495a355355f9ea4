/** Why a day that should go is kept. */
import { partitionKey } from '../common/batch.ts';
import { type SourceState, setBack } from './confirmed.ts';
import type { PlannedDay } from './plan.ts';

export const REASONS = {
  archive_behind: 'the archive does not have all of its rows yet',
  archive_damaged: 'the archive lacks segments that it should have',
  tracking_behind: 'tracking has not recorded its batch yet',
  source_unknown: 'its rows come from a partition that tracking knows nothing of',
  held: 'it was brought back, and is wanted for some time',
  clickhouse_behind:
    'ClickHouse has less than the cold tier: it was lost or set back, and is being filled again',
} as const;

export type ReasonCode = keyof typeof REASONS;

export interface Reason {
  readonly code: ReasonCode;
  readonly text: string;
}

const number = new Intl.NumberFormat('en-US');

/** None when all of it goes. */
export function reasonsOf(day: PlannedDay, sources: readonly SourceState[]): Reason[] {
  const reasons: Reason[] = [];
  if (day.heldUntil !== null) {
    const until = new Date(day.heldUntil).toISOString();
    reasons.push({ code: 'held', text: `brought back, and held until ${until}` });
  }
  const behind = setBackText(sources);
  if (behind !== null) reasons.push({ code: 'clickhouse_behind', text: behind });
  for (const { source, offset } of day.unconfirmed) {
    const state = sources.find((one) => partitionKey(one) === source);
    reasons.push(state === undefined ? unknown(source) : reasonAt(state, offset));
  }
  return reasons;
}

/** Null: nothing is amiss. */
export function setBackText(sources: readonly SourceState[]): string | null {
  const [first, ...more] = setBack(sources);
  if (first === undefined) return null;
  const { topic, partition, written, cold } = first;
  const others = more.length === 0 ? '' : `, and less of ${more.length} more`;
  return `ClickHouse has ${topic} partition ${partition} up to offset ${number.format(written)}, but the cold tier up to ${number.format(cold)}${others}`;
}

function unknown(source: string): Reason {
  return {
    code: 'source_unknown',
    text: `tracking has no progress for its rows from ${source}`,
  };
}

function reasonAt({ topic, partition, archived, written, damage }: SourceState, offset: number): Reason {
  const where = `${topic} partition ${partition}`;
  if (damage !== null && (archived === null || (damage.from <= offset && damage.from < archived)))
    return { code: 'archive_damaged', text: `archive damaged for ${where}: ${damage.message}` };
  if (archived === null || archived <= offset)
    return {
      code: 'archive_behind',
      text: `archive not confirmed for ${where} from offset ${number.format(archived ?? 0)}`,
    };
  if (damage !== null)
    return { code: 'archive_damaged', text: `archive damaged for ${where}: ${damage.message}` };
  return {
    code: 'tracking_behind',
    text: `tracking has not recorded ${where} from offset ${number.format(written)}`,
  };
}
