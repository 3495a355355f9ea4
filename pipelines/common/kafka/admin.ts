/** Questions and orders to the cluster: topics, offsets, groups. Promises around the client's callbacks. */
import kafka, { type IAdminClient } from '@confluentinc/kafka-javascript';
import type { Config } from '../../../config/schema.ts';
import { Outage } from '../errors.ts';
import { kafkaSettings } from './client-settings.ts';
import { type PartitionOffset, readCommitted, type TopicPartition } from './committed-offsets.ts';
import { asOutage, type ClientLogEvent, connectionFailure, KafkaError, kafkaErrorCode } from './errors.ts';
import { withFreshLeaders } from './leaders.ts';

export type { PartitionOffset, TopicPartition } from './committed-offsets.ts';

const { ERRORS } = kafka.CODES;

const WITHOUT_MEMBERS: ReadonlySet<kafka.ConsumerGroupStates> = new Set([
  kafka.ConsumerGroupStates.DEAD,
  kafka.ConsumerGroupStates.EMPTY,
]);

export interface TopicDescription {
  readonly topic: string;
  /** 32 lower-case hex digits. */
  readonly topicId: string;
  /** How many there are; they are numbered from 0. */
  readonly partitions: number;
  /** Of the partition with the fewest. */
  readonly replicationFactor: number;
}

export interface NewTopic {
  readonly topic: string;
  readonly partitions: number;
  readonly replicationFactor: number;
  /** Kafka's own topic settings, for example `{ 'retention.ms': '-1' }`. */
  readonly configs?: Readonly<Record<string, string>>;
}

export interface Watermarks extends TopicPartition {
  /** The first offset that Kafka still has. */
  readonly low: number;
  /** One past the last offset, transaction markers and uncommitted records included. */
  readonly high: number;
}

export interface KafkaAdmin {
  listTopics(): Promise<readonly string[]>;
  /** A topic that does not exist is missing from the answer. */
  describeTopics(topics: readonly string[]): Promise<ReadonlyMap<string, TopicDescription>>;
  /** False when it was there already. */
  createTopic(topic: NewTopic): Promise<boolean>;
  /** @param total partitions there are to be afterwards; there can only be more of them */
  createPartitions(topic: string, total: number): Promise<void>;
  /** False when there was no such topic. */
  deleteTopic(topic: string): Promise<boolean>;
  /** Drops the records before each offset. */
  deleteRecords(offsets: readonly PartitionOffset[]): Promise<void>;
  watermarks(partitions: readonly TopicPartition[]): Promise<readonly Watermarks[]>;
  /** The first offset whose record's timestamp is at or after the time; null when there is none. */
  offsetsAt(
    partitions: readonly TopicPartition[],
    timestampMs: number,
  ): Promise<readonly (TopicPartition & { readonly offset: number | null })[]>;
  /** Where the last stable offset is: the end for a consumer that reads committed transactions only. */
  stableEnds(partitions: readonly TopicPartition[]): Promise<readonly PartitionOffset[]>;
  listGroups(): Promise<readonly string[]>;
  /** False too when there is no such group. */
  hasMembers(group: string): Promise<boolean>;
  /** Partitions without a committed offset are missing from the answer, and so are all of a group that does not exist. */
  committedOffsets(group: string, partitions: readonly TopicPartition[]): Promise<readonly PartitionOffset[]>;
  /** False when there was no such group. */
  deleteGroup(group: string): Promise<boolean>;
  /** Returns at once: the connections go when the last request under way has been answered, or has timed out. */
  close(): void;
}

interface OffsetsWanted {
  readonly offset: kafka.OffsetSpec;
  readonly isolationLevel: kafka.IsolationLevel;
}

/** syslog's severity: the lines that tell why a connection failed are errors. */
const LOG_ERRORS = 3;

/** Every method throws Outage while the cluster cannot be asked; else the client's error with its numeric `code`. */
export function createAdmin(config: Pick<Config, 'kafka'>): KafkaAdmin {
  const timeout = config.kafka.requestTimeoutMs;
  let lastFailure: string | null = null;
  const client = kafka.AdminClient.create(
    { ...kafkaSettings(config), log_level: LOG_ERRORS },
    {
      'event.log': (event: ClientLogEvent) => {
        lastFailure = connectionFailure(event) ?? lastFailure;
      },
    },
  );
  let underWay = 0;
  let isClosed = false;
  /** Disconnecting is a call that returns when all requests have: with none under way it holds up nobody. */
  const disconnectWhenIdle = () => {
    if (isClosed && underWay === 0) client.disconnect();
  };
  const ask = async <T>(request: (client: IAdminClient, done: Done<T>) => void) => {
    if (isClosed) throw new Error('the admin client is closed');
    lastFailure = null;
    underWay += 1;
    try {
      return await call(client, request).finally(() => {
        underWay -= 1;
        disconnectWhenIdle();
      });
    } catch (error) {
      if (!(error instanceof Outage) || lastFailure === null || !(error.cause instanceof Error)) throw error;
      throw new Outage('kafka', `${error.cause.message}: ${lastFailure}`, { cause: error.cause });
    }
  };

  const describeTopics: KafkaAdmin['describeTopics'] = async (topics) => {
    if (topics.length === 0) return new Map();
    const answer = await ask<kafka.TopicDescription[]>((admin, done) =>
      admin.describeTopics([...topics], { timeout }, done),
    );
    const described = new Map<string, TopicDescription>();
    for (const { name, topicId, partitions, error } of answer) {
      if (kafkaErrorCode(error) === ERRORS.ERR_UNKNOWN_TOPIC_OR_PART) continue;
      if (error) throwFault({ ...error, code: error.code, message: `${name}: ${error.message}` });
      described.set(name, {
        topic: name,
        topicId: topicIdOf(topicId),
        partitions: partitions.length,
        replicationFactor: Math.min(...partitions.map(({ replicas }) => replicas.length)),
      });
    }
    return described;
  };

  /** "No such entry" is also what the client says while the metadata of a topic that does exist are on their way. */
  const requireTopics = async (partitions: readonly TopicPartition[]) => {
    const topics = [...new Set(partitions.map(({ topic }) => topic))];
    const described = await describeTopics(topics);
    const missing = topics.filter((topic) => !described.has(topic));
    if (missing.length === 0) return;
    throw new KafkaError({
      message: `${missing.join(', ')}: unknown topic`,
      code: ERRORS.ERR_UNKNOWN_TOPIC_OR_PART,
    });
  };

  const withLeaders = <T>(partitions: readonly TopicPartition[], order: () => Promise<T>) =>
    withFreshLeaders(() => describeTopics([...new Set(partitions.map(({ topic }) => topic))]), order);

  const listOffsets = (partitions: readonly TopicPartition[], spec: OffsetsWanted) =>
    withLeaders(partitions, () => listOffsetsOnce(partitions, spec));

  const listOffsetsOnce = async (
    partitions: readonly TopicPartition[],
    { offset, isolationLevel }: OffsetsWanted,
  ) => {
    if (partitions.length === 0) return [];
    const answer = await ask<kafka.ListOffsetsResult[]>((admin, done) =>
      admin.listOffsets(
        partitions.map(({ topic, partition }) => ({ topic, partition, offset })),
        { timeout, isolationLevel },
        done,
      ),
    ).catch(async (error: unknown) => {
      if (kafkaErrorCode(error) === ERRORS.ERR__NOENT) await requireTopics(partitions);
      throw error;
    });
    return answer.map((result) => {
      throwFault(result.error);
      return { topic: result.topic, partition: result.partition, offset: result.offset };
    });
  };

  const groupOverviews = async () => {
    const { groups, errors } = await ask<{
      groups: kafka.GroupOverview[];
      errors: kafka.LibrdKafkaError[];
    }>((admin, done) => admin.listGroups({ timeout }, done));
    throwFault(errors[0]);
    return groups;
  };

  return {
    listTopics: () => ask<string[]>((admin, done) => admin.listTopics({ timeout }, done)),

    describeTopics,

    createTopic: ({ topic, partitions, replicationFactor, configs = {} }) =>
      unless(ERRORS.ERR_TOPIC_ALREADY_EXISTS, () =>
        ask<void>((admin, done) =>
          admin.createTopic(
            {
              topic,
              num_partitions: partitions,
              replication_factor: replicationFactor,
              config: { ...configs },
            },
            timeout,
            done,
          ),
        ),
      ),

    createPartitions: (topic, total) =>
      ask<void>((admin, done) => admin.createPartitions(topic, total, timeout, done)),

    deleteTopic: (topic) =>
      unless(ERRORS.ERR_UNKNOWN_TOPIC_OR_PART, () =>
        ask<void>((admin, done) => admin.deleteTopic(topic, timeout, done)),
      ),

    async deleteRecords(offsets) {
      if (offsets.length === 0) return;
      await withLeaders(offsets, async () => {
        const answer = await ask<kafka.DeleteRecordsResult[]>((admin, done) =>
          admin.deleteRecords([...offsets], { timeout, operationTimeout: timeout }, done),
        );
        for (const { error } of answer) throwFault(error);
      });
    },

    async watermarks(partitions) {
      const isolationLevel = kafka.IsolationLevel.READ_UNCOMMITTED;
      const [lows, highs] = await Promise.all([
        listOffsets(partitions, { offset: kafka.OffsetSpec.EARLIEST, isolationLevel }),
        listOffsets(partitions, { offset: kafka.OffsetSpec.LATEST, isolationLevel }),
      ]);
      const lowOf = new Map(lows.map((low) => [`${low.topic}/${low.partition}`, low.offset]));
      return highs.map(({ topic, partition, offset }) => ({
        topic,
        partition,
        low: lowOf.get(`${topic}/${partition}`) ?? 0,
        high: offset,
      }));
    },

    async offsetsAt(partitions, timestampMs) {
      const answer = await listOffsets(partitions, {
        offset: new kafka.OffsetSpec(timestampMs),
        isolationLevel: kafka.IsolationLevel.READ_UNCOMMITTED,
      });
      return answer.map(({ offset, ...partition }) => ({ ...partition, offset: offset < 0 ? null : offset }));
    },

    stableEnds: (partitions) =>
      listOffsets(partitions, {
        offset: kafka.OffsetSpec.LATEST,
        isolationLevel: kafka.IsolationLevel.READ_COMMITTED,
      }),

    async listGroups() {
      const groups = await groupOverviews();
      return groups.map(({ groupId }) => groupId);
    },

    async hasMembers(group) {
      const groups = await groupOverviews();
      return groups.some(({ groupId, state }) => groupId === group && !WITHOUT_MEMBERS.has(state));
    },

    committedOffsets: (group, partitions) => readCommitted(config, { group, partitions }),

    deleteGroup: (group) =>
      unless(ERRORS.ERR_GROUP_ID_NOT_FOUND, async () => {
        const answer = await ask<kafka.DeleteGroupsResult[]>((admin, done) =>
          admin.deleteGroups([group], { timeout }, done),
        );
        throwFault(answer[0]?.error);
      }),

    close: () => {
      if (isClosed) return;
      isClosed = true;
      disconnectWhenIdle();
    },
  };
}

type Done<T> = (error: kafka.LibrdKafkaError | null | undefined, result?: T) => void;

function call<T>(client: IAdminClient, request: (client: IAdminClient, done: Done<T>) => void): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    try {
      request(client, (error, result) => (error ? reject(asOutage(error)) : resolve(result as T)));
    } catch (error) {
      reject(asOutage(error));
    }
  });
}

/** Single results carry errors of their own inside an answer that is well as a whole. */
function throwFault(error: kafka.LibrdKafkaError | null | undefined): void {
  const code = kafkaErrorCode(error);
  if (code !== null && code !== ERRORS.ERR_NO_ERROR) throw asOutage(error);
}

/** True when the order was carried out; false when the cluster answered that there was nothing to do. */
async function unless(code: number, order: () => Promise<void>): Promise<boolean> {
  try {
    await order();
    return true;
  } catch (error) {
    if (kafkaErrorCode(error) === code) return false;
    throw error;
  }
}

/** The halves are signed 64-bit numbers. */
function topicIdOf({ mostSignificantBits, leastSignificantBits }: kafka.Uuid): string {
  const half = (bits: bigint) => BigInt.asUintN(64, bits).toString(16).padStart(16, '0');
  return half(mostSignificantBits) + half(leastSignificantBits);
}
