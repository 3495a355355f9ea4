/** What a person decides about a stopped partition, carried out: read a range again, or record that it is lost. */
import type { Config } from '../../../config/schema.ts';
import { type OffsetRange, type PartitionRef, partitionKey } from '../batch.ts';
import { UsageError } from '../errors.ts';
import { acceptsGaps, type Gap } from '../gaps.ts';
import type { KafkaAdmin, TopicPartition } from '../kafka/admin.ts';
import { consumerSettings } from '../kafka/client-settings.ts';
import type { Logger } from '../logger.ts';
import type { SinkPosition } from '../sink.ts';
import { Consumer } from './consumer.ts';
import { readOffsetFacts } from './offset-facts.ts';
import type { Pipeline } from './pipeline.ts';
import { type CommittedOffset, commitMetadata, resolveStart, type StartDecision } from './start-offset.ts';

export interface OffsetsContext {
  readonly config: Config;
  readonly admin: KafkaAdmin;
  readonly pipeline: Pipeline;
  readonly logger: Logger;
}

export interface PartitionOffsets {
  readonly source: PartitionRef;
  readonly sink: SinkPosition;
  readonly committed: CommittedOffset | null;
  readonly low: number;
  readonly end: number;
  /** What a start would make of it. */
  readonly decision: StartDecision;
}

/** Every partition of the pipeline's topics, as a start would find it. */
export async function readOffsets({
  config,
  admin,
  pipeline,
  logger,
}: OffsetsContext): Promise<PartitionOffsets[]> {
  const described = await admin.describeTopics(pipeline.topics);
  const sources = [...described.values()].flatMap(({ topic, topicId, partitions }) =>
    Array.from({ length: partitions }, (_, partition): PartitionRef => ({ topic, topicId, partition })),
  );
  // One after another, as a start asks (resolver.ts): the pipelines go on meanwhile.
  const committed = await readCommitted({ config, pipeline, logger }, sources);
  const positions = await pipeline.sink.positions(sources);
  const factsOf = await readOffsetFacts(admin, sources);
  return sources.map((source) => {
    const sink = positions.get(partitionKey(source)) ?? { next: null, intent: null };
    const group = committed.get(`${source.topic}/${source.partition}`) ?? null;
    const facts = { sink, committed: group, ...factsOf(source) };
    return { source, ...facts, decision: resolveStart(facts) };
  });
}

/**
 * Sets the group's committed offset back to where the sink stands, so that the partition is read on from there.
 * @returns the offset that is read next
 * @throws {UsageError} when that is not what keeps the partition from being read
 */
export async function readAgain(context: OffsetsContext, target: TopicPartition): Promise<number> {
  const { source, decision, sink, low } = await offsetsOf(context, target);
  if (decision.kind === 'start' || decision.code !== 'committed_ahead') {
    const why = decision.kind === 'start' ? 'nothing keeps it from being read' : decision.reason;
    throw new UsageError(`${nameOf(source)} has no committed offset that is ahead of the sink: ${why}`);
  }
  const stored = sink.intent?.first ?? sink.next;
  const next = stored ?? low;
  const { epoch = 0 } = sink;
  const metadata = commitMetadata({ stored: next, isBeginning: stored === null, epoch });
  await commitAsMember(context, { ...source, offset: next, metadata });
  return next;
}

/**
 * Records that offsets will never come, and moves the sink past them.
 * @throws {UsageError} when they are not the ones that are missing, or the sink cannot be told
 */
export async function acceptGap(context: OffsetsContext, target: TopicPartition, gap: Gap): Promise<void> {
  const { sink } = context.pipeline;
  const offsets = await offsetsOf(context, target);
  const refusal = whyNotAccepted(offsets, gap);
  if (refusal !== null) throw new UsageError(refusal);
  if (!acceptsGaps(sink)) throw new UsageError(`${context.pipeline.name} cannot be told of gaps`);
  const { source, decision, committed } = offsets;
  const next = gap.last + 1;
  // A commit beyond the end of the log would stop the partition again behind the gap. It goes first: whoever is cut off
  // here finds the same alarm with the same command. Without our metadata, since the sink does not stand there yet.
  if (decision.kind === 'stop' && decision.code === 'committed_ahead' && (committed?.offset ?? next) > next) {
    await commitAsMember(context, { ...source, offset: next, metadata: '' });
  }
  await sink.acceptGap(source, gap);
}

/**
 * Why a gap is refused; null when it is the one that is missing. What it never lets pass is a gap beyond the end of the
 * log: the sink would skip the records that take those offsets, and nobody would hear of it.
 */
export function whyNotAccepted(
  { source, decision, end }: Pick<PartitionOffsets, 'source' | 'decision' | 'end'>,
  gap: OffsetRange,
): string | null {
  const nothing = `nothing that Kafka or the group had is missing of ${nameOf(source)}`;
  if (decision.kind === 'start') return nothing;
  if (gap.last >= end) {
    return `Kafka ends at ${end} in ${nameOf(source)}: offset ${gap.last} is still to come and cannot be missing`;
  }
  const { missing } = decision;
  if (missing === null) return nothing;
  if (missing.first === gap.first && missing.last === gap.last) return null;
  return `offsets ${missing.first} to ${missing.last} are missing of ${nameOf(source)}, not ${gap.first} to ${gap.last}`;
}

async function offsetsOf(context: OffsetsContext, target: TopicPartition): Promise<PartitionOffsets> {
  const all = await readOffsets(context);
  const found = all.find(
    ({ source }) => source.topic === target.topic && source.partition === target.partition,
  );
  if (found === undefined) {
    throw new UsageError(`${context.pipeline.name} reads no partition ${nameOf(target)}`);
  }
  return found;
}

type Client = Pick<OffsetsContext, 'config' | 'pipeline' | 'logger'>;

/** Asked by a consumer that never joins, with the metadata that the pipelines commit. */
async function readCommitted(client: Client, partitions: readonly TopicPartition[]) {
  const consumer = createConsumer(client, () => {});
  try {
    await consumer.connect([]);
    return await consumer.committed(partitions);
  } finally {
    await consumer.close();
  }
}

/** Milliseconds to be given a place in the group, and between two tries to commit while it settles. */
const JOIN_TIMEOUT_MS = 60_000;
const RETRY_MS = 500;

/**
 * A group with members accepts commits from members alone, and from those for any partition: so this joins, commits
 * and leaves. The others hand over a few partitions and get them back; nothing is read meanwhile.
 */
async function commitAsMember(
  client: Client,
  commit: TopicPartition & { offset: number; metadata: string },
): Promise<void> {
  let hasJoined = false;
  const consumer = createConsumer(client, () => {
    hasJoined = true;
  });
  let isDone = false;
  try {
    await consumer.connect([commit.topic]);
    // Reading is what serves the group; nothing is placed, so nothing is read.
    const serving = (async () => {
      while (!isDone) {
        await consumer.consume(1);
        if (!isDone) await consumer.waitForMore();
      }
    })();
    const deadline = performance.now() + JOIN_TIMEOUT_MS;
    let fault: unknown = new Error(`the group gave no place within ${JOIN_TIMEOUT_MS} ms`);
    for (let isCommitted = false; !isCommitted; ) {
      if (performance.now() > deadline) throw fault;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      if (!hasJoined) continue;
      isCommitted = await consumer.commit([commit]).then(
        () => true,
        (error: unknown) => {
          fault = error;
          return false;
        },
      );
    }
    isDone = true;
    await serving;
  } finally {
    isDone = true;
    await consumer.close();
  }
}

function createConsumer({ config, pipeline, logger }: Client, joined: () => void): Consumer {
  const consumer: Consumer = new Consumer(consumerSettings(config, { pipeline: pipeline.name }), {
    logger,
    events: {
      assigned: joined,
      revoked: (partitions) => consumer.remove(partitions),
      failed: (error) => logger.debug({ err: error }, 'the Kafka client reports an error'),
    },
  });
  return consumer;
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}
