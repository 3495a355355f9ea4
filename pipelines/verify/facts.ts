/** Where everybody stood when the check began: what came later is held against nobody. */
import type { Config, PipelineName } from '../../config/schema.ts';
import { type ArchivePlace, listHeads } from '../archive/listing.ts';
import { OffsetRanges } from '../archive/offset-ranges.ts';
import { type OffsetRange, type PartitionRef, partitionKey } from '../common/batch.ts';
import type { ClickHouseClient } from '../common/clickhouse/client.ts';
import { selectRows } from '../common/clickhouse/select.ts';
import { Progress } from '../common/clickhouse-sink/progress.ts';
import { systemClock } from '../common/clock.ts';
import type { KafkaAdmin } from '../common/kafka/admin.ts';

export interface KafkaFacts {
  /** The first offset that Kafka still had. */
  readonly low: number;
  /** One past the last offset that a consumer of committed transactions could see. */
  readonly end: number;
}

export interface PartitionFacts {
  readonly source: PartitionRef;
  /** Null where Kafka has no such topic id any more. */
  readonly kafka: KafkaFacts | null;
  /** What its ClickHouse pipeline needs next; null when it has never written the partition. */
  readonly next: number | null;
  readonly gaps: readonly AcceptedSkip[];
}

/** A gap that somebody accepted for a pipeline that writes to ClickHouse. */
export interface AcceptedSkip extends OffsetRange {
  readonly by: string;
  readonly reason: string;
  /** ISO 8601, UTC. */
  readonly at: string;
}

export interface FactsContext extends ArchivePlace {
  readonly config: Config;
  readonly admin: KafkaAdmin;
  readonly client: ClickHouseClient;
}

/** Every partition of a topic, also of topics that had its name before. @throws {Outage} */
export async function gatherFacts(
  { admin, client, ...place }: FactsContext,
  { topic, pipeline }: { topic: string; pipeline: PipelineName },
): Promise<PartitionFacts[]> {
  const kafka = await kafkaFacts(admin, topic);
  const sources = new Map([...kafka.values()].map(({ source }) => [partitionKey(source), source]));
  for (const head of await listHeads(place, topic)) {
    const source = { topic, ...head };
    sources.set(partitionKey(source), source);
  }
  const { signal } = new AbortController();
  const progress = new Progress({ pipeline, client, clock: systemClock, signal });
  const positions = await progress.positions([...sources.values()]);
  const skips = await acceptedSkips(client, { topic, pipeline });
  return [...sources.values()]
    .map((source) => {
      const key = partitionKey(source);
      return {
        source,
        kafka: kafka.get(key) ?? null,
        next: positions.get(key)?.next ?? null,
        gaps: skips.get(key) ?? [],
      };
    })
    .sort((a, b) =>
      a.source.topicId === b.source.topicId
        ? a.source.partition - b.source.partition
        : a.source.topicId < b.source.topicId
          ? -1
          : 1,
    );
}

export function rangesOf(gaps: readonly AcceptedSkip[]): OffsetRanges {
  const ranges = new OffsetRanges();
  for (const gap of gaps) ranges.add(gap);
  return ranges;
}

/** By `partitionKey`; nothing where the topic does not exist. */
export async function kafkaFacts(
  admin: KafkaAdmin,
  topic: string,
): Promise<ReadonlyMap<string, KafkaFacts & { source: PartitionRef; high: number }>> {
  const description = (await admin.describeTopics([topic])).get(topic);
  if (description === undefined) return new Map();
  const { topicId } = description;
  const partitions = Array.from({ length: description.partitions }, (_, partition) => ({ topic, partition }));
  const ends = new Map((await admin.stableEnds(partitions)).map((end) => [end.partition, end.offset]));
  return new Map(
    (await admin.watermarks(partitions)).map(({ partition, low, high }) => {
      const source = { topic, topicId, partition };
      return [partitionKey(source), { source, low, high, end: ends.get(partition) ?? low }];
    }),
  );
}

/** As `Progress.acceptGap` writes them. */
const NOTE = /^offsets (\d+) to (\d+) accepted as missing by (.*?): (.*)$/s;

async function acceptedSkips(
  client: ClickHouseClient,
  { topic, pipeline }: { topic: string; pipeline: PipelineName },
): Promise<Map<string, AcceptedSkip[]>> {
  const rows = await selectRows<readonly [string, number, string, string]>(
    client,
    `SELECT topic_id, partition, note, formatDateTime(written_at, '%Y-%m-%dT%H:%i:%SZ') FROM progress FINAL
     WHERE pipeline = {pipeline:String} AND topic = {topic:String} AND note != '' ORDER BY epoch`,
    { pipeline, topic },
  );
  const skips = new Map<string, AcceptedSkip[]>();
  for (const [topicId, partition, note, at] of rows) {
    const [, first, last, by = '', reason = ''] = NOTE.exec(note) ?? [];
    if (first === undefined) continue;
    const skip = { first: Number(first), last: Number(last), by, reason, at };
    const key = partitionKey({ topic, topicId, partition });
    skips.set(key, [...(skips.get(key) ?? []), skip]);
  }
  return skips;
}
