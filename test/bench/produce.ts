/** Puts a load into its topic, as Confluent Avro. */
import { setTimeout as sleep } from 'node:timers/promises';
import kafka, { type LibrdKafkaError } from '@confluentinc/kafka-javascript';
import type { Config } from '../../config/schema.ts';
import { encode, makeEncoders } from '../../deploy/local/world/encoders.ts';
import { keyOf, type WorldValue } from '../../deploy/local/world/world-record.ts';
import { producerSettings } from '../../pipelines/common/kafka/client-settings.ts';

const { ERRORS } = kafka.CODES;
/** Records between two turns of the event loop. */
const AT_ONCE = 5_000;
/** For what the client still holds when all is handed over. */
const FLUSH_MS = 120_000;

/** Resolves when all are acknowledged. @param onProgress called with the number sent so far */
export async function produce(
  config: Config,
  load: Iterable<WorldValue>,
  onProgress: (sent: number) => void,
): Promise<void> {
  const encoders = await makeEncoders(config);
  const producer = new kafka.Producer({
    ...producerSettings(config),
    'linger.ms': 50,
    'queue.buffering.max.messages': 400_000,
    partitioner: 'murmur2_random',
    // The client hands out a hundred reports a turn of the event loop: those of millions would pile up for a long time.
    'delivery.report.only.error': true,
  });
  let refused: LibrdKafkaError | undefined;
  producer.on('delivery-report', (error: LibrdKafkaError | null) => {
    if (error) refused ??= error;
  });
  producer.setPollInterval(20);
  await new Promise<void>((resolve, reject) => {
    producer.connect({}, (error) => (error ? reject(error) : resolve()));
  });
  let sent = 0;
  for (const record of load) {
    const value = encode(encoders, record);
    for (let isSent = false; !isSent; ) {
      try {
        producer.produce(encoders[record.topic].topic, null, value, keyOf(record));
        isSent = true;
      } catch (error) {
        if ((error as LibrdKafkaError).code !== ERRORS.ERR__QUEUE_FULL) throw error;
        await sleep(10);
      }
    }
    sent += 1;
    if (sent % AT_ONCE === 0) {
      onProgress(sent);
      await sleep(0);
    }
  }
  await new Promise<void>((resolve, reject) => {
    producer.flush(FLUSH_MS, (error) => (error ? reject(error) : resolve()));
  });
  await new Promise<void>((resolve) => producer.disconnect(() => resolve()));
  if (refused !== undefined) throw new Error(`Kafka refused a record: ${refused.message}`);
}
