/** The yardstick: the same client reads the same topic with `consume(1000)` and does nothing with what it gets. */
import kafka, { type LibrdKafkaError, type Message } from '@confluentinc/kafka-javascript';
import { loadConfig } from '../../config/load.ts';
import { topicNames } from '../../config/topics.ts';
import { consumerSettings } from '../../pipelines/common/kafka/client-settings.ts';

const [configFile = '', expectedText = ''] = process.argv.slice(2);
const expected = Number(expectedText);
const config = await loadConfig({ file: configFile });
const consumer = new kafka.KafkaConsumer(
  { ...consumerSettings(config, { pipeline: `bench-bare-${process.pid}` }) },
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
let begun = 0;
while (records < expected) {
  const messages = await consume();
  if (messages.length > 0 && begun === 0) begun = performance.now();
  records += messages.length;
}
process.stdout.write(`${JSON.stringify({ records, seconds: (performance.now() - begun) / 1000 })}\n`);
consumer.disconnect();
setTimeout(() => process.exit(0), 1_000);
