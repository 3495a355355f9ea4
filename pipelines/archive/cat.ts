/** Prints the records of a segment, one JSON object a line. */
import avsc from 'avsc';
import { type ArchivedRecord, DamagedFile, type SegmentReader } from './segment-reader.ts';
import { RECORD_NAME } from './wrapper-schema.ts';

/** @throws {DamagedFile} at the place where the file is not what was written; the lines before it are right */
export async function* recordLines(reader: SegmentReader): AsyncGenerator<string> {
  const { schema, schemaId } = reader.header;
  const type = schemaId === null ? null : valueType(schema);
  for await (const records of reader.blocks()) {
    yield records.map((record) => `${line(record, type)}\n`).join('');
  }
}

/** Longs beyond 2^53 as text: JSON's readers would round them. */
const exactLong = avsc.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => exact(bytes.readBigInt64LE()),
  toBuffer: () => unreachable(),
  fromJSON: () => unreachable(),
  toJSON: () => unreachable(),
  isValid: () => true,
  compare: () => 0,
});

function valueType(schema: string): avsc.Type {
  const options = { registry: { long: exactLong }, wrapUnions: false };
  const type = avsc.Type.forSchema(JSON.parse(schema) as avsc.Schema, options);
  const value =
    type instanceof avsc.types.RecordType && type.name === RECORD_NAME ? type.field('value') : undefined;
  if (value === undefined) throw new DamagedFile('the header holds another schema than a segment has');
  return value.type;
}

function line({ payload, ...record }: ArchivedRecord, type: avsc.Type | null): string {
  const { partition, offset, timestamp, key, headers, schemaId } = record;
  // The reader has found the payload to be exactly one value: avsc meets no length that leads it astray.
  const value =
    type === null || payload === null ? (payload === null ? null : bytes(payload)) : type.fromBuffer(payload);
  return JSON.stringify(
    {
      partition,
      offset,
      timestamp: timeText(timestamp),
      key: key === null ? null : bytes(key),
      headers: headers.map((header) => ({
        key: header.key,
        value: header.value === null ? null : bytes(header.value),
      })),
      schema_id: schemaId,
      value,
    },
    (_key, nested: unknown) => (isBuffer(nested) ? bytes(Buffer.from(nested.data)) : nested),
  );
}

/** Text where the bytes are text, else `{"base64": …}`. */
function bytes(data: Buffer): string | { base64: string } {
  const text = data.toString('utf8');
  return Buffer.from(text).equals(data) ? text : { base64: data.toString('base64') };
}

/** What `JSON.stringify` makes of a Buffer before a replacer sees it. */
function isBuffer(value: unknown): value is { data: number[] } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'type' in value &&
    value.type === 'Buffer' &&
    'data' in value
  );
}

function timeText(timestamp: number): string | number {
  const isTime = Math.abs(timestamp) <= 8.64e15;
  return isTime ? new Date(timestamp).toISOString() : timestamp;
}

function exact(value: bigint): number | string {
  const isSafe = value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER);
  return isSafe ? Number(value) : String(value);
}

function unreachable(): never {
  throw new Error('only for reading');
}
