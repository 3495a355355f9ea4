/** The peer: ClickHouse's own Kafka engine fills the very tables that the tracking pipeline fills. */
import type { Subject } from './subject.ts';
import type { Trial } from './trial.ts';

async function topicIdOf(trial: Trial): Promise<string> {
  const { createAdmin } = await import('../../pipelines/common/kafka/admin.ts');
  const admin = createAdmin(trial.config);
  try {
    return (await admin.describeTopics([trial.topic])).get(trial.topic)?.topicId ?? '';
  } finally {
    admin.close();
  }
}

const groupOf = ({ config }: Trial) => `${config.kafka.groupPrefix}.kafka-engine`;

/** @param consumers each with a thread of its own, so that they write at the same time */
export function kafkaEngine(consumers: number): Subject {
  return {
    name: `kafka-engine-${consumers}`,
    writesToClickHouse: true,
    group: groupOf,

    async start(trial) {
      const { config, clickhouse } = trial;
      await clickhouse.command({
        query: `CREATE TABLE feedback_queue
          (
            event_id String, tenant_id String, campaign_id String, message_id String, user_id String,
            channel String, type String, occurred_at DateTime64(3, 'UTC'),
            link Nullable(String), user_agent Nullable(String), is_machine Bool, value Nullable(Float64),
            attributes Map(String, String)
          )
          ENGINE = Kafka
          SETTINGS kafka_broker_list = '${config.kafka.brokers.join(',')}', kafka_topic_list = '${trial.topic}',
            kafka_group_name = '${groupOf(trial)}', kafka_format = 'AvroConfluent',
            format_avro_schema_registry_url = '${config.schemaRegistry.url}',
            kafka_num_consumers = ${consumers}, kafka_thread_per_consumer = ${consumers > 1 ? 1 : 0}`,
      });
      // Reading begins with the view.
      await clickhouse.command({
        query: `CREATE MATERIALIZED VIEW events_from_queue TO events AS
          SELECT tenant_id, user_id, occurred_at, message_id, type, event_id, 'feedback' AS kind, campaign_id, channel,
            link, user_agent, is_machine, value, attributes,
            concat('${await topicIdOf(trial)}/', toString(_partition)) AS source,
            _offset AS offset, assumeNotNull(_timestamp_ms) AS recorded_at
          FROM feedback_queue`,
      });
      return {
        pid: null,
        ended: new Promise<string>(() => {}),
        async stop() {
          await clickhouse.command({ query: 'DROP TABLE IF EXISTS events_from_queue SYNC' });
          await clickhouse.command({ query: 'DROP TABLE IF EXISTS feedback_queue SYNC' });
        },
      };
    },

    count: (trial) => trial.number('SELECT count() FROM events FINAL'),
  };
}
