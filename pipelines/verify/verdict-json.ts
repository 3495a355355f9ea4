/** The verdict as JSON: docs/verify.md describes it. */
import type { VerifiedPartition } from './verdict.ts';
import { totalOf, type Verdict } from './verdict.ts';

export const VERDICT_FORMAT = 1;

export function verdictJson(verdict: Verdict): Record<string, unknown> {
  const { discrepancies, gaps, derived, counts } = verdict;
  return {
    format: VERDICT_FORMAT,
    deep: verdict.isDeep,
    started_at: verdict.startedAt,
    finished_at: verdict.finishedAt,
    clean: totalOf(verdict) === 0,
    partitions: verdict.partitions.map(partitionJson),
    cold_tier: verdict.cold,
    derived,
    accepted_gaps: gaps.map(({ topicId, ...gap }) => ({ ...gap, topic_id: topicId })),
    discrepancy_counts: Object.fromEntries(counts),
    discrepancies: discrepancies.map(
      ({ code, topic, topicId, partition, first, last, records, path, message }) => ({
        code,
        topic,
        topic_id: topicId,
        partition,
        first,
        last,
        records,
        path,
        message,
      }),
    ),
  };
}

function partitionJson({ source, kafka, archive, pipeline, next, days, deep }: VerifiedPartition): object {
  return {
    topic: source.topic,
    topic_id: source.topicId,
    partition: source.partition,
    kafka: kafka === null ? null : { first: kafka.low, end: kafka.end },
    archive,
    pipeline,
    next,
    days: days.map(({ day, first, last, records, rows, exported }) => ({
      day,
      first,
      last,
      records,
      rows,
      exported,
    })),
    checked:
      deep === null
        ? null
        : {
            records: deep.records,
            compared_with_kafka: deep.compared,
            rows: deep.rows,
            copies: deep.copies,
            dead_letters: deep.letters,
            pending: deep.pending,
            expired_dead_letters: deep.expiredLetters,
            cold_rows: deep.cold,
            hidden: deep.hidden,
          },
  };
}
