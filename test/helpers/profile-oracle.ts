/** What a user's profile was at each instant, computed from nothing for every instant: the slow way, so that it is plainly right. */
import type { SeenRecord } from './kafka-witness.ts';

export interface OracleChange {
  readonly change_id: string;
  readonly op: string;
  readonly changed_at: number;
  readonly source_version: number | null;
  readonly attributes: string | null;
  readonly record: Pick<SeenRecord, 'timestamp' | 'partition' | 'offset'>;
}

export interface OracleVersion {
  readonly version: number;
  readonly valid_from: number;
  readonly valid_to: number | null;
  readonly status: 'found' | 'deleted';
  readonly attributes: unknown;
  readonly change_ids: readonly string[];
  readonly recorded_at: number;
}

/** RFC 7396, section 2, as it stands there. */
function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result: Record<string, unknown> = isObject(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else result[name] = mergePatch(result[name], value);
  }
  return result;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const byRecording = ({ record: a }: OracleChange, { record: b }: OracleChange) =>
  a.timestamp - b.timestamp || a.partition - b.partition || a.offset - b.offset;

const byEffect = (a: OracleChange, b: OracleChange) =>
  a.changed_at - b.changed_at ||
  (a.source_version ?? Number.NEGATIVE_INFINITY) - (b.source_version ?? Number.NEGATIVE_INFINITY) ||
  byRecording(a, b);

/** Null after a delete. */
function profileAfter(changes: readonly OracleChange[]): unknown {
  let profile: unknown = {};
  for (const { op, attributes } of changes) {
    const patch: unknown = JSON.parse(attributes ?? '{}');
    if (op === 'DELETE') profile = null;
    else profile = mergePatch(op === 'SNAPSHOT' ? {} : (profile ?? {}), patch);
  }
  return profile;
}

/** @param changes of one user and one topic, in any order, copies included */
export function oracleVersions(changes: readonly OracleChange[]): OracleVersion[] {
  const counted = changes
    .filter(
      (one) => !changes.some((other) => other.change_id === one.change_id && byRecording(other, one) < 0),
    )
    .sort(byEffect);
  const instants = [...new Set(counted.map(({ changed_at }) => changed_at))];
  return instants.map((instant, index) => {
    const profile = profileAfter(counted.filter(({ changed_at }) => changed_at <= instant));
    const own = counted.filter(({ changed_at }) => changed_at === instant);
    return {
      version: index + 1,
      valid_from: instant,
      valid_to: instants[index + 1] ?? null,
      status: profile === null ? 'deleted' : 'found',
      attributes: profile ?? {},
      change_ids: own.map(({ change_id }) => change_id),
      recorded_at: Math.max(...own.map(({ record }) => record.timestamp)),
    };
  });
}
