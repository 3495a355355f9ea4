/** From the archive into a topic: records byte for byte, in their order, each once. */
import type { TopicRole } from '../../config/topics.ts';
import type { ArchivedRecord, SegmentHeader } from '../archive/segment-reader.ts';
import { originalValue } from '../archive/segment-reader.ts';
import type { KafkaRecord, OffsetRange, PartitionRef } from '../common/batch.ts';
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
import type { UnreadableSegment } from './read-batch.ts';
import { readSource } from './read-source.ts';
import { planned, type RestoreContext } from './request.ts';
import { type Restored, RestoreProducer, type RestoreTarget } from './restore-producer.ts';
import { RESTORE } from './row-loader.ts';

/** In one transaction. */
const RECORDS_AT_ONCE = 5_000;
const BYTES_AT_ONCE = 4 * 1024 * 1024;
/** Where few records are chosen it is noted now and then how far it came, without any. */
const OFFSETS_AT_ONCE = 1_000_000;

export interface SendRequest {
  readonly role: TopicRole;
  readonly topic: string;
  readonly choice: Choice;
  readonly target: RestoreTarget;
  /** For tests: after how many without a record it is noted how far it came. */
  readonly offsetsAtOnce?: number;
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
  const job = jobOf(request, ids[0] ?? choice.topicId);
  const sending = new Sending(context, { ...request, job }, plan);
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
    damages: sending.damages,
  };
}

/** With the id spelled out, which has to be said as soon as there is another topic of the name: it is the same restore. */
export function jobOf(
  { target, topic, choice }: Pick<SendRequest, 'target' | 'topic' | 'choice'>,
  topicId: string | null,
): unknown {
  return { to: target, topic, choice: { ...choice, topicId } };
}

interface SendingRequest extends SendRequest {
  readonly job: unknown;
}

interface SkippedRange extends OffsetRange {
  readonly partition: number;
}

class Sending {
  readonly #context: RestoreContext;
  readonly #request: SendingRequest;
  readonly #plan: TopicPlan;
  readonly #rows: RowFilter | null;
  sent = 0;
  /** Paths. */
  readonly #damaged = new Set<string>();
  /** Where something could not be read. */
  readonly #skipped: SkippedRange[] = [];
  /** What was skipped by those that this one goes on behind. */
  readonly #skippedBefore = new Map<string, SkippedRange>();

  constructor(context: RestoreContext, request: SendingRequest, plan: TopicPlan) {
    this.#context = context;
    this.#request = request;
    this.#plan = plan;
    const onUnreadable = context.skipDamaged ? (error: UnreadableSegment) => this.#skip(error) : null;
    this.#rows = looksAtRows(request.choice) ? new RowFilter(context, request, plan, onUnreadable) : null;
    for (const { partition, first, last } of plan.discrepancies)
      if (partition !== null && first !== null && last !== null)
        this.#skipped.push({ partition, first, last });
  }

  /** What the target lacks. */
  get damages(): number {
    const isMet = (one: SkippedRange) =>
      this.#skipped.some(
        ({ partition, first, last }) => partition === one.partition && first <= one.last && last >= one.first,
      );
    const before = [...this.#skippedBefore.values()].filter((one) => !isMet(one));
    return this.#plan.discrepancies.length + this.#damaged.size + before.length;
  }

  #skip({ path, message }: UnreadableSegment): void {
    if (!this.#damaged.has(path)) this.#context.say(`skipped: ${message}`);
    this.#damaged.add(path);
  }

  /** Also of a damage that has been repaired since. */
  #skipBefore(one: SkippedRange): void {
    const { partition, first, last } = one;
    const key = `${partition}/${first}-${last}`;
    if (!this.#skippedBefore.has(key))
      this.#context.say(
        `when this restore was begun, something of ${this.#request.topic}/${partition} was skipped, in offsets ${first}..${last}. ${this.#request.target.topic} has what lies behind it, so that it cannot be put in its place any more: to have it too, restore into a new topic`,
      );
    this.#skippedBefore.set(key, one);
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
    const { skipDamaged, config, logger, signal, place } = this.#context;
    const { choice, target, offsetsAtOnce = OFFSETS_AT_ONCE } = this.#request;
    const { source } = plannedSource;
    const { partition } = source;
    const { next: from, note } = await producer.restoredTo(partition);
    for (const range of note.skipped) this.#skipBefore({ partition, ...range });
    // What it sends into its own source is archived again: one that goes on must not take that for more to send.
    const end = note.end ?? (target.topic === source.topic ? endOf(plannedSource) : null);
    const bounded =
      end === null
        ? plannedSource
        : { ...plannedSource, batches: plannedSource.batches.filter(({ first }) => first < end) };
    let records: Omit<OutgoingRecord, 'topic' | 'partition'>[] = [];
    let bytes = 0;
    let [next, sentTo] = [from, from];
    const flush = async (): Promise<void> => {
      if (next === sentTo) return;
      const skipped = [
        ...note.skipped,
        ...this.#skipped.filter((one) => one.partition === partition && one.first < next),
      ];
      await this.#send(producer, records, { partition, next, note: { end, skipped } });
      sentTo = next;
      records = [];
      bytes = 0;
    };
    const onUnreadable = skipDamaged
      ? ({ first, last }: OffsetRange, error: UnreadableSegment) => {
          this.#skip(error);
          this.#skipped.push({ partition, first, last });
        }
      : null;
    await readSource(
      bounded,
      from,
      { place, choice, config, logger, signal, onRead, onUnreadable },
      {
        records: async (header, some) => {
          const chosen = (await this.#rows?.chosen(header, source, some)) ?? { records: some, undecided: [] };
          const [first, last] = [chosen.undecided.at(0), chosen.undecided.at(-1)];
          if (first !== undefined && last !== undefined)
            this.#skipped.push({ partition, first: first.offset, last: last.offset });
          for (const record of chosen.records) {
            const outgoing = asProduced(record);
            records.push(outgoing);
            bytes += (outgoing.value?.length ?? 0) + (outgoing.key?.length ?? 0);
            next = record.offset + 1;
            if (records.length >= RECORDS_AT_ONCE || bytes >= BYTES_AT_ONCE) await flush();
          }
        },
        // Batches without a chosen record are not worth a transaction each.
        reached: async (to) => {
          next = to;
          if (next - sentTo >= offsetsAtOnce) await flush();
        },
      },
    );
    await flush();
  }

  async #send(
    producer: RestoreProducer,
    records: readonly Omit<OutgoingRecord, 'topic' | 'partition'>[],
    at: Restored & { readonly partition: number },
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

function endOf({ batches }: PlannedSource): number {
  return Math.max(0, ...batches.slice(-1).map(({ last }) => last + 1));
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

  /** @param onUnreadable a schema is lost; null where that ends the restore */
  constructor(
    context: RestoreContext,
    { role, topic, choice }: SendRequest,
    plan: TopicPlan,
    onUnreadable: ((error: UnreadableSegment) => void) | null,
  ) {
    const { spec } = LEDGER_TABLES[role];
    const schemas = schemasOf(context, plan, onUnreadable);
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
  ): Promise<{ readonly records: readonly ArchivedRecord[]; readonly undecided: readonly KafkaRecord[] }> {
    if (this.#schemas.isOther(header)) this.#encoder = this.#newEncoder();
    this.#schemas.learn(header);
    const asRead = archived.map((record) => kafkaRecord(source, record));
    const batch = batchOf(source, asRead);
    await this.#encoder.prepare([batch]);
    const { records } = chooseRecords(this.#encoder, batch, this.#choice);
    const offsets = new Set(records.map(({ record }) => record.offset));
    return {
      records: archived.filter(({ offset }) => offsets.has(offset)),
      undecided: this.#schemas.undecided(asRead),
    };
  }
}
