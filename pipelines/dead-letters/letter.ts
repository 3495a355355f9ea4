/** A dead letter as it is read back: the record, and what its headers say of where it stood and why it was refused. */
import type { MessageHeader } from '@confluentinc/kafka-javascript';
import { type KafkaRecord, type PartitionRef, partitionKey } from '../common/batch.ts';
import {
  DEAD_LETTER_HEADERS,
  headersWithout,
  type OwnHeader,
  REPLAY_OF_HEADER,
} from '../common/dead-letters/dead-letter.ts';

/** What identifies a letter: where its record stood. */
export interface Origin extends PartitionRef {
  readonly offset: number;
}

/** The record as its producer sent it. */
export interface OriginalRecord {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** Without those that begin with `dl.` and are ours. */
  readonly headers: readonly MessageHeader[];
}

export interface Letter extends OriginalRecord {
  readonly origin: Origin;
  /** As the release said that wrote it, which may have known other codes. */
  readonly code: string;
  readonly reason: string;
  /** When it was found, in milliseconds; NaN when the letter does not say. */
  readonly atMs: number;
  /** Where the letter itself stands. */
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** The letter that this record was sent back for; null when a producer sent it. */
  readonly replayOf: string | null;
  /** Null when the value is whole. */
  readonly cut: Cut | null;
}

/** The size and the digest of a value that did not fit. */
export interface Cut {
  readonly bytes: number;
  readonly sha256: string;
}

const { code, reason, topicId, partition, offset, at, cut } = DEAD_LETTER_HEADERS;

/** @param topic the topic that the letters are of @returns null for a record that is no letter */
export function readLetter(record: KafkaRecord, topic: string): Letter | null {
  const said = new Map<string, string>();
  for (const header of record.headers ?? [])
    for (const [name, value] of Object.entries(header)) said.set(name, Buffer.from(value).toString('utf8'));
  const text = (name: OwnHeader): string => said.get(name) ?? '';
  const isLetter =
    /^[0-9a-f]{32}$/.test(text(topicId)) &&
    isWhole(text(partition)) &&
    isWhole(text(offset)) &&
    text(code) !== '';
  if (!isLetter) return null;
  return {
    origin: {
      topic,
      topicId: text(topicId),
      partition: Number(text(partition)),
      offset: Number(text(offset)),
    },
    code: text(code),
    reason: text(reason),
    atMs: Date.parse(text(at)),
    topic: record.topic,
    partition: record.partition,
    offset: record.offset,
    key: record.key == null ? null : Buffer.from(record.key),
    value: record.value,
    headers: originalHeaders(record),
    replayOf: said.get(REPLAY_OF_HEADER) ?? null,
    cut: readCut(said.get(cut)),
  };
}

/** What the record had before it was refused, or sent back, by us. */
export function originalHeaders(record: Pick<KafkaRecord, 'headers'>): MessageHeader[] {
  return headersWithout(record, [...Object.values(DEAD_LETTER_HEADERS), REPLAY_OF_HEADER]);
}

/** For people and for typing: `campaign.feedback/2:17`. */
export function originText({ topic, partition, offset }: Origin): string {
  return `${topic}/${partition}:${offset}`;
}

/** Beyond doubt, also when the topic was made anew: `<topic id>/<partition>/<offset>`. */
export function originId(origin: Origin): string {
  return `${partitionKey(origin)}/${origin.offset}`;
}

function readCut(text: string | undefined): Cut | null {
  const match = /^(\d{1,15}) sha256:([0-9a-f]{64})$/.exec(text ?? '');
  return match === null ? null : { bytes: Number(match[1]), sha256: match[2] ?? '' };
}

function isWhole(text: string): boolean {
  return /^\d{1,15}$/.test(text);
}
