/** What Kafka still has of a stretch of offsets, as digests to hold the archive's records against. */
import { createHash, hash } from 'node:crypto';
import type { ArchivedRecord } from '../archive/segment-reader.ts';
import { originalValue } from '../archive/segment-reader.ts';
import type { KafkaRecord, OffsetRange, PartitionRef } from '../common/batch.ts';
import type { RangeReader } from '../common/kafka/range-reader.ts';

/** Timestamp, then the two digests. */
const TIMESTAMP_BYTES = 8;
const DIGEST_BYTES = 32;
const RECORD_BYTES = TIMESTAMP_BYTES + 2 * DIGEST_BYTES;

interface Contents {
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly (readonly [string, Buffer | null])[];
}

export class KafkaDigests {
  readonly range: OffsetRange;
  /** Records not met yet. */
  readonly #records = new Map<number, Buffer>();

  private constructor(range: OffsetRange) {
    this.range = range;
  }

  /**
   * @throws {Outage}
   * @throws {OffsetsGone} retention was faster
   */
  static async read(
    reader: RangeReader,
    { topic, partition }: PartitionRef,
    range: OffsetRange,
  ): Promise<KafkaDigests> {
    const digests = new KafkaDigests(range);
    const asked = { topic, partition, first: range.first, end: range.last + 1 };
    for await (const records of reader.read(asked))
      for (const record of records) digests.#records.set(record.offset, digestOf(contentsOf(record)));
    return digests;
  }

  /** The parts in which an archived record differs, or that Kafka shows none; null where it was not asked. */
  compare(record: ArchivedRecord): 'missing' | readonly string[] | null {
    const { offset, timestamp, key, headers } = record;
    if (offset < this.range.first || offset > this.range.last) return null;
    const inKafka = this.#records.get(offset);
    if (inKafka === undefined) return 'missing';
    this.#records.delete(offset);
    const archived = digestOf({
      timestamp,
      key,
      value: originalValue(record),
      headers: headers.map((header) => [header.key, header.value]),
    });
    if (archived.equals(inKafka)) return [];
    const differs = (from: number, bytes: number) =>
      !archived.subarray(from, from + bytes).equals(inKafka.subarray(from, from + bytes));
    return [
      ...(differs(0, TIMESTAMP_BYTES) ? ['timestamp'] : []),
      ...(differs(TIMESTAMP_BYTES, DIGEST_BYTES) ? ['key or headers'] : []),
      ...(differs(TIMESTAMP_BYTES + DIGEST_BYTES, DIGEST_BYTES) ? ['value'] : []),
    ];
  }

  /** Offsets of records that no segment had, ascending. */
  unmet(): readonly number[] {
    return [...this.#records.keys()];
  }
}

function digestOf({ timestamp, key, value, headers }: Contents): Buffer {
  const digest = Buffer.allocUnsafe(RECORD_BYTES);
  digest.writeDoubleLE(timestamp);
  const about = createHash('sha256');
  const add = (bytes: Buffer | null) => {
    // With its length, so that no two lists of texts are alike.
    about.update(`${bytes?.length ?? -1}:`);
    if (bytes !== null) about.update(bytes);
  };
  add(key);
  for (const [name, content] of headers) {
    add(Buffer.from(name));
    add(content);
  }
  about.digest().copy(digest, TIMESTAMP_BYTES);
  // No value has the digest that stands for none.
  if (value === null) digest.fill(0, TIMESTAMP_BYTES + DIGEST_BYTES);
  else hash('sha256', value, 'buffer').copy(digest, TIMESTAMP_BYTES + DIGEST_BYTES);
  return digest;
}

function contentsOf({ timestamp = -1, key, value, headers = [] }: KafkaRecord): Contents {
  return {
    timestamp,
    key: key == null ? null : Buffer.from(key),
    value,
    headers: headers.flatMap((header) =>
      Object.entries(header).map(
        ([name, content]) => [name, content == null ? null : Buffer.from(content)] as const,
      ),
    ),
  };
}
