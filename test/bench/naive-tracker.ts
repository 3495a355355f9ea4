/**
 * The other yardstick: what a good engineer writes in an afternoon. `eachBatch`, the registry client's decode,
 * one JSONEachRow insert for each batch, then the offset.
 */
import { createClient } from '@clickhouse/client';
import kafka from '@confluentinc/kafka-javascript';
import { SchemaRegistry } from '@kafkajs/confluent-schema-registry';
import { loadConfig } from '../../config/load.ts';
import { topicNames } from '../../config/topics.ts';
import { consumerGroup } from '../../pipelines/common/kafka/client-settings.ts';

interface Feedback {
  occurred_at: number;
}

const [configFile = ''] = process.argv.slice(2);
const config = await loadConfig({ file: configFile });
const registry = new SchemaRegistry({ host: config.schemaRegistry.url });
const clickhouse = createClient({
  url: config.clickhouse.url,
  database: config.clickhouse.database,
  clickhouse_settings: {
    async_insert: 0,
    wait_end_of_query: 1,
    max_partitions_per_insert_block: '0',
    date_time_input_format: 'best_effort',
  },
});
const consumer = new kafka.KafkaJS.Kafka({ kafkaJS: { brokers: [...config.kafka.brokers] } }).consumer({
  kafkaJS: { groupId: consumerGroup(config, 'naive'), fromBeginning: true, autoCommit: false },
  // The default of 32 records would make an insert for each 32.
  'js.consumer.max.batch.size': 10_000,
});
await consumer.connect();
await consumer.subscribe({ topic: topicNames(config).feedback });
process.on('SIGTERM', () => process.exit(0));

await consumer.run({
  eachBatchAutoResolve: true,
  eachBatch: async ({ batch }) => {
    const values = await Promise.all(
      batch.messages.map(async (message) => {
        const event = (await registry.decode(message.value ?? Buffer.alloc(0))) as Feedback;
        return {
          ...event,
          kind: 'feedback',
          occurred_at: new Date(event.occurred_at).toISOString(),
          source: `${'0'.repeat(32)}/${batch.partition}`,
          offset: message.offset,
          recorded_at: new Date(Number(message.timestamp)).toISOString(),
        };
      }),
    );
    await clickhouse.insert({ table: 'events', values, format: 'JSONEachRow' });
    const next = Number(batch.messages.at(-1)?.offset ?? 0) + 1;
    await consumer.commitOffsets([{ topic: batch.topic, partition: batch.partition, offset: String(next) }]);
  },
});
