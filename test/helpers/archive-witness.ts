/** Reads segments by what the Avro specification and DESIGN say of them; shares no code with the archive pipeline. */
import { createHash } from 'node:crypto';
import { inflateRawSync } from 'node:zlib';
import { BlobServiceClient } from '@azure/storage-blob';
import avsc from 'avsc';
import type { Config } from '../../config/schema.ts';

export interface ArchivedRecord {
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly headers: readonly (readonly [string, string])[];
  readonly schemaId: number;
  /** As it was produced: framing included. */
  readonly value: Buffer | null;
}

export interface ArchivedSegment {
  readonly path: string;
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly first: number;
  readonly last: number;
  /** Null for what could not be decoded. */
  readonly schemaId: number | null;
  /** Of the batch's first record, as the folder has it: YYYY-MM-DDTHH. */
  readonly hour: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly sha256: string;
  readonly records: readonly ArchivedRecord[];
}

const NAME =
  /^(raw|undecodable)\/([^/]+)\/dt=(\d{4}-\d\d-\d\d)\/hour=(\d\d)\/(\d+)-(\d+)-(\d+)-(?:s(\d+)-)?([0-9a-f]{32})\.avro$/;

/** Every segment under the configured prefix. @throws {Error} at a blob that is no segment */
export async function readArchive({ blob }: Pick<Config, 'blob'>): Promise<ArchivedSegment[]> {
  const service = BlobServiceClient.fromConnectionString(blob.connectionString ?? '');
  const container = service.getContainerClient(blob.container);
  const segments: ArchivedSegment[] = [];
  for (const folder of ['raw', 'undecodable']) {
    const options = { prefix: `${blob.prefix}${folder}/`, includeMetadata: true };
    for await (const { name, metadata = {} } of container.listBlobsFlat(options)) {
      const bytes = await container.getBlockBlobClient(name).downloadToBuffer();
      segments.push(parseSegment({ path: name.slice(blob.prefix.length), metadata, bytes }));
    }
  }
  return segments.sort((a, b) => compare(a.topic, b.topic) || a.partition - b.partition || a.first - b.first);
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

function parseSegment({
  path,
  metadata,
  bytes,
}: {
  path: string;
  metadata: Record<string, string>;
  bytes: Buffer;
}): ArchivedSegment {
  const match = NAME.exec(path);
  if (match === null) throw new Error(`${path} is not the path of a segment`);
  const [, folder, topic = '', day, hour, partition, first, last, schemaId, topicId = ''] = match;
  if ((folder === 'raw') === (schemaId === undefined))
    throw new Error(`${path}: a schema id in the wrong folder`);
  return {
    path,
    topic,
    topicId,
    partition: Number(partition),
    first: Number(first),
    last: Number(last),
    schemaId: schemaId === undefined ? null : Number(schemaId),
    hour: `${day}T${hour}`,
    metadata,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    records: containerRecords(bytes),
  };
}

const LONG = avsc.Type.forSchema('long');
const METADATA = avsc.Type.forSchema({ type: 'map', values: 'bytes' });
const SYNC_BYTES = 16;

/** The container file format of the Avro specification, deflate only. */
function containerRecords(file: Buffer): ArchivedRecord[] {
  if (file.toString('latin1', 0, 4) !== 'Obj\u0001') throw new Error('not an Avro container file');
  const at = new Cursor(file, 4);
  const metadata = at.read<Record<string, Buffer>>(METADATA);
  if (metadata['avro.codec']?.toString() !== 'deflate') throw new Error(`codec ${metadata['avro.codec']}`);
  const sync = at.take(SYNC_BYTES);
  const fields = fieldsOf(metadata['avro.schema']?.toString() ?? '');
  const records: ArchivedRecord[] = [];
  while (!at.isAtEnd) {
    const count = at.read<number>(LONG);
    const block = new Cursor(inflateRawSync(at.take(at.read<number>(LONG))), 0);
    for (let index = 0; index < count; index += 1) records.push(readRecord(block, fields));
    if (!block.isAtEnd) throw new Error('bytes are left over in a block');
    if (!at.take(SYNC_BYTES).equals(sync)) throw new Error('a block does not end with the sync marker');
  }
  return records;
}

type Fields = readonly (readonly [string, avsc.Type])[];

function fieldsOf(schema: string): Fields {
  const type = avsc.Type.forSchema(JSON.parse(schema) as avsc.Schema);
  if (!(type instanceof avsc.types.RecordType)) throw new Error('a segment is of records');
  return type.fields.map((field) => [field.name, field.type] as const);
}

function readRecord(at: Cursor, fields: Fields): ArchivedRecord {
  const values: Record<string, unknown> = {};
  let payload: Buffer = Buffer.alloc(0);
  for (const [name, type] of fields) {
    const begin = at.position;
    values[name] = at.read(type);
    if (name === 'value') payload = at.since(begin);
  }
  const schemaId = Number(values.schema_id);
  const headers = values.headers as { key: string; value: Buffer | null }[];
  return {
    partition: Number(values.partition),
    offset: Number(values.offset),
    timestamp: Number(values.timestamp),
    key: values.key as Buffer | null,
    headers: headers.map(({ key, value }) => [key, value?.toString('latin1') ?? '']),
    schemaId,
    value: schemaId < 0 ? (values.value as Buffer | null) : Buffer.concat([frameOf(schemaId), payload]),
  };
}

function frameOf(schemaId: number): Buffer {
  const frame = Buffer.alloc(5);
  frame.writeUInt32BE(schemaId, 1);
  return frame;
}

class Cursor {
  readonly #bytes: Buffer;
  position: number;

  constructor(bytes: Buffer, position: number) {
    this.#bytes = bytes;
    this.position = position;
  }

  get isAtEnd(): boolean {
    return this.position === this.#bytes.length;
  }

  read<Value>(type: avsc.Type): Value {
    const { value, offset } = type.decode(this.#bytes, this.position) as { value: Value; offset: number };
    if (offset < 0) throw new Error('an Avro value is cut off');
    this.position = offset;
    return value;
  }

  take(length: number): Buffer {
    const end = this.position + length;
    if (end > this.#bytes.length) throw new Error('a container file is cut off');
    return this.since(this.position, end);
  }

  since(begin: number, end = this.position): Buffer {
    this.position = end;
    return this.#bytes.subarray(begin, end);
  }
}
