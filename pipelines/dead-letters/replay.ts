/** Sends letters of one topic back to where their records came from: each at most once, whatever happens meanwhile. */
import type { MessageHeader } from '@confluentinc/kafka-javascript';
import type { Clock } from '../common/clock.ts';
import { REPLAY_OF_HEADER } from '../common/dead-letters/dead-letter.ts';
import { UsageError } from '../common/errors.ts';
import { type CorrectedRecord, type CorrectionOptions, Corrections } from './corrected-record.ts';
import { type Letter, originId } from './letter.ts';
import { type LetterFilter, lettersOf } from './letters.ts';
import { type Refusal, refused } from './refusal.ts';
import { type ReplayContext, type ReplayEntry, type Replays, readReplays } from './replay-log.ts';
import { type OutgoingReplay, ReplayProducer } from './replay-producer.ts';

/** `replayed` is told when it can be read; in a dry run, what would be. `skipped`: it was sent back before. */
export type ReplayOutcome =
  | { readonly outcome: 'replayed'; readonly letter: Letter; readonly record: CorrectedRecord }
  | { readonly outcome: 'skipped'; readonly letter: Letter; readonly replayedAtMs: number }
  | { readonly outcome: 'refused'; readonly letter: Letter; readonly refusal: Refusal };

export interface ReplayOptions extends Omit<CorrectionOptions, 'topic'> {
  readonly clock: Clock;
  readonly filter: LetterFilter;
  /** Who does it. */
  readonly by: string;
  readonly reason?: string | undefined;
  /** Says what would be done and changes nothing. */
  readonly isDryRun?: boolean;
  /** Sends also what the pipelines would refuse again. */
  readonly isForced?: boolean;
}

/** Records in one transaction: readers of the topic are held up for as long as it takes. */
const WINDOW_RECORDS = 500;
const WINDOW_BYTES = 4 * 1024 * 1024;

/**
 * The letters that are in the topic of dead letters now. One whose record is refused again after this becomes a letter
 * of its own, and is none of this run's.
 * @throws {Fenced} another replay of this topic's letters has begun
 * @throws {Outage} what was not reported may have been sent: running it again finds out
 */
export async function* replayLetters(
  context: ReplayContext,
  topic: string,
  options: ReplayOptions,
): AsyncGenerator<ReplayOutcome> {
  let run: Run | null = null;
  try {
    for await (const letter of lettersOf(context, topic, options.filter)) {
      // Not before there is a letter: it ends every other replay of the topic.
      run ??= await begin(context, topic, options);
      const replayedAtMs = run.replays.timeOf(letter.origin);
      if (replayedAtMs !== null) {
        yield { outcome: 'skipped', letter, replayedAtMs };
        continue;
      }
      const record = await run.corrections.correct(letter);
      const { partitions } = run;
      const refusal = refusalOf(letter, record, { partitions, isForced: options.isForced === true });
      if (refusal !== null) yield { outcome: 'refused', letter, refusal };
      else yield* run.window.add(letter, record as CorrectedRecord);
    }
    if (run !== null) yield* run.window.send();
  } finally {
    await run?.producer?.close();
  }
}

interface Run {
  /** Null in a dry run. */
  readonly producer: ReplayProducer | null;
  readonly replays: Replays;
  readonly window: Window;
  readonly corrections: Corrections;
  /** Of the source topic. */
  readonly partitions: number;
}

async function begin(context: ReplayContext, topic: string, options: ReplayOptions): Promise<Run> {
  const isDryRun = options.isDryRun === true;
  const partitions = await partitionsOf(context, topic);
  // Before the log is read: what an earlier replay has under way is either in it by then, or will never be.
  const producer = isDryRun ? null : await ReplayProducer.open(context, topic);
  try {
    const replays = await readReplays(context, topic, { isRequired: !isDryRun });
    const corrections = new Corrections({ ...options, topic });
    return { producer, replays, window: new Window(producer, options), corrections, partitions };
  } catch (error) {
    await producer?.close();
    throw error;
  }
}

async function partitionsOf({ admin }: ReplayContext, topic: string): Promise<number> {
  const described = (await admin.describeTopics([topic])).get(topic);
  if (described === undefined)
    throw new UsageError(`the topic ${topic} does not exist: run campaign-ledger migrate`);
  return described.partitions;
}

function refusalOf(
  { origin }: Letter,
  record: CorrectedRecord | Refusal,
  { partitions, isForced }: { partitions: number; isForced: boolean },
): Refusal | null {
  if ('reason' in record) return record;
  if (origin.partition >= partitions)
    return refused(
      'no_such_partition',
      `${origin.topic} has only ${partitions} partitions now; the record was in partition ${origin.partition}`,
    );
  return isForced ? null : record.fault;
}

interface Waiting extends OutgoingReplay {
  readonly letter: Letter;
  readonly record: CorrectedRecord;
}

/** Gathers records for one transaction. */
class Window {
  readonly #producer: ReplayProducer | null;
  readonly #options: ReplayOptions;
  #waiting: Waiting[] = [];
  #bytes = 0;

  /** @param producer null in a dry run */
  constructor(producer: ReplayProducer | null, options: ReplayOptions) {
    this.#producer = producer;
    this.#options = options;
  }

  async *add(letter: Letter, record: CorrectedRecord): AsyncGenerator<ReplayOutcome> {
    const { key, value, headers } = record;
    const mark: MessageHeader = { [REPLAY_OF_HEADER]: originId(letter.origin) };
    this.#waiting.push({
      letter,
      record,
      partition: letter.origin.partition,
      key,
      value,
      headers: [...headers, mark],
      entry: entryOf(letter, record, this.#options),
    });
    this.#bytes += (value?.length ?? 0) + (key?.length ?? 0);
    if (this.#waiting.length >= WINDOW_RECORDS || this.#bytes >= WINDOW_BYTES) yield* this.send();
  }

  async *send(): AsyncGenerator<ReplayOutcome> {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#bytes = 0;
    const tooLarge = new Set(await this.#producer?.send(waiting));
    for (const replay of waiting) {
      const { letter, record } = replay;
      yield tooLarge.has(replay)
        ? { outcome: 'refused', letter, refusal: tooLargeFor(letter, replay) }
        : { outcome: 'replayed', letter, record };
    }
  }
}

function entryOf(
  { origin, code }: Letter,
  { newSchemaId, isMapped, fault }: CorrectedRecord,
  { clock, by, reason, mapping }: ReplayOptions,
): ReplayEntry {
  return {
    topic: origin.topic,
    topic_id: origin.topicId,
    partition: origin.partition,
    offset: origin.offset,
    code,
    at: new Date(clock.now()).toISOString(),
    by,
    reason: reason ?? null,
    schema_id: newSchemaId,
    mapping: isMapped ? (mapping?.sha256 ?? null) : null,
    forced: fault !== null,
  };
}

function tooLargeFor({ origin: { topic } }: Letter, { value }: OutgoingReplay): Refusal {
  return refused(
    'too_large',
    `${topic} does not take a value of ${value?.length ?? 0} bytes with the header ${REPLAY_OF_HEADER}: raise its max.message.bytes (kafka-configs.sh --alter --entity-type topics --entity-name ${topic} --add-config max.message.bytes=…) and try again`,
  );
}
