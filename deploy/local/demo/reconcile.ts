/** Holds Kafka, the archive, ClickHouse and the generator's own books against one another; asks no pipeline. */
import type { ClickHouseClient } from '@clickhouse/client';
import type { Config } from '../../../config/schema.ts';
import { deadLetterTopic, topicNames } from '../../../config/topics.ts';
import { colors } from '../../../pipelines/common/colors.ts';
import type { KafkaAdmin } from '../../../pipelines/common/kafka/admin.ts';
import { textTable } from '../../../pipelines/common/text-table.ts';
import type { WorldLedger } from '../world/world-ledger.ts';
import type { WorldTopic } from '../world/world-record.ts';

export interface ReconciledTopic {
  readonly topic: string;
  /** By the broker's offsets. */
  readonly inKafka: number;
  /** Distinct (partition, offset) read back from the segments, and how many records stand there in all. */
  readonly archived: number;
  readonly archivedInAll: number;
  /** Distinct identities that SQL finds. */
  readonly stored: number;
  /** Sent twice, by the generator's books. */
  readonly copies: number;
  /** By the broker's offsets of the dead-letter topic. */
  readonly deadLetters: number;
  readonly isBalanced: boolean;
}

interface Evidence {
  readonly config: Config;
  readonly admin: KafkaAdmin;
  readonly clickhouse: ClickHouseClient;
  readonly books: WorldLedger;
}

async function selectNumbers(
  { clickhouse, config }: Evidence,
  query: string,
  parameters: Record<string, unknown> = {},
): Promise<number[]> {
  const result = await clickhouse.query({
    query,
    query_params: { ...parameters, database: config.clickhouse.database, bi: config.clickhouse.biDatabase },
    format: 'JSONCompactEachRow',
  });
  const [row = []] = await result.json<(string | number)[]>();
  return row.map(Number);
}

async function recordsInKafka({ admin }: Evidence, topic: string): Promise<number> {
  const description = (await admin.describeTopics([topic])).get(topic);
  const partitions = Array.from({ length: description?.partitions ?? 0 }, (_, partition) => ({
    topic,
    partition,
  }));
  const watermarks = await admin.watermarks(partitions);
  return watermarks.reduce((sum, { low, high }) => sum + high - low, 0);
}

/** Counted by ClickHouse's own Avro reader, which shares no code with the archive. */
async function recordsInArchive(
  evidence: Evidence,
  topic: string,
): Promise<{ distinct: number; all: number }> {
  const { blob } = evidence.config;
  const counts = await Promise.all(
    ['raw', 'undecodable'].map((folder) =>
      selectNumbers(
        evidence,
        `SELECT uniqExact(partition, offset), count()
         FROM azureBlobStorage({connection:String}, {container:String}, {path:String}, 'Avro', 'auto', 'partition Int32, offset Int64')`,
        {
          connection: blob.connectionString,
          container: blob.container,
          path: `${blob.prefix}${folder}/${topic}/**.avro`,
        },
      ),
    ),
  );
  return {
    distinct: counts.reduce((sum, [distinct = 0]) => sum + distinct, 0),
    all: counts.reduce((sum, [, all = 0]) => sum + all, 0),
  };
}

const storedQueries: Readonly<Record<WorldTopic, string>> = {
  definitions:
    'SELECT uniqExact(tenant_id, campaign_id, updated_at, name) FROM {database:Identifier}.campaigns',
  delivery: `SELECT count() FROM {bi:Identifier}.events WHERE kind = 'delivery'`,
  feedback: `SELECT count() FROM {bi:Identifier}.events WHERE kind = 'feedback'`,
  profiles: 'SELECT uniqExact(tenant_id, user_id, change_id) FROM {database:Identifier}.profile_changes',
};

async function reconcileTopic(evidence: Evidence, role: WorldTopic): Promise<ReconciledTopic> {
  const topic = topicNames(evidence.config)[role];
  const expected = evidence.books.topics[role];
  const inKafka = await recordsInKafka(evidence, topic);
  const deadLetters = await recordsInKafka(evidence, deadLetterTopic(topic));
  const archived = await recordsInArchive(evidence, topic);
  const [stored = 0] = await selectNumbers(evidence, storedQueries[role]);
  return {
    topic,
    inKafka,
    archived: archived.distinct,
    archivedInAll: archived.all,
    stored,
    copies: expected.copies,
    deadLetters,
    isBalanced:
      inKafka === expected.records &&
      inKafka === archived.distinct &&
      inKafka === archived.all &&
      inKafka === stored + expected.copies + deadLetters &&
      stored === expected.distinct &&
      deadLetters === expected.malformed,
  };
}

export async function reconcile(evidence: Evidence): Promise<ReconciledTopic[]> {
  const rows: ReconciledTopic[] = [];
  for (const role of ['definitions', 'delivery', 'feedback', 'profiles'] as const) {
    rows.push(await reconcileTopic(evidence, role));
  }
  return rows;
}

const number = new Intl.NumberFormat('en-US');

export function reconciliationTable(rows: readonly ReconciledTopic[]): string {
  const right = (head: string) => ({ head, align: 'right' as const });
  return textTable(
    [
      { head: 'topic' },
      right('in Kafka'),
      right('= archived'),
      right('= stored'),
      right('+ copies'),
      right('+ dead letters'),
      { head: '' },
    ],
    rows.map((row) => [
      row.topic,
      number.format(row.inKafka),
      row.archived === row.archivedInAll
        ? number.format(row.archived)
        : `${number.format(row.archived)} (${number.format(row.archivedInAll)} in all)`,
      number.format(row.stored),
      number.format(row.copies),
      number.format(row.deadLetters),
      row.isBalanced ? colors.green('balances') : colors.red('DOES NOT BALANCE'),
    ]),
  );
}
