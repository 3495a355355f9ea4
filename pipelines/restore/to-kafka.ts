/** From the archive into a topic: records byte for byte, in their order, each once. */
import type { TopicRole } from '../../config/topics.ts';
import type { ArchivedRecord, SegmentHeader } from '../archive/segment-reader.ts';
import { originalValue } from '../archive/segment-reader.ts';
import type { PartitionRef } from '../common/batch.ts';
import { RecordEncoder } from '../common/clickhouse-sink/record-encoder.ts';
import { UsageError } from '../common/errors.ts';
import type { OutgoingRecord } from '../common/kafka/transactional-producer.ts';
import { createMetrics } from '../common/metrics.ts';
import { retryOutage } from '../common/retry.ts';
import { timeLimits } from '../common/transcode/time-limits.ts';
import { LEDGER_TABLES } from '../verify/ledger-table.ts';
import { batchOf, kafkaRecord } from './archived-records.ts';
import { type Choice, looksAtRows } from './choice.ts';
import { chooseRecords } from './choose-records.ts';
import type { PlannedSource, TopicPlan } from './plan.ts';
import { schemasOf } from './plan-schemas.ts';
import { readSource } from './read-source.ts';
import { planned, type RestoreContext } from './request.ts';
import { RestoreProducer, type RestoreTarget } from './restore-producer.ts';
import { RESTORE } from './row-loader.ts';

/** In one transaction. */
const RECORDS_AT_ONCE = 5_000;
const BYTES_AT_ONCE = 4 * 1024 * 1024;

export interface SendRequest {
  readonly role: TopicRole;
  readonly topic: string;
  readonly choice: Choice;
  readonly target: RestoreTarget;
  readonly job: unknown;
}

export interface SentRecords {
  /** Segments of the topic in the archive. */
  readonly listed: number;
  readonly records: number;
  readonly damages: number;
}

/**
 * @throws {UnreadableSegment} @throws {DamagedArchive}
 * @throws {UsageError} the archive holds two topics of the name, or the target takes no record so large
 * @throws {Fenced} the same restore was begun elsewhere
 */
export async function sendTopic(context: RestoreContext, request: SendRequest): Promise<SentRecords> {
  const { config, logger, signal } = context;
  const { topic, choice } = request;
  const [plan] = await planned(context, { topics: [topic], choice, decodes: looksAtRows(choice) });
  if (plan === undefined) throw new Error(`nothing was planned of ${topic}`);
  const ids = [...new Set(plan.sources.map(({ source }) => source.topicId))];
  if (ids.length > 1)
    throw new UsageError(
      `the archive holds ${ids.length} topics that were called ${topic}, one after another: say which by --topic-id ${ids.join(' or ')}`,
    );
  const sending = new Sending(context, request, plan);
  const bar = context.onTopic(plan);
  try {
    // What became of a transaction without an answer is known to a new producer: it begins where the group stands.
    await retryOutage(() => sending.attempt((records) => bar.update(records)), {
      retry: config.retry,
      logger,
      signal,
      what: `restoring to ${request.target.topic}`,
    });
  } finally {
    bar.finish();
  }
  return {
    listed: plan.listed,
    records: sending.sent,
    damages: plan.discrepancies.length + sending.damages.size,
  };
}

class Sending {
  readonly #context: RestoreContext;
  readonly #request: SendRequest;
  readonly #plan: TopicPlan;
  readonly #rows: RowFilter | null;
  sent = 0;
  /** Paths. */
  readonly damages = new Set<string>();

  constructor(context: RestoreContext, request: SendRequest, plan: TopicPlan) {
    this.#context = context;
    this.#request = request;
    this.#plan = plan;
    this.#rows = looksAtRows(request.choice) ? new RowFilter(context, request, plan) : null;
  }

  async attempt(onProgress: (records: number) => void): Promise<void> {
    const { config, logger } = this.#context;
    const { target, job } = this.#request;
    const producer = await RestoreProducer.open({ config, logger, target, job });
    let read = 0;
    try {
      for (const one of this.#plan.sources)
        await this.#sendSource(producer, one, (records) => {
          read += records;
          onProgress(read);
        });
    } finally {
      await producer.close();
    }
  }

  async #sendSource(
    producer: RestoreProducer,
    plannedSource: PlannedSource,
    onRead: (records: number) => void,
  ): Promise<void> {
    const { skipDamaged, say, config, logger, signal, place } = this.#context;
    const { choice } = this.#request;
    const { source } = plannedSource;
    const { partition } = source;
    const from = await producer.restoredTo(partition);
    let records: Omit<OutgoingRecord, 'topic' | 'partition'>[] = [];
    let bytes = 0;
    let [next, sentTo] = [from, from];
    const flush = async (): Promise<void> => {
      if (next === sentTo) return;
      await this.#send(producer, records, { partition, next });
      sentTo = next;
      records = [];
      bytes = 0;
    };
    const onUnreadable = skipDamaged
      ? (_batch: unknown, { path, message }: { path: string; message: string }) => {
          if (!this.damages.has(path)) say(`skipped: ${message}`);
          this.damages.add(path);
        }
      : null;
    await readSource(
      plannedSource,
      from,
      { place, choice, config, logger, signal, onRead, onUnreadable },
      {
        records: async (header, some) => {
          for (const record of (await this.#rows?.chosen(header, source, some)) ?? some) {
            const outgoing = asProduced(record);
            records.push(outgoing);
            bytes += (outgoing.value?.length ?? 0) + (outgoing.key?.length ?? 0);
            next = record.offset + 1;
            if (records.length >= RECORDS_AT_ONCE || bytes >= BYTES_AT_ONCE) await flush();
          }
        },
        // Batches without a chosen record are not worth a transaction each.
        reached: (end) => {
          next = end;
        },
      },
    );
    await flush();
  }

  async #send(
    producer: RestoreProducer,
    records: readonly Omit<OutgoingRecord, 'topic' | 'partition'>[],
    at: { readonly partition: number; readonly next: number },
  ): Promise<void> {
    const { target } = this.#request;
    if ((await producer.send(records, at)) === 'sent') {
      this.sent += records.length;
      return;
    }
    const largest = Math.max(...records.map(({ value }) => value?.length ?? 0));
    throw new UsageError(
      `${target.topic} takes no record as large as one of these (up to ${largest} bytes of value): raise its max.message.bytes and run this again, which goes on from here`,
    );
  }
}

/** Every byte as it was; a copy, since the block that it lies in is not kept. */
function asProduced(record: ArchivedRecord): Omit<OutgoingRecord, 'topic' | 'partition'> {
  const { key, headers, timestamp } = record;
  const value = originalValue(record);
  return {
    key: key === null ? null : Buffer.from(key),
    value: value === null ? null : Buffer.from(value),
    headers: headers.map((header) => ({ [header.key]: Buffer.from(header.value ?? '') })),
    timestamp: timestamp < 0 ? undefined : timestamp,
  };
}

/** Leaves the records whose rows are chosen. */
class RowFilter {
  readonly #choice: Choice;
  readonly #schemas: ReturnType<typeof schemasOf>;
  readonly #newEncoder: () => RecordEncoder;
  #encoder: RecordEncoder;

  constructor(context: RestoreContext, { role, topic, choice }: SendRequest, plan: TopicPlan) {
    const { spec } = LEDGER_TABLES[role];
    const schemas = schemasOf(context, plan);
    this.#choice = choice;
    this.#schemas = schemas;
    this.#newEncoder = () =>
      new RecordEncoder({
        pipeline: RESTORE,
        topic,
        spec,
        limits: timeLimits(context.config),
        schemas,
        metrics: createMetrics(),
      });
    this.#encoder = this.#newEncoder();
  }

  async chosen(
    header: SegmentHeader,
    source: PartitionRef,
    archived: readonly ArchivedRecord[],
  ): Promise<ArchivedRecord[]> {
    if (this.#schemas.isOther(header)) this.#encoder = this.#newEncoder();
    this.#schemas.learn(header);
    const batch = batchOf(
      source,
      archived.map((record) => kafkaRecord(source, record)),
    );
    await this.#encoder.prepare([batch]);
    const { records } = chooseRecords(this.#encoder, batch, this.#choice);
    const offsets = new Set(records.map(({ record }) => record.offset));
    return archived.filter(({ offset }) => offsets.has(offset));
  }
}
