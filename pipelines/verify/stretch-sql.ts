/** Many stretches of many partitions in one question: each row is found its stretch by a binary search. */
import { type OffsetRange, type PartitionRef, partitionKey } from '../common/batch.ts';

export interface SqlStretch extends OffsetRange {
  readonly source: PartitionRef;
}

/** A partition's number in the upper 16 bits, an offset in the lower 48: one number for each place in Kafka. */
const PARTITION_SHIFT = 48n;

export interface StretchSql {
  /** For `WITH`: `stretch` is the place at which a row's stretch begins. */
  readonly definitions: string;
  /** For `WHERE`: the row is in a stretch. */
  readonly isIn: string;
  readonly params: Record<string, unknown>;
  /** For each element of an array that `stretchValue` takes, the index of its stretch. */
  readonly order: readonly number[];
  /** Index of a stretch by `toString(stretch)`. */
  readonly indexOf: ReadonlyMap<string, number>;
  /** An expression that gives for a row the value of its stretch. @param array name of an Array(Int64) parameter */
  stretchValue(array: string): string;
}

/** @param stretches without overlap, at least one */
export function stretchSql(stretches: readonly SqlStretch[]): StretchSql {
  const sources = [...new Set(stretches.map(({ source }) => partitionKey(source)))];
  const numberOf = new Map(sources.map((source, index) => [source, BigInt(index)]));
  const placed = stretches
    .map(({ source, first, last }, index) => {
      const base = (numberOf.get(partitionKey(source)) ?? 0n) << PARTITION_SHIFT;
      return { index, first: base + BigInt(first), last: base + BigInt(last) };
    })
    .sort((a, b) => (a.first < b.first ? -1 : 1));
  return {
    definitions: `transform(source, {sources:Array(String)}, {numbers:Array(UInt64)}, toUInt64(0)) + offset AS place,
      roundDown(place, {firsts:Array(UInt64)}) AS stretch`,
    isIn: `source IN {sources:Array(String)} AND place >= stretch
      AND place <= transform(stretch, {firsts:Array(UInt64)}, {lasts:Array(UInt64)}, toUInt64(0))`,
    params: {
      sources,
      numbers: sources.map((_, index) => BigInt(index) << PARTITION_SHIFT),
      firsts: placed.map(({ first }) => first),
      lasts: placed.map(({ last }) => last),
    },
    order: placed.map(({ index }) => index),
    indexOf: new Map(placed.map(({ first, index }) => [String(first), index])),
    stretchValue: (array) =>
      `transform(stretch, {firsts:Array(UInt64)}, {${array}:Array(Int64)}, toInt64(0))`,
  };
}
