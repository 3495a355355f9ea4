/** Fills ClickHouse's table `archive_segments` anew from what the blob store lists: the table is a cache of it. */
import type { ClickHouseClient } from '../common/clickhouse/client.ts';
import { asOutage } from '../common/clickhouse/client.ts';
import { type ArchivePlace, type ListedBlob, listTopic } from './listing.ts';

/** Rows of one insert. */
const CHUNK = 10_000;

export interface IndexOptions extends ArchivePlace {
  readonly client: ClickHouseClient;
  readonly database: string;
  readonly topics: readonly string[];
}

/**
 * Rows of segments that are gone vanish too; while it runs the table may lack some.
 * @returns the number of segments
 * @throws {Outage} one of the two stores cannot be asked
 */
export async function rebuildIndex({ client, database, topics, ...place }: IndexOptions): Promise<number> {
  const table = `${database}.archive_segments`;
  const run = async (work: Promise<unknown>): Promise<void> => {
    await work.catch((error: unknown) => {
      throw asOutage(error);
    });
  };
  let count = 0;
  for (const topic of topics) {
    await run(
      client.command({
        query: 'DELETE FROM {database:Identifier}.archive_segments WHERE topic = {topic:String}',
        query_params: { database, topic },
      }),
    );
    let rows: object[] = [];
    const flush = async (): Promise<void> => {
      if (rows.length > 0) await run(client.insert({ table, values: rows, format: 'JSONEachRow' }));
      rows = [];
    };
    for await (const blob of listTopic(place, topic)) {
      const row = rowOf(blob, place.prefix);
      if (row === null) continue;
      rows.push(row);
      count += 1;
      if (rows.length === CHUNK) await flush();
    }
    await flush();
  }
  return count;
}

/** Null for blobs that are no whole segments: `archive verify` names them. */
function rowOf({ name, metadata, path, bytes }: ListedBlob, prefix: string): object | null {
  if (name === null || metadata === null) return null;
  return {
    topic: name.topic,
    topic_id: name.topicId,
    partition: name.partition,
    first_offset: name.first,
    last_offset: name.last,
    path: prefix + path,
    schema_id: name.schemaId,
    record_count: metadata.count,
    bytes,
    sha256: metadata.sha256,
    min_event_at: metadata.eventTimes === null ? null : timeText(metadata.eventTimes.min),
    max_event_at: metadata.eventTimes === null ? null : timeText(metadata.eventTimes.max),
    min_recorded_at: timeText(metadata.kafkaTimes?.min ?? 0),
    max_recorded_at: timeText(metadata.kafkaTimes?.max ?? 0),
  };
}

/** What DateTime64(3) can hold. An event may state any time. */
const EARLIEST = Date.UTC(1900, 0, 1);
const LATEST = Date.UTC(2299, 11, 31, 23, 59, 59, 999);

function timeText(time: number): string {
  const held = Math.min(Math.max(EARLIEST, time), LATEST);
  return new Date(held).toISOString().replace('T', ' ').replace('Z', '');
}
