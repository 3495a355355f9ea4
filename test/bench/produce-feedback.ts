/** The load of the benchmark: feedback events of three days in the order of their making, as a busy campaign brings them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type LibrdKafkaError, Producer } from '@confluentinc/kafka-javascript';
import type { Config } from '../../config/schema.ts';
import { encode, makeEncoders } from '../../deploy/local/world/encoders.ts';
import { Random } from '../../deploy/local/world/random.ts';
import type { FeedbackValue } from '../../deploy/local/world/world-record.ts';
import { producerSettings } from '../../pipelines/common/kafka/client-settings.ts';

export interface FeedbackLoad {
  readonly config: Config;
  readonly events: number;
  readonly seed: number;
  /** The end of the three days, milliseconds since the epoch. */
  readonly until: number;
}

const QUEUE_FULL = -184;
const SPAN_MS = 3 * 86_400_000;
const USERS = 200_000;
const types = ['OPENED', 'OPENED', 'OPENED', 'OPENED', 'OPENED', 'CLICKED', 'DELETED'] as const;
const agent = 'Mozilla/5.0 (iPhone; CPU iPhone OS 19_4 like Mac OS X)';

function feedbackEvent(random: Random, occurredAt: number): FeedbackValue {
  const user = random.between(0, USERS - 1);
  const campaign = random.between(1, 12);
  const type = random.pick(types);
  return {
    event_id: random.hex(16),
    tenant_id: user % 3 === 0 ? 'meridian-bank' : 'aurora-shop',
    campaign_id: `campaign-${campaign}`,
    message_id: `m-${campaign}-${user}-${random.between(0, 3)}`,
    user_id: `u-${user}`,
    channel: 'EMAIL',
    type,
    occurred_at: occurredAt,
    link: type === 'CLICKED' ? 'https://www.aurora-shop.example/summer-sale/details' : null,
    user_agent: agent,
    is_machine: random.chance(0.2),
    value: null,
    attributes: {},
  };
}

/** Resolves when all are acknowledged; every event has an identity of its own. @returns bytes of all values */
export async function produceFeedback({ config, events, seed, until }: FeedbackLoad): Promise<number> {
  const encoders = await makeEncoders(config);
  const random = new Random(seed, 2);
  const producer = new Producer({
    ...producerSettings(config),
    'linger.ms': 50,
    'queue.buffering.max.messages': 400_000,
    partitioner: 'murmur2_random',
  });
  let refused: LibrdKafkaError | undefined;
  let acknowledged = 0;
  producer.on('delivery-report', (error: LibrdKafkaError | null) => {
    if (error) refused ??= error;
    else acknowledged += 1;
  });
  producer.setPollInterval(20);
  await new Promise<void>((resolve, reject) => {
    producer.connect({}, (error) => (error ? reject(error) : resolve()));
  });
  let bytes = 0;
  for (let index = 0; index < events; index++) {
    const value = feedbackEvent(random, until - SPAN_MS + Math.floor((SPAN_MS * index) / events));
    const framed = encode(encoders, { topic: 'feedback', value });
    bytes += framed.length;
    for (let isSent = false; !isSent; ) {
      try {
        producer.produce(encoders.feedback.topic, null, framed, `${value.tenant_id}/${value.user_id}`);
        isSent = true;
      } catch (error) {
        if ((error as LibrdKafkaError).code !== QUEUE_FULL) throw error;
        await sleep(10);
      }
    }
    if (index % 5_000 === 0) await sleep(0);
  }
  while (acknowledged < events && refused === undefined) await sleep(20);
  await new Promise<void>((resolve) => producer.disconnect(() => resolve()));
  if (refused !== undefined) throw new Error(`Kafka refused an event: ${refused.message}`);
  return bytes;
}
