/** Prints the records of a segment, one JSON object a line. */
import avsc from 'avsc';
import { bytesToJson, longToJson, losslessOptions } from '../common/avro/lossless.ts';
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

function valueType(schema: string): avsc.Type {
  const options = losslessOptions({ wrapUnions: false });
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
    type === null || payload === null
      ? payload === null
        ? null
        : bytesToJson(payload)
      : type.fromBuffer(payload);
  return JSON.stringify(
    {
      partition,
      offset,
      timestamp: timeText(timestamp),
      key: key === null ? null : bytesToJson(key),
      headers: headers.map((header) => ({
        key: header.key,
        value: header.value === null ? null : bytesToJson(header.value),
      })),
      schema_id: schemaId,
      value,
    },
    (_key, nested: unknown) => {
      if (typeof nested === 'bigint') return longToJson(nested);
      return isBuffer(nested) ? bytesToJson(Buffer.from(nested.data)) : nested;
    },
  );
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
