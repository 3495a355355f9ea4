/** Sends the simulated world to Kafka, malformed payloads among it, and keeps the books of what Kafka acknowledged. */
import { setTimeout as sleep } from 'node:timers/promises';
import kafka, { type LibrdKafkaError, type Producer } from '@confluentinc/kafka-javascript';
import type { Config } from '../../../config/schema.ts';
import { producerSettings } from '../../../pipelines/common/kafka/client-settings.ts';
import { encode, makeEncoders } from './encoders.ts';
import { breakValue } from './malformed.ts';
import { simulateWorld, type WorldOptions } from './simulate.ts';
import { WorldLedger } from './world-ledger.ts';
import { keyOf, type WorldRecord, type WorldTopic } from './world-record.ts';

export interface ProduceOptions extends WorldOptions {
  readonly config: Config;
  /** How many malformed payloads go in among the good ones. */
  readonly malformed: number;
  /** Called now and then with the number of records sent so far. */
  readonly onProgress?: (sent: number) => void;
  readonly signal?: AbortSignal;
}

const QUEUE_FULL = -184;
const PROGRESS_EVERY = 5_000;
const FLUSH_TIMEOUT_MS = 60_000;

async function connect(config: Config): Promise<Producer> {
  const producer = new kafka.Producer({
    ...producerSettings(config),
    'linger.ms': 20,
    'queue.buffering.max.messages': 200_000,
    // The partitioner of Kafka's own clients, so that other producers put a user into the same partition.
    partitioner: 'murmur2_random',
  });
  producer.setPollInterval(50);
  await new Promise<void>((resolve, reject) => {
    producer.connect({}, (error) => (error ? reject(error) : resolve()));
  });
  return producer;
}

/** librdkafka's own queue bounds the memory: when it is full, wait until it has sent some. */
async function send(producer: Producer, topic: string, value: Buffer | null, key: string): Promise<void> {
  for (;;) {
    try {
      producer.produce(topic, null, value, key);
      return;
    } catch (error) {
      if ((error as LibrdKafkaError).code !== QUEUE_FULL) throw error;
      await sleep(5);
    }
  }
}

/** The malformed payloads go to all four topics, mostly to the busy ones. */
const brokenTopics = [
  'delivery',
  'feedback',
  'profiles',
  'delivery',
  'feedback',
  'profiles',
  'definitions',
] as const;

/**
 * @returns the books, once every record is acknowledged by all in-sync replicas
 * @throws {Error} when Kafka refuses a record, naming the first refusal
 */
export async function produceWorld(options: ProduceOptions): Promise<WorldLedger> {
  const { config, malformed, onProgress, signal } = options;
  const encoders = await makeEncoders(config);
  const producer = await connect(config);
  const ledger = new WorldLedger();
  let acknowledged = 0;
  let sent = 0;
  let refusal: Error | null = null;
  producer.on('delivery-report', (error: LibrdKafkaError | null) => {
    if (error) refusal ??= new Error(`Kafka refused a record: ${error.message}`, { cause: error });
    else acknowledged += 1;
  });

  const lastOfTopic = new Map<WorldTopic, WorldRecord>();
  let broken = 0;
  const sendMalformed = async (latest: WorldRecord): Promise<void> => {
    const round = Math.floor(broken / brokenTopics.length);
    const good = lastOfTopic.get(brokenTopics[broken % brokenTopics.length] ?? latest.topic) ?? latest;
    const { value } = breakValue(encoders, good, round * 2 + broken);
    await send(producer, encoders[good.topic].topic, value, keyOf(good));
    ledger.malformed(good.topic);
    broken += 1;
    sent += 1;
  };
  const spacing = Math.max(1, Math.floor(options.events / (malformed + 1)));

  try {
    for (const record of simulateWorld(options)) {
      signal?.throwIfAborted();
      await send(producer, encoders[record.topic].topic, encode(encoders, record), keyOf(record));
      ledger.add(record);
      sent += 1;
      lastOfTopic.set(record.topic, record);
      if (broken < malformed && sent >= (broken + 1) * spacing) await sendMalformed(record);
      if (sent % PROGRESS_EVERY === 0) {
        onProgress?.(sent);
        await sleep(0);
        if (refusal !== null) throw refusal;
      }
    }
    for (const latest of lastOfTopic.values()) {
      while (broken < malformed) await sendMalformed(latest);
    }
    await new Promise<void>((resolve, reject) => {
      producer.flush(FLUSH_TIMEOUT_MS, (error) => (error ? reject(error) : resolve()));
    });
    // The last delivery reports are handed over by the next poll.
    for (let waited = 0; acknowledged < sent && refusal === null && waited < FLUSH_TIMEOUT_MS; waited += 20)
      await sleep(20);
    if (refusal !== null) throw refusal;
    if (acknowledged < sent) throw new Error(`Kafka acknowledged ${acknowledged} of ${sent} records`);
    onProgress?.(sent);
    return ledger;
  } finally {
    await new Promise<void>((resolve) => producer.disconnect(() => resolve()));
  }
}
