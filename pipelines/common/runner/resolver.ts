/** Asks the sink, the group and Kafka where partitions begin, and says so in words that name what to type. */
import { type PartitionRef, partitionKey } from '../batch.ts';
import { PartitionStopped } from '../errors.ts';
import type { SinkPosition } from '../sink.ts';
import { readOffsetFacts } from './offset-facts.ts';
import type { Beginning, Partition } from './partition.ts';
import type { RunnerParts } from './parts.ts';
import { resolveStart, type StartDecision } from './start-offset.ts';

export interface StartResolution {
  readonly kind: 'start';
  readonly partition: Partition;
  readonly begin: Beginning;
  readonly committed: number | null;
  readonly committedBehind: Extract<StartDecision, { kind: 'start' }>['committedBehind'];
}

export interface StopResolution {
  readonly kind: 'stop';
  readonly partition: Partition;
  readonly alarm: PartitionStopped;
}

export type Resolution = StartResolution | StopResolution;

type Parts = Pick<RunnerParts, 'pipeline' | 'admin' | 'consumer' | 'topicIds' | 'flusher'>;

const NOTHING_STORED: SinkPosition = { next: null, intent: null };

/**
 * One attempt. Partitions that are no longer being resolved are left out.
 * @throws {Outage} Kafka or the sink cannot be asked
 */
export async function resolvePartitions(
  parts: Parts,
  partitions: readonly Partition[],
): Promise<readonly Resolution[]> {
  // A write of an earlier assignment may still be under way: the sink's answer must not be older than its end.
  await parts.flusher.settled(partitions);
  const wanted = partitions.filter(({ phase }) => phase === 'resolving');
  if (wanted.length === 0) return [];
  const ids = await parts.topicIds.fetch();
  const resolutions: Resolution[] = [];
  const existing: Partition[] = [];
  for (const partition of wanted) {
    const topicId = ids.get(partition.topic);
    if (topicId === undefined) {
      const reason = `topic ${partition.topic} does not exist; create it with 'campaign-ledger migrate'`;
      resolutions.push({ kind: 'stop', partition, alarm: new PartitionStopped('topic_missing', reason) });
      continue;
    }
    partition.source = { topic: partition.topic, topicId, partition: partition.partition };
    existing.push(partition);
  }
  if (existing.length > 0) resolutions.push(...(await resolveExisting(parts, existing)));
  return resolutions;
}

async function resolveExisting(
  parts: Parts,
  partitions: readonly Partition[],
): Promise<readonly Resolution[]> {
  // Asked before the sink, and the end of the log after it: a batch that somebody ends in between then makes the group look
  // behind, which it may be, and never ahead of the sink, or the sink ahead of Kafka, which would be an alarm about nothing.
  const committed = await parts.consumer.committed(partitions);
  let positions: ReadonlyMap<string, SinkPosition>;
  try {
    positions = await parts.pipeline.sink.positions(partitions.map(({ source }) => source));
  } catch (error) {
    if (!(error instanceof PartitionStopped)) throw error;
    const [only] = partitions;
    if (only !== undefined && partitions.length === 1) {
      return [{ kind: 'stop', partition: only, alarm: error }];
    }
    // The error names no partition: asked one by one, each shows whether it is the one.
    const each = await Promise.all(partitions.map((partition) => resolveExisting(parts, [partition])));
    return each.flat();
  }
  const factsOf = await readOffsetFacts(parts.admin, partitions);
  return partitions.map((partition): Resolution => {
    const { source } = partition;
    const sink = positions.get(partitionKey(source)) ?? NOTHING_STORED;
    const group = committed.get(`${partition.topic}/${partition.partition}`) ?? null;
    const decision = resolveStart({ sink, committed: group, ...factsOf(partition) });
    partition.stored = sink.next;
    if (decision.kind === 'stop') {
      const message = `${decision.reason}. ${whatToType(parts.pipeline.name, source, decision)}`;
      return { kind: 'stop', partition, alarm: new PartitionStopped(decision.code, message) };
    }
    const { offset, readFrom, intent, committedBehind } = decision;
    return {
      kind: 'start',
      partition,
      begin: { source, offset, readFrom, intent, stored: sink.next, epoch: sink.epoch ?? 0 },
      committed: group?.offset ?? null,
      committedBehind,
    };
  });
}

type Stop = Pick<Extract<StartDecision, { kind: 'stop' }>, 'code' | 'missing'>;

/** The command that ends the alarm. */
export function whatToType(
  pipeline: string,
  { topic, partition }: PartitionRef,
  { code, missing }: Stop,
): string {
  const target = `${pipeline} --topic ${topic} --partition ${partition}`;
  const readAgain = `campaign-ledger offsets read-again ${target}`;
  if (missing === null) {
    if (code === 'committed_ahead') return `To go on where the sink stands: ${readAgain}`;
    if (code === 'offset_out_of_range') {
      return 'Records written from here on would take offsets that the sink has already: make the topic anew, or restore its log';
    }
    const verify = pipeline === 'archive' ? `. What it holds: campaign-ledger archive verify ${topic}` : '';
    return `The store was changed by other hands: restore it${verify}`;
  }
  const acceptGap = `campaign-ledger offsets accept-gap ${target} --first ${missing.first} --last ${missing.last} --reason '…'`;
  return code === 'committed_ahead'
    ? `To read them again: ${readAgain}. To record the skip: ${acceptGap}`
    : `To record the loss and go on: ${acceptGap}`;
}
