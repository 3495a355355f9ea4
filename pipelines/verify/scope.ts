/** What is asked about: some topics, some offsets, some time. */
import { type ArchivePlace, listTopic } from '../archive/listing.ts';
import { type OffsetRange, type PartitionRef, partitionKey } from '../common/batch.ts';

export interface OffsetsAsked extends OffsetRange {
  readonly topic: string;
  readonly partition: number;
}

/** Kafka timestamps, in milliseconds: from inclusive, to exclusive; null for no bound. */
export interface TimeAsked {
  readonly from: number | null;
  readonly to: number | null;
}

export interface Scope {
  readonly offsets: readonly OffsetsAsked[];
  readonly time: TimeAsked;
}

export type RangeOf = (source: PartitionRef) => OffsetRange | null;

const ALL: OffsetRange = { first: 0, last: Number.MAX_SAFE_INTEGER };

export function isWhole({ offsets, time }: Scope): boolean {
  return offsets.length === 0 && time.from === null && time.to === null;
}

/**
 * Offsets of a topic that the scope covers. Time is turned into offsets by what the segments say of themselves: a batch
 * with a record of the time is in, and so is all between its neighbours, so that a segment missing there is missed.
 * @throws {Outage} the store cannot be asked
 */
export async function resolveScope(place: ArchivePlace, topic: string, scope: Scope): Promise<RangeOf> {
  const byOffsets = offsetsOf(topic, scope.offsets);
  const { from, to } = scope.time;
  if (from === null && to === null) return byOffsets;
  const hulls = await timeHulls(place, topic, scope.time);
  return (source) => {
    const hull = hulls.get(partitionKey(source));
    const asked = byOffsets(source);
    return hull === undefined || asked === null ? null : intersection(hull, asked);
  };
}

/** Several ranges of one partition become the one that spans them. */
function offsetsOf(topic: string, offsets: readonly OffsetsAsked[]): RangeOf {
  if (offsets.length === 0) return () => ALL;
  const own = offsets.filter((one) => one.topic === topic);
  return ({ partition }) => {
    const asked = own.filter((one) => one.partition === partition);
    if (asked.length === 0) return null;
    return {
      first: Math.min(...asked.map(({ first }) => first)),
      last: Math.max(...asked.map(({ last }) => last)),
    };
  };
}

export function intersection(a: OffsetRange, b: OffsetRange): OffsetRange | null {
  const range = { first: Math.max(a.first, b.first), last: Math.min(a.last, b.last) };
  return range.first <= range.last ? range : null;
}

async function timeHulls(
  place: ArchivePlace,
  topic: string,
  { from, to }: TimeAsked,
): Promise<Map<string, OffsetRange>> {
  const hulls = new Map<string, { first: number; last: number }>();
  const isAsked = (min: number, max: number) => (from === null || max >= from) && (to === null || min < to);
  for await (const { name, metadata } of listTopic(place, topic)) {
    const times = metadata?.kafkaTimes ?? null;
    if (name === null || (times !== null && !isAsked(times.min, times.max))) continue;
    if (times === null && metadata !== null) continue;
    const hull = hulls.get(partitionKey(name));
    if (hull === undefined) hulls.set(partitionKey(name), { first: name.first, last: name.last });
    else {
      hull.first = Math.min(hull.first, name.first);
      hull.last = Math.max(hull.last, name.last);
    }
  }
  const before = new Map<string, number>();
  const behind = new Map<string, number>();
  for await (const { name } of listTopic(place, topic)) {
    const hull = name === null ? undefined : hulls.get(partitionKey(name));
    if (name === null || hull === undefined) continue;
    const key = partitionKey(name);
    if (name.last < hull.first) before.set(key, Math.max(before.get(key) ?? -1, name.last));
    if (name.first > hull.last) behind.set(key, Math.min(behind.get(key) ?? ALL.last, name.first));
  }
  for (const [key, hull] of hulls) {
    hull.first = (before.get(key) ?? -1) + 1;
    hull.last = (behind.get(key) ?? ALL.last + 1) - 1;
  }
  return hulls;
}
