/** Where segments and heads lie in the container. The layout of segments is an outside face: scripts rely on it. */
import type { OffsetRange, PartitionRef } from '../common/batch.ts';

/** Digits of the zero-padded numbers: names sort as the numbers do. */
const PARTITION_DIGITS = 5;
const OFFSET_DIGITS = 20;
const SCHEMA_ID_DIGITS = 10;

/** Under which a segment's records stand: their writer schema, or none when they could not be decoded. */
export type SchemaId = number | null;

export interface SegmentName extends PartitionRef, OffsetRange {
  readonly schemaId: SchemaId;
  /** Kafka timestamp, in milliseconds, that the folder stands for. Read from a name, it is the start of that hour. */
  readonly folderTime: number;
}

/** Top folders of the two kinds. */
export const DECODABLE_FOLDER = 'raw';
export const UNDECODABLE_FOLDER = 'undecodable';
export const HEADS_FOLDER = 'heads';

/**
 * `raw/<topic>/dt=YYYY-MM-DD/hour=HH/<partition>-<first>-<last>-s<schema id>-<topic id>.avro`, and without the schema
 * id under `undecodable/`. Without the configured prefix.
 */
export function segmentPath(name: SegmentName): string {
  const { topic, topicId, partition, first, last, schemaId } = name;
  const folder = schemaId === null ? UNDECODABLE_FOLDER : DECODABLE_FOLDER;
  const file = [
    padded(partition, PARTITION_DIGITS),
    padded(first, OFFSET_DIGITS),
    padded(last, OFFSET_DIGITS),
    ...(schemaId === null ? [] : [`s${padded(schemaId, SCHEMA_ID_DIGITS)}`]),
    topicId,
  ].join('-');
  return `${folder}/${topic}/${hourFolder(name.folderTime)}/${file}.avro`;
}

/** All segments of a topic begin so. */
export function segmentFolders(topic: string): readonly string[] {
  return [`${DECODABLE_FOLDER}/${topic}/`, `${UNDECODABLE_FOLDER}/${topic}/`];
}

const PATH =
  /^(?<folder>raw|undecodable)\/(?<topic>[A-Za-z0-9._-]+)\/dt=(?<day>\d{4}-\d\d-\d\d)\/hour=(?<hour>\d\d)\/(?<partition>\d{5,})-(?<first>\d{20})-(?<last>\d{20})(?:-s(?<schemaId>\d{10}))?-(?<topicId>[0-9a-f]{32})\.avro$/;

/** The inverse of `segmentPath`, or null when the path is not a segment's. @param path without the configured prefix */
export function parseSegmentPath(path: string): SegmentName | null {
  const groups = PATH.exec(path)?.groups;
  if (groups === undefined) return null;
  const { folder, topic = '', day, hour, topicId = '', schemaId } = groups;
  const name: SegmentName = {
    topic,
    topicId,
    partition: Number(groups.partition),
    first: Number(groups.first),
    last: Number(groups.last),
    schemaId: schemaId === undefined ? null : Number(schemaId),
    folderTime: Date.parse(`${day}T${hour}:00:00Z`),
  };
  const isDecodable = folder === DECODABLE_FOLDER;
  return isDecodable === (name.schemaId !== null) && !Number.isNaN(name.folderTime) ? name : null;
}

/** `heads/<topic>/<topic id>/<partition>.json` */
export function headPath({ topic, topicId, partition }: PartitionRef): string {
  return `${HEADS_FOLDER}/${topic}/${topicId}/${partition}.json`;
}

const LAST_TIME = Date.UTC(9999, 11, 31, 23);

/** UTC. Times that no folder can be named for (before 1970, after 9999) go to the nearest one that can. */
function hourFolder(time: number): string {
  const iso = new Date(Math.min(Math.max(0, time), LAST_TIME)).toISOString();
  return `dt=${iso.slice(0, 10)}/hour=${iso.slice(11, 13)}`;
}

function padded(value: number, digits: number): string {
  return String(value).padStart(digits, '0');
}
