/** What goes to a dead-letter topic: the record as it came, and headers that say where from and why. (DESIGN, topics) */
import { createHash } from 'node:crypto';
import type { MessageHeader } from '@confluentinc/kafka-javascript';
import { deadLetterTopic } from '../../../config/topics.ts';
import type { KafkaRecord, PartitionRef } from '../batch.ts';
import type { Fault } from './fault.ts';

export interface DeadLetter {
  readonly source: PartitionRef;
  readonly record: KafkaRecord;
  readonly fault: Fault;
}

/** As the producer takes it. */
export interface LetterMessage {
  readonly topic: string;
  readonly key: Buffer | string | null;
  readonly value: Buffer | null;
  readonly headers: MessageHeader[];
}

/** Ours: those that an earlier letter left on the record (it was produced again and failed again) are replaced. */
export const DEAD_LETTER_HEADERS = {
  reason: 'dl.reason',
  code: 'dl.code',
  topic: 'dl.topic',
  topicId: 'dl.topic-id',
  partition: 'dl.partition',
  offset: 'dl.offset',
  at: 'dl.at',
  /** Only where the record did not fit: `<bytes of the value> sha256:<hex of the value>`. */
  cut: 'dl.cut',
} as const;

export type OwnHeader = (typeof DEAD_LETTER_HEADERS)[keyof typeof DEAD_LETTER_HEADERS];

/** On a record that was sent back: `<topic id>/<partition>/<offset>` of the letter's. A letter of it keeps the header. */
export const REPLAY_OF_HEADER = 'dl.replay-of';

const OURS: ReadonlySet<string> = new Set(Object.values(DEAD_LETTER_HEADERS));

/** A reason quotes texts of the record: it must not outgrow the room that a dead-letter topic has beyond its source. */
const MAX_REASON_LENGTH = 2_000;

/** What is left of a record that does not fit, in bytes: enough to see who sent what. */
const CUT_VALUE_BYTES = 64 * 1024;
const CUT_KEY_BYTES = 4 * 1024;
const CUT_HEADERS_BYTES = 16 * 1024;

/** @param atMs when it was found, for people: what identifies the letter is topic id, partition and offset */
export function letterMessage({ source, record, fault }: DeadLetter, atMs: number): LetterMessage {
  const about: Record<string, string> = {
    [DEAD_LETTER_HEADERS.code]: fault.code,
    [DEAD_LETTER_HEADERS.reason]: shorten(fault.reason),
    [DEAD_LETTER_HEADERS.topic]: source.topic,
    [DEAD_LETTER_HEADERS.topicId]: source.topicId,
    [DEAD_LETTER_HEADERS.partition]: String(source.partition),
    [DEAD_LETTER_HEADERS.offset]: String(record.offset),
    [DEAD_LETTER_HEADERS.at]: new Date(atMs).toISOString(),
  };
  return {
    topic: deadLetterTopic(source.topic),
    key: record.key ?? null,
    value: record.value,
    headers: [
      ...headersWithout(record, OURS),
      ...Object.entries(about).map(([name, value]) => ({ [name]: value })),
    ],
  };
}

/**
 * For a record that the dead-letter topic refuses as too large. That happens where it came in compressed, or the limit
 * of the source was raised by hand. Nothing is lost: the archive has the whole of it, at the offset in the headers.
 */
export function cutLetter(message: LetterMessage): LetterMessage {
  const value = message.value ?? Buffer.alloc(0);
  let room = CUT_HEADERS_BYTES;
  const headers = message.headers.filter((header) => {
    const [[name, content] = ['', '']] = Object.entries(header);
    if (OURS.has(name)) return true;
    room -= name.length + content.length;
    return room >= 0;
  });
  const cut = `${value.length} sha256:${createHash('sha256').update(value).digest('hex')}`;
  return {
    topic: message.topic,
    key: message.key === null ? null : Buffer.from(message.key).subarray(0, CUT_KEY_BYTES),
    value: message.value === null ? null : value.subarray(0, CUT_VALUE_BYTES),
    headers: [...headers, { [DEAD_LETTER_HEADERS.cut]: cut }],
  };
}

/** Size of a letter in memory, in bytes. */
export function sizeOfLetter({ key, value, headers }: LetterMessage): number {
  let bytes = (key?.length ?? 0) + (value?.length ?? 0);
  for (const header of headers) for (const name in header) bytes += name.length + (header[name]?.length ?? 0);
  return bytes;
}

/** In their order, also those that come more than once. */
export function headersWithout(
  { headers = [] }: Pick<KafkaRecord, 'headers'>,
  names: Iterable<string>,
): MessageHeader[] {
  const left = new Set(names);
  return headers.flatMap((header) =>
    Object.entries(header)
      .filter(([name]) => !left.has(name))
      .map(([name, value]) => ({ [name]: value })),
  );
}

function shorten(reason: string): string {
  const text = reason.toWellFormed();
  return text.length <= MAX_REASON_LENGTH ? text : `${text.slice(0, MAX_REASON_LENGTH - 1).toWellFormed()}…`;
}
