/** What Kafka says about the offsets of partitions, asked together. */
import kafka from '@confluentinc/kafka-javascript';
import { Outage } from '../errors.ts';
import type { KafkaAdmin, TopicPartition } from '../kafka/admin.ts';
import { kafkaErrorCode } from '../kafka/errors.ts';

const { ERRORS } = kafka.CODES;

export interface OffsetFacts {
  /** The first offset that Kafka still has. */
  readonly low: number;
  /** One past the last offset that a reader of committed transactions may see. */
  readonly end: number;
}

/** What an answer is when the topic was deleted between its description and the question. */
const TOPIC_IS_CHANGING: ReadonlySet<number> = new Set([
  ERRORS.ERR__NOENT,
  ERRORS.ERR__UNKNOWN_TOPIC,
  ERRORS.ERR__UNKNOWN_PARTITION,
  ERRORS.ERR_UNKNOWN_TOPIC_OR_PART,
]);

/** @throws {Outage} the cluster cannot be asked, or a topic is being deleted or made anew at this moment */
export async function readOffsetFacts(
  admin: Pick<KafkaAdmin, 'watermarks' | 'stableEnds'>,
  partitions: readonly TopicPartition[],
): Promise<(partition: TopicPartition) => OffsetFacts> {
  try {
    const [watermarks, ends] = await Promise.all([
      admin.watermarks(partitions),
      admin.stableEnds(partitions),
    ]);
    const lowOf = new Map(watermarks.map((one) => [keyOf(one), one.low]));
    const endOf = new Map(ends.map((one) => [keyOf(one), one.offset]));
    return (partition) => {
      const low = lowOf.get(keyOf(partition));
      const end = endOf.get(keyOf(partition));
      if (low === undefined || end === undefined) {
        throw new Outage('kafka', `has no answer about ${keyOf(partition)}`);
      }
      return { low, end };
    };
  } catch (error) {
    const code = kafkaErrorCode(error);
    if (error instanceof Outage || code === null || !TOPIC_IS_CHANGING.has(code)) throw error;
    throw new Outage('kafka', 'a topic is being deleted or made anew', { cause: error });
  }
}

const keyOf = ({ topic, partition }: TopicPartition) => `${topic}/${partition}`;
