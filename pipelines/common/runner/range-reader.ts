/** Reads a part of some partitions from one offset to another, for commands: nothing is joined and nothing committed. */
import kafka from '@confluentinc/kafka-javascript';
import type { Config } from '../../../config/schema.ts';
import type { KafkaRecord } from '../batch.ts';
import { Outage } from '../errors.ts';
import { consumerSettings } from '../kafka/client-settings.ts';
import type { TopicPartition } from '../kafka/committed-offsets.ts';
import { asOutage, KafkaError, type KafkaFault, kafkaErrorCode } from '../kafka/errors.ts';
import type { Logger } from '../logger.ts';
import { Consumer } from './consumer.ts';

const { ERRORS } = kafka.CODES;

export interface PartitionRange extends TopicPartition {
  readonly from: number;
  /** Behind the last offset that is asked for. */
  readonly to: number;
}

export interface TopicReaderOptions {
  readonly config: Pick<Config, 'kafka'>;
  readonly logger: Logger;
  /** Names the reader: its group is `<groupPrefix>.<name>`, which stays empty. */
  readonly name: string;
}

/** Records a call. */
const MOST_RECORDS = 1_000;
/** KiB fetched ahead: a command reads as fast as it works, and needs no more. */
const QUEUED_KBYTES = 8 * 1024;

/**
 * The committed records of the ranges, in order within each partition. Holds a few MiB however long the ranges are.
 * @throws {Outage} nothing has come for kafka.requestTimeoutMs, or Kafka dropped records before they were read
 */
export async function* readRanges(
  { config, logger, name }: TopicReaderOptions,
  ranges: readonly PartitionRange[],
): AsyncGenerator<readonly KafkaRecord[]> {
  const unread = new Map(
    ranges.filter(({ from, to }) => from < to).map((range) => [keyOf(range), range] as const),
  );
  if (unread.size === 0) return;
  const failures: KafkaFault[] = [];
  const consumer = new Consumer(
    { ...consumerSettings(config, { pipeline: name }), 'queued.max.messages.kbytes': QUEUED_KBYTES },
    { logger, events: { assigned: () => {}, revoked: () => {}, failed: (error) => failures.push(error) } },
  );
  await consumer.connect([]);
  try {
    consumer.place(
      [...unread.values()].map(({ topic, partition, from }) => ({ topic, partition, offset: from })),
      () => null,
    );
    let heardAt = performance.now();
    while (unread.size > 0) {
      const { records, ends, error } = await consumer.consume(MOST_RECORDS);
      if (error !== null) failures.push(error);
      const wanted = records.filter((record) => record.offset < (unread.get(keyOf(record))?.to ?? 0));
      for (const record of records)
        if (record.offset >= (unread.get(keyOf(record))?.to ?? 0) - 1) unread.delete(keyOf(record));
      for (const end of ends) if (end.offset >= (unread.get(keyOf(end))?.to ?? 0)) unread.delete(keyOf(end));
      if (wanted.length > 0) yield wanted;
      if (records.length > 0 || ends.length > 0) {
        heardAt = performance.now();
        continue;
      }
      const lastFailure = worstOf(failures.splice(0));
      if (performance.now() - heardAt > config.kafka.requestTimeoutMs)
        throw new Outage('kafka', `${[...unread.keys()].join(', ')} cannot be read${lastFailure}`);
      if (unread.size > 0) await consumer.waitForMore();
    }
  } finally {
    await consumer.close();
  }
}

const keyOf = ({ topic, partition }: TopicPartition) => `${topic}/${partition}`;

/** @throws what no waiting puts right @returns the last of the others, as the end of a sentence */
function worstOf(failures: readonly KafkaFault[]): string {
  for (const failure of failures) {
    const code = kafkaErrorCode(failure);
    if (code === ERRORS.ERR__AUTO_OFFSET_RESET)
      throw new Outage(
        'kafka',
        `records were dropped while they were read; run it again (${failure.message})`,
      );
    // Who may not read the group reads all the same: it is never joined.
    if (code === ERRORS.ERR_GROUP_AUTHORIZATION_FAILED) continue;
    if (code === ERRORS.ERR_TOPIC_AUTHORIZATION_FAILED) throw asOutage(new KafkaError(failure));
  }
  const last = failures.at(-1);
  return last === undefined ? '' : `: ${last.message}`;
}
