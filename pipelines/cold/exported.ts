/** Which rows are in the cold tier, and which are to go there next, in the words of ClickHouse. */
import type { NextOffsets } from './manifest.ts';

/** Rows of days up to and including `through` whose offset is below `next` of their source. Both only grow. */
export interface Extent {
  /** `2026-08-03`; null: no day. */
  readonly through: string | null;
  readonly next: NextOffsets;
}

export interface Condition {
  readonly sql: string;
  readonly parameters: Readonly<Record<string, unknown>>;
}

/**
 * @param name distinguishes the parameters of several conditions in one query
 * @param day SQL for the row's day
 */
export function isWithin({ through, next }: Extent, name: string, day = 'toDate(occurred_at)'): Condition {
  if (through === null) return { sql: 'false', parameters: {} };
  const { sql, parameters } = isBelow(next, name);
  return {
    sql: `(${day} <= {${name}_through:Date} AND ${sql})`,
    parameters: { ...parameters, [`${name}_through`]: through },
  };
}

/**
 * Rows whose offset is below that of their source.
 * @param name distinguishes the parameters of several conditions in one query
 */
export function isBelow(next: NextOffsets, name: string): Condition {
  const sources = Object.keys(next).sort();
  if (sources.length === 0) return { sql: 'false', parameters: {} };
  return {
    sql: `offset < transform(source, {${name}_sources:Array(String)}, {${name}_next:Array(UInt64)}, 0)`,
    parameters: {
      [`${name}_sources`]: sources,
      [`${name}_next`]: sources.map((source) => next[source] ?? 0),
    },
  };
}

/** Rows from the first offsets up to, and not including, the second. */
export function isBetween(before: NextOffsets, after: NextOffsets): Condition {
  const [old, all] = [isBelow(before, 'before'), isBelow(after, 'after')];
  return { sql: `(${all.sql} AND NOT (${old.sql}))`, parameters: { ...old.parameters, ...all.parameters } };
}

/** What the second extent has beyond the first. */
export function isNew(before: Extent, after: Extent): Condition {
  const [old, all] = [isWithin(before, 'before'), isWithin(after, 'after')];
  return { sql: `(${all.sql} AND NOT ${old.sql})`, parameters: { ...old.parameters, ...all.parameters } };
}

/** @throws {Error} one that is not at least the other in everything: rows would be taken for exported that are not */
export function assertGrown(before: Extent, after: Extent): void {
  if ((before.through ?? '') > (after.through ?? ''))
    throw new Error(`the cold tier reaches to ${before.through} already, not to ${after.through}`);
  assertNextGrown(before.next, after.next);
}

/** @throws {Error} one offset is less than it was, or missing */
export function assertNextGrown(before: NextOffsets, after: NextOffsets): void {
  for (const [source, offset] of Object.entries(before)) {
    if ((after[source] ?? 0) < offset)
      throw new Error(
        `the cold tier has ${source} up to offset ${offset} already, not to ${after[source] ?? 0}`,
      );
  }
}
