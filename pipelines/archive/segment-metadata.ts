/** What a segment says of itself: in its blob's metadata, where a listing shows it, and in its own header. */
import type { SegmentName } from './segment-path.ts';

/**
 * Version of everything that decides a segment's bytes: wrapper, order, block size, sync marker, deflate's settings, and which
 * payloads count as decodable. A change to any of them is a new version; older ones must then still be written for
 * intents that name them.
 */
export const SEGMENT_FORMAT = 1;

/** The smallest and largest of something, in milliseconds since the epoch. */
export interface TimeSpan {
  readonly min: number;
  readonly max: number;
}

/** One segment of a batch. */
export interface BatchPart {
  readonly schemaId: number | null;
  readonly count: number;
}

export interface SegmentMetadata {
  readonly format: number;
  readonly count: number;
  readonly first: number;
  readonly last: number;
  readonly schemaId: number | null;
  /** Of `occurred_at`, `changed_at` or `updated_at`; null when no record has one. */
  readonly eventTimes: TimeSpan | null;
  /** Null when there is no record. */
  readonly kafkaTimes: TimeSpan | null;
  /** Of the whole file, hex. */
  readonly sha256: string;
  /** Of the uncompressed blocks one after another, hex. */
  readonly contentSha256: string;
  readonly contentBytes: number;
  /** Records in all segments of the batch. */
  readonly batchCount: number;
  /** All segments of the batch in order of schema id, the undecodable one last; null when they are too many to list. */
  readonly parts: readonly BatchPart[] | null;
  readonly partCount: number;
}

/** Azure allows 8 KiB of metadata in all. */
const MAX_PARTS_TEXT = 4_096;

/** Keys are letters and digits only, lower case: Azure wants identifiers, and HTTP does not keep case. */
export function toBlobMetadata(segment: SegmentMetadata): Record<string, string> {
  const { eventTimes, kafkaTimes, schemaId, parts } = segment;
  const partsText = parts === null ? '' : partsToText(parts);
  return {
    format: String(segment.format),
    count: String(segment.count),
    first: String(segment.first),
    last: String(segment.last),
    ...(schemaId === null ? {} : { schemaid: String(schemaId) }),
    ...(eventTimes === null
      ? {}
      : { mineventtime: String(eventTimes.min), maxeventtime: String(eventTimes.max) }),
    ...(kafkaTimes === null
      ? {}
      : { minkafkatime: String(kafkaTimes.min), maxkafkatime: String(kafkaTimes.max) }),
    sha256: segment.sha256,
    contentsha256: segment.contentSha256,
    contentbytes: String(segment.contentBytes),
    batchcount: String(segment.batchCount),
    partcount: String(segment.partCount),
    ...(partsText === '' || partsText.length > MAX_PARTS_TEXT ? {} : { parts: partsText }),
  };
}

/** @returns null when it is not the metadata of a segment */
export function fromBlobMetadata(
  metadata: Readonly<Record<string, string>> | undefined,
): SegmentMetadata | null {
  const keys = Object.fromEntries(
    Object.entries(metadata ?? {}).map(([key, value]) => [key.toLowerCase(), value]),
  );
  const number = (key: string): number =>
    /^-?\d{1,20}$/.test(keys[key] ?? '') ? Number(keys[key]) : Number.NaN;
  const span = (min: string, max: string): TimeSpan | null =>
    min in keys && max in keys ? { min: number(min), max: number(max) } : null;
  const { sha256 = '', contentsha256: contentSha256 = '' } = keys;
  const found: SegmentMetadata = {
    format: number('format'),
    count: number('count'),
    first: number('first'),
    last: number('last'),
    schemaId: 'schemaid' in keys ? number('schemaid') : null,
    eventTimes: span('mineventtime', 'maxeventtime'),
    kafkaTimes: span('minkafkatime', 'maxkafkatime'),
    sha256,
    contentSha256,
    contentBytes: number('contentbytes'),
    batchCount: number('batchcount'),
    partCount: number('partcount'),
    parts: partsFromText(keys.parts),
  };
  const numbers = [found.format, found.count, found.first, found.last, found.contentBytes, found.batchCount];
  const isWhole = [...numbers, found.partCount].every(Number.isSafeInteger);
  return isWhole && [sha256, contentSha256].every((text) => /^[0-9a-f]{64}$/.test(text)) ? found : null;
}

/** `7:500 12:30 -:3`: schema id and count of each part, `-` for what could not be decoded. */
function partsToText(parts: readonly BatchPart[]): string {
  return parts.map(({ schemaId, count }) => `${schemaId ?? '-'}:${count}`).join(' ');
}

function partsFromText(text: string | undefined): readonly BatchPart[] | null {
  if (text === undefined || !/^(?:(?:\d+|-):\d+(?: |$))+$/.test(text)) return null;
  return text.split(' ').map((part) => {
    const [schemaId, count] = part.split(':');
    return { schemaId: schemaId === '-' ? null : Number(schemaId), count: Number(count) };
  });
}

/** Keys of the container file's own metadata, beside `avro.schema` and `avro.codec`. */
export const FILE_KEYS = {
  format: 'campaignledger.format',
  topic: 'campaignledger.topic',
  topicId: 'campaignledger.topic_id',
  partition: 'campaignledger.partition',
  first: 'campaignledger.first_offset',
  last: 'campaignledger.last_offset',
  schemaId: 'campaignledger.schema_id',
  count: 'campaignledger.count',
  contentSha256: 'campaignledger.content_sha256',
} as const;

/** A file copied under another name, or cut off at the end of a block, can be told by itself. */
export function fileMetadata(
  name: SegmentName,
  content: { readonly schemaText: string; readonly count: number; readonly contentSha256: string },
): (readonly [string, string])[] {
  return [
    ['avro.schema', content.schemaText],
    ['avro.codec', 'deflate'],
    [FILE_KEYS.format, String(SEGMENT_FORMAT)],
    [FILE_KEYS.topic, name.topic],
    [FILE_KEYS.topicId, name.topicId],
    [FILE_KEYS.partition, String(name.partition)],
    [FILE_KEYS.first, String(name.first)],
    [FILE_KEYS.last, String(name.last)],
    ...(name.schemaId === null ? [] : [[FILE_KEYS.schemaId, String(name.schemaId)] as const]),
    [FILE_KEYS.count, String(content.count)],
    [FILE_KEYS.contentSha256, content.contentSha256],
  ];
}
