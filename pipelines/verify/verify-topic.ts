/** One topic: Kafka, archive, ClickHouse and dead letters held against one another, partition by partition. */
import { type TopicRole, topicNames } from '../../config/topics.ts';
import { OffsetRanges } from '../archive/offset-ranges.ts';
import { type ArchiveVerdict, type ListedBatch, verifyArchive } from '../archive/verify.ts';
import { type OffsetRange, partitionKey } from '../common/batch.ts';
import { RangeReader } from '../common/kafka/range-reader.ts';
import { timeLimits } from '../common/transcode/time-limits.ts';
import { reportColdRowsLeft } from './cold-rows-left.ts';
import { DayCounts } from './day-counts.ts';
import { ExpectedRows } from './expected-rows.ts';
import { gatherFacts, kafkaFacts, type PartitionFacts, rangesOf } from './facts.ts';
import { explain } from './findings.ts';
import { judgeRows } from './judge-rows.ts';
import { LEDGER_TABLES } from './ledger-table.ts';
import { Letters } from './letters.ts';
import { isIn, readStretch } from './read-stretch.ts';
import { RowsOutside } from './rows-outside.ts';
import { intersection, type RangeOf, resolveScope, type Scope } from './scope.ts';
import { StoredRows } from './stored-rows.ts';
import { type Stretch, Stretches } from './stretches.ts';
import { NO_TALLY } from './tally.ts';
import type { DeepTally, KnownGap, VerifiedPartition } from './verdict.ts';
import type { VerifyContext } from './verify-context.ts';

export interface VerifiedTopic {
  readonly partitions: readonly VerifiedPartition[];
  readonly gaps: readonly KnownGap[];
}

/** @throws {Outage} a service cannot be asked */
export async function verifyTopic(
  context: VerifyContext,
  role: TopicRole,
  { scope, isDeep }: { scope: Scope; isDeep: boolean },
): Promise<VerifiedTopic> {
  const topic = topicNames(context.config)[role];
  const check = new TopicCheck(context, role, await context.retry(() => resolveScope(context, topic, scope)));
  return check.run(isDeep);
}

class TopicCheck {
  readonly #context: VerifyContext;
  readonly #role: TopicRole;
  readonly #topic: string;
  readonly #rangeOf: RangeOf;
  readonly #tallies = new Map<string, DeepTally>();
  /** Offsets of which all is known, by partition. */
  readonly #sound = new Map<string, OffsetRanges>();
  #facts: readonly PartitionFacts[] = [];

  constructor(context: VerifyContext, role: TopicRole, rangeOf: RangeOf) {
    this.#context = context;
    this.#role = role;
    this.#topic = topicNames(context.config)[role];
    this.#rangeOf = rangeOf;
  }

  async run(isDeep: boolean): Promise<VerifiedTopic> {
    const { retry } = this.#context;
    const table = LEDGER_TABLES[this.#role];
    const question = { topic: this.#topic, pipeline: table.pipeline };
    const facts = await retry(() => gatherFacts(this.#context, question));
    this.#facts = facts.filter(({ source }) => this.#rangeOf(source) !== null);
    this.#context.progress.begin(this.#topic, this.#recordsExpected());
    const days = new DayCounts({
      ...this.#context,
      table,
      exportedTo: (source) => this.#context.cold.nextOf(table.table, source),
    });
    const archive = isDeep ? await this.#walkDeep(days) : await this.#walk(days);
    await days.finish();
    if (!isDeep) this.#reportSurplus(days);
    const now = await retry(() => kafkaFacts(this.#context.admin, this.#topic));
    this.#compareEnds(archive, now);
    return { partitions: this.#partitions(archive, days), gaps: this.#gaps(archive) };
  }

  #walk(days: DayCounts): Promise<ArchiveVerdict> {
    return this.#archive(async (batch) => {
      await this.#countDay(days, batch);
      this.#context.progress.records(batch.parts[0]?.metadata?.batchCount ?? 0);
    });
  }

  async #walkDeep(days: DayCounts): Promise<ArchiveVerdict> {
    const { config, client, admin, findings, schemas, retry, progress } = this.#context;
    const table = LEDGER_TABLES[this.#role];
    const letters = new Letters();
    const outside = new RowsOutside({ client, table, findings, retry });
    const kafka = await retry(() => RangeReader.connect(config, 'verify'));
    const expected = new ExpectedRows(table, { topic: this.#topic, limits: timeLimits(config), schemas });
    const rows = new StoredRows(client, table);
    const tools = { kafka, expected, letters, rows, table, cold: this.#context.cold, place: this.#context };
    try {
      await this.#readColdTier();
      const isAsked = new Set(this.#facts.map(({ source }) => partitionKey(source)));
      await retry(() =>
        letters.load(this.#topic, {
          config,
          admin,
          findings,
          isAsked: (source) => isAsked.has(partitionKey(source)),
        }),
      );
      const stretches = new Stretches(async (stretch) => {
        const facts = this.#factsOf(stretch);
        const known = {
          ...tools,
          inKafka: inKafka(facts),
          gaps: rangesOf(facts.gaps),
          next: facts.next ?? 0,
        };
        const [read, judged] = await retry(async () => {
          const one = await readStretch(stretch, known);
          return [one, await judgeRows(stretch, one, known)] as const;
        });
        for (const damage of read.damages) findings.add(damage);
        findings.addAll(read.findings);
        findings.addAll(judged.findings);
        for (const offset of judged.metLetters) letters.met(stretch.source, offset);
        await outside.add(stretch, { ...judged, unsound: read.unsound, known: judged.outside });
        this.#tally(stretch, { ...judged.tally, records: read.records, compared: read.compared });
        const sound = this.#soundOf(partitionKey(stretch.source));
        for (const range of read.unsound.gapsIn(stretch)) sound.add(range);
        progress.records(read.records);
      });
      const archive = await this.#archive(async (batch) => {
        await this.#countDay(days, batch);
        await stretches.add(batch);
      });
      await stretches.flush();
      await outside.finish();
      for (const { source } of this.#facts) {
        this.#reportLettersLeft(letters, source);
        await reportColdRowsLeft(this.#context, source, {
          sound: this.#soundOf(partitionKey(source)),
          asked: this.#rangeOf(source),
        });
      }
      return archive;
    } finally {
      outside.close();
      letters.close();
      await kafka.close();
    }
  }

  async #archive(onBatch: (batch: ListedBatch) => Promise<void>): Promise<ArchiveVerdict> {
    const { container, prefix, findings } = this.#context;
    const archive = await verifyArchive({
      container,
      prefix,
      topics: [this.#topic],
      isDeep: false,
      rangeOf: this.#rangeOf,
      onBatch,
    });
    for (const one of archive.discrepancies) findings.add({ ...one, records: null });
    return archive;
  }

  /** A batch that has faults, or that its pipeline had not come past, tells nothing by its count. */
  async #countDay(days: DayCounts, batch: ListedBatch): Promise<void> {
    const next = this.#factsOf(batch).next ?? 0;
    if (batch.faults.length === 0 && batch.last < next) await days.add(batch);
  }

  #reportSurplus({ counted }: DayCounts): void {
    for (const { source, day, first, last, records, rows } of counted) {
      if (rows <= records) continue;
      const detail = `${rows} rows for ${records} records of ${day}`;
      const message = explain('rows_surplus', detail);
      const surplus = { code: 'rows_surplus', ...source, first, last, path: null } as const;
      this.#context.findings.add({ ...surplus, records: rows - records, message });
    }
  }

  /** Nothing of it leaves ClickHouse, or can, before it is in the cold tier. */
  async #readColdTier(): Promise<void> {
    const { cold } = this.#context;
    const { table } = LEDGER_TABLES[this.#role];
    const isAsked = this.#facts.some(
      ({ source }) => (this.#rangeOf(source)?.first ?? 0) < cold.nextOf(table, source),
    );
    if (isAsked) await cold.read(table);
  }

  #reportLettersLeft(letters: Letters, source: PartitionFacts['source']): void {
    const sound = this.#soundOf(partitionKey(source));
    for (const offset of letters.left(source))
      if (isIn(sound, offset))
        this.#context.findings.record({ code: 'letter_without_record', source, offset });
  }

  /** @param now Kafka's word after the archive's: an archive that went on meanwhile is not taken to be ahead */
  #compareEnds({ partitions }: ArchiveVerdict, now: Awaited<ReturnType<typeof kafkaFacts>>): void {
    for (const { topic, topicId, partition, next } of partitions) {
      const source = { topic, topicId, partition };
      const key = partitionKey(source);
      const before = this.#factsOf({ source }).kafka;
      const range = this.#rangeOf(source);
      if (next === null || range === null) continue;
      const high = now.get(key)?.high;
      const report = (code: 'dropped_unarchived' | 'archive_beyond_kafka', offsets: OffsetRange) => {
        const asked = intersection(offsets, range);
        if (asked === null) return;
        const about = { ...source, ...asked, path: null, records: null };
        this.#context.findings.add({ code, ...about, message: explain(code) });
      };
      if (before !== null && before.low > next)
        report('dropped_unarchived', { first: next, last: before.low - 1 });
      if (high !== undefined && next > high) report('archive_beyond_kafka', { first: high, last: next - 1 });
    }
  }

  #partitions({ partitions }: ArchiveVerdict, { counted }: DayCounts): VerifiedPartition[] {
    const archived = new Map(partitions.map((one) => [partitionKey(one), one]));
    const days = Map.groupBy(counted, ({ source }) => partitionKey(source));
    return this.#facts.map(({ source, kafka, next }) => {
      const key = partitionKey(source);
      const archive = archived.get(key);
      return {
        source,
        kafka,
        archive:
          archive === undefined
            ? null
            : {
                begin: archive.begin,
                next: archive.next,
                intent: archive.intent,
                segments: archive.segments,
                records: archive.records,
                bytes: archive.bytes,
              },
        pipeline: LEDGER_TABLES[this.#role].pipeline,
        next,
        days: (days.get(key) ?? []).sort((a, b) => a.first - b.first),
        deep: this.#tallies.get(key) ?? null,
      };
    });
  }

  #gaps({ acceptedGaps }: ArchiveVerdict): KnownGap[] {
    const { pipeline } = LEDGER_TABLES[this.#role];
    return [
      ...acceptedGaps.map(({ topic, topicId, partition, first, last, by, reason, at }) => {
        return { pipeline: 'archive' as const, topic, topicId, partition, first, last, by, reason, at };
      }),
      ...this.#facts.flatMap(({ source, gaps }) => {
        const range = this.#rangeOf(source);
        return gaps
          .filter((gap) => range !== null && intersection(gap, range) !== null)
          .map((gap) => ({ pipeline, ...source, ...gap }));
      }),
    ];
  }

  #recordsExpected(): number {
    return this.#facts.reduce((sum, { kafka, next, source }) => {
      const range = this.#rangeOf(source);
      const asked =
        range === null ? null : intersection(range, { first: 0, last: (kafka?.end ?? next ?? 0) - 1 });
      return sum + (asked === null ? 0 : asked.last - asked.first + 1);
    }, 0);
  }

  #tally({ source }: Pick<Stretch, 'source'>, tally: DeepTally): void {
    const known = this.#tallies.get(partitionKey(source)) ?? { ...NO_TALLY, records: 0, compared: 0 };
    this.#tallies.set(partitionKey(source), {
      records: known.records + tally.records,
      compared: known.compared + tally.compared,
      rows: known.rows + tally.rows,
      letters: known.letters + tally.letters,
      copies: known.copies + tally.copies,
      pending: known.pending + tally.pending,
      expiredLetters: known.expiredLetters + tally.expiredLetters,
      cold: known.cold + tally.cold,
      hidden: known.hidden + tally.hidden,
    });
  }

  #soundOf(key: string): OffsetRanges {
    const known = this.#sound.get(key) ?? new OffsetRanges();
    this.#sound.set(key, known);
    return known;
  }

  /** A partition that came into being since has nothing that could be held against anybody. */
  #factsOf({ source }: Pick<PartitionFacts, 'source'>): PartitionFacts {
    const key = partitionKey(source);
    const known = this.#facts.find((one) => partitionKey(one.source) === key);
    return known ?? { source, kafka: null, next: null, gaps: [] };
  }
}

function inKafka({ kafka }: PartitionFacts): OffsetRange | null {
  return kafka === null || kafka.low >= kafka.end ? null : { first: kafka.low, last: kafka.end - 1 };
}
