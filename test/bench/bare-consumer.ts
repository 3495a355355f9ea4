/** The yardstick: the same client with the same settings reads the same topic and does nothing with what it gets. */
import kafka, { type LibrdKafkaError, type Message } from '@confluentinc/kafka-javascript';
import { loadConfig } from '../../config/load.ts';
import { topicNames } from '../../config/topics.ts';
import { consumerSettings } from '../../pipelines/common/kafka/client-settings.ts';
import { FETCH_SETTINGS } from '../../pipelines/common/runner/consumer.ts';

const [configFile = '', expectedText = ''] = process.argv.slice(2);
const expected = Number(expectedText);
const config = await loadConfig({ file: configFile });
const consumer = new kafka.KafkaConsumer(
  { ...FETCH_SETTINGS, ...consumerSettings(config, { pipeline: 'bare' }) },
  { 'auto.offset.reset': 'earliest' },
);
consumer.setDefaultConsumeTimeout(200);
await new Promise<void>((resolve, reject) => {
  consumer.connect({}, (error) => (error ? reject(error) : resolve()));
});
consumer.subscribe([topicNames(config).feedback]);

const consume = () =>
  new Promise<Message[]>((resolve, reject) => {
    consumer.consume(1000, (error: LibrdKafkaError | null, messages: Message[]) =>
      error ? reject(error) : resolve(messages),
    );
  });

let records = 0;
const next = new Map<number, number>();
while (records < expected) {
  const messages = await consume();
  records += messages.length;
  for (const { partition, offset } of messages) next.set(partition, offset + 1);
}
// The only commit: it tells whoever watches the group that all has been read.
consumer.commitSync(
  [...next].map(([partition, offset]) => ({ topic: topicNames(config).feedback, partition, offset })),
);
consumer.disconnect();
setTimeout(() => process.exit(0), 1_000);
