/** Sends the simulated world to Kafka, malformed payloads among it, and keeps the books of what Kafka acknowledged. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type LibrdKafkaError, Producer } from '@confluentinc/kafka-javascript';
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
  const producer = new Producer({
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

/** The malformed payloads are made from good values of all four topics in turn, mostly of the busy ones. */
function isTurnOf(topic: WorldTopic, index: number): boolean {
  const turns = [
    'delivery',
    'feedback',
    'profiles',
    'delivery',
    'feedback',
    'profiles',
    'definitions',
  ] as const;
  return turns[index % turns.length] === topic;
}

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
  const broken = { total: 0, each: new Map<WorldTopic, number>() };
  const sendMalformed = async (good: WorldRecord): Promise<void> => {
    const index = broken.each.get(good.topic) ?? 0;
    broken.each.set(good.topic, index + 1);
    broken.total += 1;
    await send(producer, encoders[good.topic].topic, breakValue(encoders, good, index).value, keyOf(good));
    ledger.malformed(good.topic);
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
      if (
        broken.total < malformed &&
        sent >= (broken.total + 1) * spacing &&
        isTurnOf(record.topic, broken.total)
      ) {
        await sendMalformed(record);
      }
      if (sent % PROGRESS_EVERY === 0) {
        onProgress?.(sent);
        await sleep(0);
        if (refusal !== null) throw refusal;
      }
    }
    for (const good of Array.from(lastOfTopic.values(), (last) => Array(malformed).fill(last)).flat()) {
      if (broken.total >= malformed) break;
      if (isTurnOf(good.topic, broken.total)) await sendMalformed(good);
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
