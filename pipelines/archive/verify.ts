/**
 * Proves the archive by itself: for each partition one chain of batches without overlap, and without a gap but those that
 * a person has accepted, each batch whole.
 */
import { type OffsetRange, type PartitionRef, partitionKey } from '../common/batch.ts';
import { PartitionStopped } from '../common/errors.ts';
import { type BatchFault, checkBatch } from './check-batch.ts';
import { type GapRecord, listGaps } from './gap-records.ts';
import { type Head, HeadStore } from './head.ts';
import { type ArchivePlace, type ListedBlob, listHeads, listTopic, orderKey } from './listing.ts';
import { OffsetRanges } from './offset-ranges.ts';

export type DiscrepancyCode =
  | BatchFault['code']
  | 'segment_missing'
  | 'segment_overlap'
  | 'segment_beyond_head'
  | 'foreign_blob'
  | 'gap_unreadable'
  | 'head_missing'
  | 'head_unreadable';

export interface Discrepancy {
  readonly code: DiscrepancyCode;
  readonly topic: string;
  readonly topicId: string | null;
  readonly partition: number | null;
  /** Offsets concerned. */
  readonly first: number | null;
  readonly last: number | null;
  readonly path: string | null;
  /** What is wrong and what to do about it. */
  readonly message: string;
}

export interface VerifiedPartition extends PartitionRef {
  /** Null without a readable head. */
  readonly begin: number | null;
  readonly next: number | null;
  /** A batch that was begun and not yet ended. */
  readonly intent: OffsetRange | null;
  readonly segments: number;
  readonly records: number;
  readonly bytes: number;
}

/** Offsets in no segment, and whoever accepted that: no discrepancy. */
export interface AcceptedGap extends PartitionRef, OffsetRange {
  readonly code: 'accepted_gap';
  readonly by: string;
  readonly reason: string;
  /** ISO 8601, UTC. */
  readonly at: string;
  /** A batch that had been begun; what there is of it is no part of the chain. */
  readonly abandoned: OffsetRange | null;
}

export interface ArchiveVerdict {
  readonly partitions: readonly VerifiedPartition[];
  readonly acceptedGaps: readonly AcceptedGap[];
  readonly discrepancies: readonly Discrepancy[];
}

export interface VerifyOptions extends ArchivePlace {
  readonly topics: readonly string[];
  /** Reads every segment to its end; else names, metadata and counts only. */
  readonly isDeep: boolean;
  /** Offsets that are asked about; null for none of the partition. All when left out. */
  readonly rangeOf?: (source: PartitionRef) => OffsetRange | null;
  /** Called now and then with the segments seen so far. */
  readonly onProgress?: (segments: number) => void;
  /** Called with each batch that was whole before the check began, in the order of the listing. */
  readonly onBatch?: (batch: ListedBatch) => Promise<void>;
  /**
   * Called in the end with each batch of a partition whose head is missing. What is wrong with these is reported only
   * where somebody asks for them: without the head nobody knows what was being written.
   */
  readonly onHeadless?: (batch: ListedBatch) => Promise<void>;
}

export interface ListedBatch extends OffsetRange {
  readonly source: PartitionRef;
  readonly parts: readonly ListedBlob[];
  readonly faults: readonly BatchFault[];
}

/** May run while the archive is being written: what was begun before it ended is not held against it. */
export async function verifyArchive(options: VerifyOptions): Promise<ArchiveVerdict> {
  const partitions: VerifiedPartition[] = [];
  const acceptedGaps: AcceptedGap[] = [];
  const discrepancies: Discrepancy[] = [];
  let segments = 0;
  for (const topic of options.topics) {
    const check = new TopicCheck(topic, options, (discrepancy) => discrepancies.push(discrepancy));
    await check.run(() => options.onProgress?.(++segments));
    partitions.push(...check.partitions());
    acceptedGaps.push(...check.acceptedGaps);
  }
  return { partitions, acceptedGaps, discrepancies };
}

const EVERYTHING: OffsetRange = { first: 0, last: Number.MAX_SAFE_INTEGER };
const NOTHING: OffsetRange = { first: 0, last: -1 };

interface Chain {
  readonly source: PartitionRef;
  /** When the check began, and when it ended. */
  before: Head | null;
  after: Head | null;
  isReadable: boolean;
  /** Batches that are looked at when it is certain that there is no head. */
  readonly headless: Pick<ListedBatch, 'first' | 'last' | 'parts'>[];
  readonly covered: OffsetRanges;
  segments: number;
  records: number;
  bytes: number;
}

class TopicCheck {
  readonly #topic: string;
  readonly #options: VerifyOptions;
  readonly #heads: HeadStore;
  readonly #report: (discrepancy: Discrepancy) => void;
  readonly #chains = new Map<string, Chain>();
  readonly #gaps = new Map<string, GapRecord[]>();
  readonly acceptedGaps: AcceptedGap[] = [];

  constructor(topic: string, options: VerifyOptions, report: (discrepancy: Discrepancy) => void) {
    this.#topic = topic;
    this.#options = options;
    this.#heads = new HeadStore(options.container, options.prefix);
    this.#report = report;
  }

  async run(onSegment: () => void): Promise<void> {
    for (const { topicId, partition } of await listHeads(this.#options, this.#topic)) {
      const source = { topic: this.#topic, topicId, partition };
      if (this.#rangeOf(source) === null) continue;
      const chain = this.#chainOf(source);
      chain.before = await this.#readHead(chain);
    }
    // After the heads: a gap is recorded before its head moves on.
    await this.#readGaps();
    let group: ListedBlob[] = [];
    for await (const blob of listTopic(this.#options, this.#topic)) {
      onSegment();
      const [previous] = group;
      if (previous !== undefined && orderKey(previous) !== orderKey(blob)) {
        await this.#checkGroup(group);
        group = [];
      }
      group.push(blob);
    }
    await this.#checkGroup(group);
    for (const chain of this.#chains.values()) await this.#checkChain(chain);
  }

  partitions(): VerifiedPartition[] {
    const order = (a: VerifiedPartition, b: VerifiedPartition) =>
      a.topicId === b.topicId ? a.partition - b.partition : a.topicId < b.topicId ? -1 : 1;
    return [...this.#chains.values()]
      .map(({ source, after, segments, records, bytes }) => ({
        ...source,
        begin: after?.begin ?? null,
        next: after?.next ?? null,
        intent: after?.intent == null ? null : { first: after.intent.first, last: after.intent.last },
        segments,
        records,
        bytes,
      }))
      .sort(order);
  }

  /** Blobs of one folder, partition and range: one batch, or one for each topic id. */
  async #checkGroup(group: readonly ListedBlob[]): Promise<void> {
    const batches = new Map<string, ListedBlob[]>();
    for (const blob of group) {
      const { name, path } = blob;
      if (name === null) {
        this.#report({
          ...this.#nowhere(),
          code: 'foreign_blob',
          path,
          message: 'is not named as a segment is: move it out of the archive',
        });
      } else {
        batches.set(name.topicId, [...(batches.get(name.topicId) ?? []), blob]);
      }
    }
    for (const parts of batches.values()) await this.#checkParts(parts);
  }

  async #checkParts(parts: readonly ListedBlob[]): Promise<void> {
    const name = parts[0]?.name;
    if (name == null) return;
    const { topic, topicId, partition, first, last } = name;
    const range = this.#rangeOf(name);
    if (range === null || last < range.first || first > range.last || this.#isAbandoned(name)) return;
    const chain = this.#chainOf({ topic, topicId, partition });
    for (const { bytes, metadata } of parts) {
      chain.segments += 1;
      chain.bytes += bytes;
      chain.records += metadata?.count ?? 0;
    }
    const overlap = chain.covered.add({ first, last });
    if (overlap !== null) {
      this.#report({
        ...this.#nowhere(),
        ...chain.source,
        ...overlap,
        code: 'segment_overlap',
        path: parts[0]?.path ?? null,
        message: `offsets ${overlap.first}..${overlap.last} are in another segment too: one of them was copied here, remove it`,
      });
    }
    // A batch that was begun since may be there in part, and so may all of a partition that had no head yet.
    if (chain.isReadable && first >= (chain.before?.next ?? 0)) {
      if (chain.before === null && this.#options.onHeadless !== undefined)
        chain.headless.push({ first, last, parts });
      return;
    }
    const batch = await this.#checked(chain, { first, last, parts });
    await this.#options.onBatch?.(batch);
  }

  async #checked(
    { source }: Chain,
    { first, last, parts }: Pick<ListedBatch, 'first' | 'last' | 'parts'>,
  ): Promise<ListedBatch> {
    const faults = await checkBatch(this.#options, parts);
    for (const { code, path, message } of faults)
      this.#report({ ...source, code, path, message, first, last });
    return { source, first, last, parts, faults };
  }

  async #checkChain(chain: Chain): Promise<void> {
    const { source, before, covered } = chain;
    const after = await this.#readHead(chain);
    chain.after = after;
    if (after === null) {
      if (!chain.isReadable) return;
      this.#report({
        ...this.#nowhere(),
        ...source,
        code: 'head_missing',
        message:
          'there are segments, but no head: restore it from its versions before the archive runs again',
      });
      await this.#checkHeadless(chain);
      return;
    }
    const range = this.#rangeOf(source) ?? NOTHING;
    const written = {
      first: Math.max(range.first, before?.begin ?? 0),
      last: Math.min(range.last, (before?.next ?? 0) - 1),
    };
    if (before !== null) this.#reportGaps(chain, written);
    const end = Math.max(after.next - 1, after.intent?.last ?? 0);
    for (const stray of covered.outside({ first: after.begin, last: end })) {
      this.#report({
        ...source,
        ...stray,
        code: 'segment_beyond_head',
        path: null,
        message: `offsets ${stray.first}..${stray.last} are in a segment outside ${after.begin}..${end}, which is what the head says was written`,
      });
    }
  }

  /** Where it ended nobody knows: gaps are those between its batches. */
  async #checkHeadless(chain: Chain): Promise<void> {
    const { headless } = chain;
    if (headless.length === 0) return;
    this.#reportGaps(chain, {
      first: headless.reduce((least, { first }) => Math.min(least, first), Number.MAX_SAFE_INTEGER),
      last: headless.reduce((most, { last }) => Math.max(most, last), 0),
    });
    for (const one of headless) {
      const batch = await this.#checked(chain, one);
      await this.#options.onHeadless?.(batch);
    }
  }

  #reportGaps(chain: Chain, written: OffsetRange): void {
    this.#accept(chain, written);
    for (const gap of chain.covered.gapsIn(written)) {
      this.#report({
        ...chain.source,
        ...gap,
        code: 'segment_missing',
        path: null,
        message: `offsets ${gap.first}..${gap.last} are in no segment: restore the blob from its versions, or from a copy of the account`,
      });
    }
  }

  /** What a record covers and no segment does. A record alone is not taken at its word: the archive may have gone on. */
  #accept({ source, covered }: Chain, written: OffsetRange): void {
    for (const record of this.#gaps.get(partitionKey(source)) ?? []) {
      const { by, reason, at, abandoned_batch: abandoned } = record;
      const first = Math.max(record.first, written.first);
      const last = Math.min(record.last, written.last);
      for (const hole of covered.gapsIn({ first, last })) {
        this.acceptedGaps.push({ code: 'accepted_gap', ...source, ...hole, by, reason, at, abandoned });
        covered.add(hole);
      }
    }
  }

  /** The batch was begun before the gap and never ended: no later one begins where it does. */
  #isAbandoned({ first, last, ...source }: PartitionRef & OffsetRange): boolean {
    const records = this.#gaps.get(partitionKey(source)) ?? [];
    return records.some(
      ({ abandoned_batch: batch }) => batch !== null && batch.first === first && batch.last === last,
    );
  }

  async #readGaps(): Promise<void> {
    for await (const { path, record } of listGaps(this.#options, this.#topic)) {
      if (record === null) {
        this.#report({
          ...this.#nowhere(),
          code: 'gap_unreadable',
          path,
          message:
            'is not the record of an accepted gap that its name says, or a newer release wrote it: restore it from its versions',
        });
        continue;
      }
      const key = partitionKey({ ...record, topicId: record.topic_id });
      this.#gaps.set(key, [...(this.#gaps.get(key) ?? []), record]);
    }
  }

  async #readHead(chain: Chain): Promise<Head | null> {
    try {
      return (await this.#heads.read(chain.source)).head;
    } catch (error) {
      if (!(error instanceof PartitionStopped)) throw error;
      if (chain.isReadable) {
        this.#report({
          ...this.#nowhere(),
          ...chain.source,
          code: 'head_unreadable',
          message: error.message,
        });
      }
      chain.isReadable = false;
      return null;
    }
  }

  #chainOf(source: PartitionRef): Chain {
    const key = partitionKey(source);
    let chain = this.#chains.get(key);
    if (chain === undefined) {
      const covered = new OffsetRanges();
      chain = {
        source,
        before: null,
        after: null,
        isReadable: true,
        headless: [],
        covered,
        segments: 0,
        records: 0,
        bytes: 0,
      };
      this.#chains.set(key, chain);
    }
    return chain;
  }

  #rangeOf(source: PartitionRef): OffsetRange | null {
    return this.#options.rangeOf === undefined ? EVERYTHING : this.#options.rangeOf(source);
  }

  #nowhere() {
    return { topic: this.#topic, topicId: null, partition: null, first: null, last: null, path: null };
  }
}
