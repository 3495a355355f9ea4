/** Goes over the letters of some topics, each once, however many there are. */
import { deadLetterTopic } from '../../config/topics.ts';
import { partitionKey } from '../common/batch.ts';
import { UsageError } from '../common/errors.ts';
import { type OffsetsToRead, readRanges } from '../common/kafka/range-reader.ts';
import { type Letter, readLetter } from './letter.ts';
import type { LetterAddress } from './letter-address.ts';
import { OffsetSet } from './offset-set.ts';
import type { ReplayContext } from './replay-log.ts';

/** Which letters are meant. What is left out excludes nothing. */
export interface LetterFilter {
  /** Codes, of which the letter has one. */
  readonly codes?: ReadonlySet<string> | undefined;
  /** Milliseconds; by when the letter was found. */
  readonly fromMs?: number | undefined;
  /** Milliseconds, exclusive. */
  readonly toMs?: number | undefined;
  /** Of the source topic. */
  readonly partition?: number | undefined;
  readonly addresses?: readonly LetterAddress[] | undefined;
}

/**
 * Milliseconds. The broker stamps a letter a moment after a pipeline's clock said when it was found; the two clocks are
 * trusted to be nearer to each other than this.
 */
const CLOCK_SLACK_MS = 86_400_000;

/**
 * The letters of one source topic as they are now, in the order of the dead-letter topic's partitions. A letter that a
 * pipeline wrote again after a crash comes once.
 * @throws {UsageError} the topic of dead letters is missing @throws {Outage}
 */
export async function* lettersOf(
  context: ReplayContext,
  topic: string,
  filter: LetterFilter = {},
): AsyncGenerator<Letter> {
  const met = new OffsetSet();
  let strangers = 0;
  for await (const records of readRanges(context, await rangesOf(context, topic, filter))) {
    for (const record of records) {
      const letter = readLetter(record, topic);
      if (letter === null) strangers += 1;
      else if (passes(letter, filter) && met.add(partitionKey(letter.origin), letter.origin.offset))
        yield letter;
    }
  }
  if (strangers > 0)
    context.logger.warn(
      { topic: deadLetterTopic(topic), records: strangers },
      'records that are no dead letters',
    );
}

export function passes(letter: Letter, filter: LetterFilter): boolean {
  const { codes, fromMs, toMs, partition, addresses } = filter;
  return (
    (codes === undefined || codes.has(letter.code)) &&
    (fromMs === undefined || letter.atMs >= fromMs) &&
    (toMs === undefined || letter.atMs < toMs) &&
    (partition === undefined || letter.origin.partition === partition) &&
    (addresses === undefined || addresses.some((address) => address.names(letter)))
  );
}

/** All of the topic, or the part in which letters of that time can stand. */
async function rangesOf(
  { admin }: ReplayContext,
  source: string,
  { fromMs, toMs }: LetterFilter,
): Promise<OffsetsToRead[]> {
  const topic = deadLetterTopic(source);
  const described = (await admin.describeTopics([topic])).get(topic);
  if (described === undefined)
    throw new UsageError(`the topic ${topic} does not exist: run campaign-ledger migrate`);
  const partitions = Array.from({ length: described.partitions }, (_, partition) => ({ topic, partition }));
  const offsetsAt = async (timeMs: number | undefined) =>
    timeMs === undefined || timeMs < 0
      ? []
      : (await admin.offsetsAt(partitions, timeMs)).toSorted((a, b) => a.partition - b.partition);
  const [marks, ends, first, last] = await Promise.all([
    admin.watermarks(partitions),
    admin.stableEnds(partitions),
    offsetsAt(fromMs === undefined ? undefined : fromMs - CLOCK_SLACK_MS),
    offsetsAt(toMs === undefined ? undefined : toMs + CLOCK_SLACK_MS),
  ]);
  return partitions.map((partition, index) => {
    const { low = 0 } = marks.find((mark) => mark.partition === index) ?? {};
    const { offset: end = 0 } = ends.find((one) => one.partition === index) ?? {};
    // Null says that every record is older.
    const from = first.length === 0 ? low : (first[index]?.offset ?? end);
    const to = last.length === 0 ? end : (last[index]?.offset ?? end);
    return { ...partition, first: Math.max(low, from), end: Math.min(end, to) };
  });
}
