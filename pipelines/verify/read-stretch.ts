/** Reads the segments of a stretch to their ends, and holds each record against the one that Kafka still has. */
import { checkContent } from '../archive/check-batch.ts';
import type { ArchivePlace } from '../archive/listing.ts';
import { OffsetRanges } from '../archive/offset-ranges.ts';
import type { ArchivedRecord } from '../archive/segment-reader.ts';
import type { ListedBatch } from '../archive/verify.ts';
import type { OffsetRange } from '../common/batch.ts';
import { OffsetsGone, type RangeReader } from '../common/kafka/range-reader.ts';
import type { Expected, ExpectedRows } from './expected-rows.ts';
import { type Discrepancy, type RecordFinding, recordsOf } from './findings.ts';
import { KafkaDigests } from './kafka-digests.ts';
import type { Stretch } from './stretches.ts';

export interface ReadContext {
  readonly place: ArchivePlace;
  readonly kafka: RangeReader;
  readonly expected: ExpectedRows;
  /** Offsets of the partition that Kafka has, and had when the check began; null for none. */
  readonly inKafka: OffsetRange | null;
}

export interface ReadStretch {
  /** Every record of the batches that are sound, by offset. */
  readonly judged: readonly Expected[];
  readonly records: number;
  /** Of them held against Kafka. */
  readonly compared: number;
  readonly findings: readonly RecordFinding[];
  /** Segments that are not what was written. */
  readonly damages: readonly Discrepancy[];
  /** Offsets of batches that are not whole: nothing can be said of what lies among them. */
  readonly unsound: OffsetRanges;
}

/** @throws {Outage} a service cannot be asked: the stretch can be read again */
export async function readStretch(stretch: Stretch, context: ReadContext): Promise<ReadStretch> {
  const { source } = stretch;
  const kafka = await readKafka(stretch, context);
  const unsound = new OffsetRanges();
  const judged: Expected[] = [];
  const findings: RecordFinding[] = [];
  const damages: Discrepancy[] = [];
  let [records, compared] = [0, 0];
  for (const batch of stretch.batches) {
    const read = await readBatch(batch, { ...context, kafkaDigests: kafka });
    records += read.records;
    damages.push(...read.damages);
    if (!read.isSound) {
      unsound.add({ first: batch.first, last: batch.last });
      continue;
    }
    compared += read.compared;
    for (const one of read.findings) findings.push(one);
    for (const one of read.judged) judged.push(one);
  }
  for (const offset of kafka?.unmet() ?? [])
    if (isIn(unsound, offset)) continue;
    else findings.push({ code: 'record_not_archived', source, offset });
  // The segments of one batch share its offsets.
  judged.sort((a, b) => a.offset - b.offset);
  return { judged, records, compared, findings, damages, unsound };
}

export function isIn(ranges: OffsetRanges, offset: number): boolean {
  return ranges.gapsIn({ first: offset, last: offset }).length === 0;
}

async function readKafka(
  { source, first, last }: Stretch,
  { inKafka, kafka }: ReadContext,
): Promise<KafkaDigests | null> {
  if (inKafka === null) return null;
  const range = { first: Math.max(inKafka.first, first), last: Math.min(inKafka.last, last) };
  if (range.first > range.last) return null;
  try {
    return await KafkaDigests.read(kafka, source, range);
  } catch (error) {
    if (error instanceof OffsetsGone) return null;
    throw error;
  }
}

interface ReadBatch extends Pick<ReadStretch, 'judged' | 'records' | 'compared' | 'findings' | 'damages'> {
  readonly isSound: boolean;
}

async function readBatch(
  { source, first, last, parts, faults }: ListedBatch,
  {
    place,
    expected,
    kafkaDigests,
  }: Pick<ReadContext, 'place' | 'expected'> & { kafkaDigests: KafkaDigests | null },
): Promise<ReadBatch> {
  const findings: RecordFinding[] = [];
  const judged: Expected[] = [];
  const damages: Discrepancy[] = [];
  let [records, compared] = [0, 0];
  const onRecords = async (archived: readonly ArchivedRecord[]): Promise<void> => {
    records += archived.length;
    for (const record of archived) {
      const verdict = kafkaDigests?.compare(record) ?? 'not asked';
      if (verdict === 'not asked') continue;
      compared += 1;
      const at = { source, offset: record.offset };
      if (verdict === 'missing') findings.push({ code: 'record_not_in_kafka', ...at });
      else if (verdict.length > 0)
        findings.push({ code: 'record_differs', ...at, detail: `in its ${verdict.join(' and ')}` });
    }
    if (faults.length > 0 || damages.length > 0) return;
    for (const one of await expected.judge(source, archived)) judged.push(one);
  };
  for (const part of parts) {
    for (const { code, path, message } of await checkContent(place, part, onRecords))
      damages.push({ ...source, code, path, message, first, last, records: recordsOf(part) });
  }
  const isSound = faults.length === 0 && damages.length === 0;
  return { isSound, judged, records, compared, findings, damages };
}
