/** Letters in a ledger's topics without a pipeline that reads Kafka, and what an independent consumer sees of their replays. */
import type { Config } from '../../config/schema.ts';
import type { TopicRole } from '../../config/topics.ts';
import { type Clock, systemClock } from '../../pipelines/common/clock.ts';
import { createLogger } from '../../pipelines/common/logger.ts';
import { WriterSchemas } from '../../pipelines/common/registry/writer-schemas.ts';
import {
  type ReplayOptions,
  type ReplayOutcome,
  replayLetters,
} from '../../pipelines/dead-letters/replay.ts';
import type { ReplayContext } from '../../pipelines/dead-letters/replay-log.ts';
import { createProfilesPipeline } from '../../pipelines/profiles/pipeline.ts';
import { createTrackingPipeline } from '../../pipelines/tracking/pipeline.ts';
import type { SeenRecord } from './kafka-witness.ts';
import type { Sent } from './ledger-harness.ts';
import type { WholeLedger } from './whole-ledger.ts';

export interface RefuseOptions {
  readonly partition?: number;
  /** Offset of the first record: the records themselves are not in Kafka. */
  readonly first?: number;
  readonly config?: Config;
  readonly clock?: Clock;
}

/** Lets the topic's pipeline write these records to its sink, as if Kafka had them. @returns the topic's id */
export async function refuse(
  ledger: WholeLedger,
  role: TopicRole,
  records: readonly Sent[],
  { partition = 0, first = 0, config = ledger.config, clock = systemClock }: RefuseOptions = {},
): Promise<string> {
  const create = role === 'profiles' ? createProfilesPipeline : createTrackingPipeline;
  const { sink } = await ledger.harness.pipeline(create, { config, clock });
  const batch = ledger.harness.batch(role, records, { partition, first });
  await sink.write([batch], () => true);
  return batch.source.topicId;
}

export function letterContext(ledger: WholeLedger): ReplayContext {
  const logger = createLogger({ level: 'silent', format: 'json' });
  return { config: ledger.config, logger, admin: ledger.harness.admin, name: 'dead-letters' };
}

/** All letters of a topic, or those that the filter chooses. */
export async function replayIn(
  ledger: WholeLedger,
  role: TopicRole,
  options: Partial<ReplayOptions> = {},
): Promise<ReplayOutcome[]> {
  const { config } = ledger;
  const schemas = new WriterSchemas({ settings: config.schemaRegistry, clock: systemClock });
  try {
    const replaying = replayLetters(letterContext(ledger), ledger.topic(role), {
      config,
      clock: systemClock,
      schemas,
      filter: {},
      by: 'tester',
      ...options,
    });
    return await Array.fromAsync(replaying);
  } finally {
    await schemas.close();
  }
}

/** `replayed`, or `refused: <code>`, by the offset of the letter's record. */
export function byOffset(outcomes: readonly ReplayOutcome[]): Record<number, string> {
  return Object.fromEntries(
    outcomes.map((one) => [
      one.letter.origin.offset,
      one.outcome === 'refused' ? `refused: ${one.refusal.code}` : one.outcome,
    ]),
  );
}

/** What stands in the source topic, by the letter that it was sent back for. */
export async function sentBack(
  ledger: WholeLedger,
  role: TopicRole,
): Promise<ReadonlyMap<string, readonly SeenRecord[]>> {
  const records = await ledger.records(role);
  const marked = records.filter(({ headers }) => headers.some(([name]) => name === 'dl.replay-of'));
  return Map.groupBy(marked, ({ headers }) => headers.find(([name]) => name === 'dl.replay-of')?.[1] ?? '');
}
