/** Which records have a dead letter: read from the dead-letter topics once, kept as two bits for each offset. */
import type { Config } from '../../config/schema.ts';
import { deadLetterTopic } from '../../config/topics.ts';
import { type KafkaRecord, type PartitionRef, partitionKey } from '../common/batch.ts';
import { DEAD_LETTER_CODES, type DeadLetterCodeName } from '../common/dead-letters/codes.ts';
import { DEAD_LETTER_HEADERS } from '../common/dead-letters/dead-letter.ts';
import type { KafkaAdmin } from '../common/kafka/admin.ts';
import { OffsetsGone, RangeReader } from '../common/kafka/range-reader.ts';
import type { Findings, RecordFinding } from './findings.ts';
import { type Flag, PagedFlags } from './paged-flags.ts';

/**
 * Reasons that need not hold for ever: the registry, the configuration or ClickHouse may say otherwise today. A letter
 * with one of them explains its record, whatever is thought of the record now.
 */
const OF_THEIR_TIME: ReadonlySet<DeadLetterCodeName> = new Set<DeadLetterCodeName>([
  'unknown_schema_id',
  'schema_not_ours',
  'time_too_early',
  'time_too_late',
  'clickhouse_rejected',
]);

export type LetterKind = 'none' | 'letter' | 'letter of its time';
const KINDS: readonly LetterKind[] = ['none', 'letter', 'letter of its time'];

export interface LettersContext {
  readonly config: Config;
  readonly admin: KafkaAdmin;
  readonly findings: Findings;
  /** Of other partitions nothing need be known. */
  readonly isAsked: (source: PartitionRef) => boolean;
}

export class Letters {
  readonly #flags = new PagedFlags();
  /**
   * Kafka timestamp, in milliseconds, before which letters may have passed the retention of their topic: a letter is
   * never older than its record, so the letter of a record recorded since is still there.
   */
  #expiredBefore = Number.NEGATIVE_INFINITY;

  /**
   * @param topic whose letters
   * @throws {Outage} when Kafka cannot be asked
   */
  async load(topic: string, context: LettersContext): Promise<void> {
    const { admin, config } = context;
    const name = deadLetterTopic(topic);
    const description = (await admin.describeTopics([name])).get(name);
    if (description === undefined) return;
    const partitions = Array.from({ length: description.partitions }, (_, partition) => ({
      topic: name,
      partition,
    }));
    const ends = new Map((await admin.stableEnds(partitions)).map((end) => [end.partition, end.offset]));
    const reader = await RangeReader.connect(config, 'verify');
    const unreadable: RecordFinding[] = [];
    try {
      for (const { partition, low } of await admin.watermarks(partitions)) {
        const end = ends.get(partition) ?? low;
        const at = { topic: name, topicId: description.topicId, partition };
        let earliest = Number.POSITIVE_INFINITY;
        for await (const records of reader.read({ topic: name, partition, first: low, end })) {
          for (const record of records) {
            earliest = Math.min(earliest, record.timestamp ?? -1);
            if (!this.#note(record, context))
              unreadable.push({ code: 'letter_unreadable', source: at, offset: record.offset });
          }
        }
        if (low > 0) this.#expiredBefore = Math.max(this.#expiredBefore, earliest);
      }
    } catch (error) {
      // Retention came in between: what it dropped counts as expired.
      if (!(error instanceof OffsetsGone)) throw error;
      this.#expiredBefore = Number.POSITIVE_INFINITY;
    } finally {
      await reader.close();
    }
    context.findings.addAll(unreadable);
  }

  kindOf(source: PartitionRef, offset: number): LetterKind {
    return KINDS[this.#flags.get(partitionKey(source), offset)] ?? 'letter';
  }

  /** @param recordedAt of the record, milliseconds */
  mayHaveExpired(recordedAt: number): boolean {
    return recordedAt < this.#expiredBefore;
  }

  /** The record of the letter was met: what is left in the end is letters without a record. */
  met(source: PartitionRef, offset: number): void {
    this.#flags.set(partitionKey(source), offset, 0);
  }

  left(source: PartitionRef): Generator<number> {
    return this.#flags.offsets(partitionKey(source));
  }

  close(): void {
    this.#flags.close();
  }

  /** @returns false when it is no letter */
  #note(record: KafkaRecord, { isAsked }: LettersContext): boolean {
    const origin = originOf(record);
    if (origin === null) return false;
    if (!isAsked(origin.source)) return true;
    // A code that we do not know is one of a newer release.
    const isForGood = isCode(origin.code) && !OF_THEIR_TIME.has(origin.code);
    const flag: Flag = isForGood ? 1 : 2;
    this.#flags.set(partitionKey(origin.source), origin.offset, flag);
    return true;
  }
}

interface Origin {
  readonly source: PartitionRef;
  readonly offset: number;
  readonly code: string;
}

function originOf({ headers = [] }: KafkaRecord): Origin | null {
  const found = new Map<string, string>();
  for (const header of headers) for (const name in header) found.set(name, String(header[name]));
  const text = (name: string) => found.get(name) ?? '';
  const [topic, topicId, code] = [
    text(DEAD_LETTER_HEADERS.topic),
    text(DEAD_LETTER_HEADERS.topicId),
    text(DEAD_LETTER_HEADERS.code),
  ];
  const [partition, offset] = [text(DEAD_LETTER_HEADERS.partition), text(DEAD_LETTER_HEADERS.offset)];
  const isWhole = /^[0-9a-f]{32}$/.test(topicId) && /^\d{1,9}$/.test(partition) && /^\d{1,15}$/.test(offset);
  if (!isWhole || code === '') return null;
  return { source: { topic, topicId, partition: Number(partition) }, offset: Number(offset), code };
}

function isCode(text: string): text is DeadLetterCodeName {
  return Object.hasOwn(DEAD_LETTER_CODES, text);
}
