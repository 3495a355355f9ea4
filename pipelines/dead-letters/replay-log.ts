/** The log of replays, one record for each letter that was sent back: who did it, when, why and how. */
import type { Config } from '../../config/schema.ts';
import { replayLogTopic } from '../../config/topics.ts';
import { partitionKey } from '../common/batch.ts';
import { Outage, UsageError } from '../common/errors.ts';
import type { KafkaAdmin } from '../common/kafka/admin.ts';
import { readRanges } from '../common/kafka/range-reader.ts';
import type { Logger } from '../common/logger.ts';
import type { Letter, Origin } from './letter.ts';

/** A topic's log has this one partition. */
export const LOG_PARTITION = 0;

/** What a record of the log says, as JSON. Times are ISO 8601, UTC. */
export interface ReplayEntry {
  readonly topic: string;
  readonly topic_id: string;
  readonly partition: number;
  readonly offset: number;
  readonly code: string;
  readonly at: string;
  readonly by: string;
  readonly reason: string | null;
  /** Under which the value was sent, where that is another than it had. */
  readonly schema_id: number | null;
  /** sha256 of the mapping file, hex, where a rule of it has changed the value. */
  readonly mapping: string | null;
  /** True when the pipelines' judge would have refused it. */
  readonly forced: boolean;
}

export interface ReplayContext {
  readonly admin: KafkaAdmin;
  readonly config: Pick<Config, 'kafka'>;
  readonly logger: Logger;
  /** Names the reader: its group is `<groupPrefix>.<name>`, which stays empty. */
  readonly name: string;
}

/** What was sent back before, by where the letters' records stood. */
export class Replays {
  readonly #byPartition = new Map<string, Map<number, number>>();

  add(origin: Origin, atMs: number): void {
    const key = partitionKey(origin);
    const offsets = this.#byPartition.get(key) ?? new Map<number, number>();
    if (!offsets.has(origin.offset)) offsets.set(origin.offset, atMs);
    this.#byPartition.set(key, offsets);
  }

  /** When the letter was sent back, in milliseconds; null when it was not. */
  timeOf(origin: Origin): number | null {
    return this.#byPartition.get(partitionKey(origin))?.get(origin.offset) ?? null;
  }
}

/**
 * Every replay of the topic's letters that has been committed.
 * @param isRequired whether it must be there, and whole: without it nobody knows what was sent
 * @throws {UsageError} it is not there @throws {Outage} it cannot be read to its end, or it was cut
 */
export async function readReplays(
  context: ReplayContext,
  topic: string,
  { isRequired }: { isRequired: boolean },
): Promise<Replays> {
  const replays = new Replays();
  for await (const entry of replayEntries(context, topic, { isRequired })) {
    const { topic_id: topicId, partition, offset, at } = entry;
    replays.add({ topic, topicId, partition, offset }, Date.parse(at));
  }
  return replays;
}

/** @returns what the log says of one letter, null when it says nothing @throws as `readReplays` does */
export async function findReplay(context: ReplayContext, { origin }: Letter): Promise<ReplayEntry | null> {
  for await (const entry of replayEntries(context, origin.topic, { isRequired: false })) {
    const { topic_id, partition, offset } = entry;
    if (topic_id === origin.topicId && partition === origin.partition && offset === origin.offset)
      return entry;
  }
  return null;
}

async function* replayEntries(
  context: ReplayContext,
  topic: string,
  { isRequired }: { isRequired: boolean },
): AsyncGenerator<ReplayEntry> {
  const log = { topic: replayLogTopic(topic), partition: LOG_PARTITION };
  const { admin } = context;
  if (!(await admin.describeTopics([log.topic])).has(log.topic)) {
    if (!isRequired) return;
    throw new UsageError(
      `the topic ${log.topic} does not exist: run campaign-ledger migrate, which makes the log of replays`,
    );
  }
  const [[ends], [stable]] = await Promise.all([admin.watermarks([log]), admin.stableEnds([log])]);
  const { low = 0, high = 0 } = ends ?? {};
  if (isRequired && low > 0)
    throw new Error(
      `${log.topic} begins at offset ${low}: what was replayed before is not known, and could be sent twice. Delete the topic and run campaign-ledger migrate if you accept that`,
    );
  if (isRequired && stable?.offset !== high)
    throw new Outage('kafka', `a transaction in ${log.topic} is open; try again in a minute`);
  const ranges = [{ ...log, first: low, end: stable?.offset ?? 0 }];
  for await (const records of readRanges(context, ranges))
    for (const { value, offset } of records)
      yield readEntry(value, `${log.topic}/${log.partition}:${offset}`);
}

/** @throws {Error} a record that cannot be read may stand for any letter: nothing is replayed beside it */
function readEntry(value: Buffer | null, place: string): ReplayEntry {
  try {
    const entry = JSON.parse(String(value)) as Partial<ReplayEntry> | null;
    if (typeof entry?.topic_id === 'string' && Number.isSafeInteger(entry.offset))
      return entry as ReplayEntry;
  } catch {
    // Said below.
  }
  throw new Error(`the record ${place} is no record of a replay: somebody else has written there`);
}
