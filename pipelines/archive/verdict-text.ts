/** What `archive verify` found, for people. */
import { textTable } from '../common/text-table.ts';
import type { AcceptedGap, ArchiveVerdict, Discrepancy, VerifiedPartition } from './verify.ts';

const COLUMNS = [
  { head: 'topic' },
  { head: 'partition', align: 'right' },
  { head: 'offsets' },
  { head: 'segments', align: 'right' },
  { head: 'records', align: 'right' },
  { head: 'bytes', align: 'right' },
] as const;

const number = new Intl.NumberFormat('en-US');

export function verdictText({ partitions, acceptedGaps, discrepancies }: ArchiveVerdict): string {
  const topicIds = new Map<string, Set<string>>();
  for (const { topic, topicId } of partitions)
    topicIds.set(topic, (topicIds.get(topic) ?? new Set()).add(topicId));
  // Only a topic that was made anew under its old name needs to be told from itself.
  const name = ({ topic, topicId }: VerifiedPartition) =>
    (topicIds.get(topic)?.size ?? 0) > 1 ? `${topic} (${topicId.slice(0, 8)})` : topic;
  const rows = partitions.map((one) => [
    name(one),
    one.partition,
    offsets(one),
    number.format(one.segments),
    number.format(one.records),
    number.format(one.bytes),
  ]);
  const lines = [
    ...acceptedGaps.map((one) => `${one.code}: ${where({ ...one, path: null })}${acceptance(one)}\n`),
    ...discrepancies.map((one) => `${one.code}: ${where(one)}${one.message}\n`),
  ];
  const whole = acceptedGaps.length === 0 ? '' : ', but for the gaps that were accepted';
  const conclusion =
    discrepancies.length === 0
      ? `the archive is whole: ${partitions.length} partitions, no offset missing or twice${whole}\n`
      : `${discrepancies.length} discrepancies\n`;
  return `${textTable(COLUMNS, rows)}\n\n${lines.join('')}${conclusion}`;
}

function offsets({ begin, next, intent }: VerifiedPartition): string {
  if (begin === null || next === null) return '?';
  const written = next > begin ? `${begin}..${next - 1}` : 'none yet';
  return intent === null ? written : `${written}, writing ${intent.first}..${intent.last}`;
}

function acceptance({ by, at, reason, abandoned }: AcceptedGap): string {
  const begun =
    abandoned === null
      ? ''
      : `; the batch ${abandoned.first}..${abandoned.last} had been begun, its segments do not count`;
  return `accepted by ${by} at ${at}: ${reason}${begun}`;
}

type Place = Pick<Discrepancy, 'topic' | 'topicId' | 'partition' | 'first' | 'last' | 'path'>;

function where({ topic, topicId, partition, first, last, path }: Place): string {
  const parts = [
    partition === null ? topic : `${topic}/${partition}`,
    ...(topicId === null ? [] : [topicId]),
    ...(first === null ? [] : [`offsets ${first}..${last}`]),
    ...(path === null ? [] : [path]),
  ];
  return `${parts.join(', ')}: `;
}
