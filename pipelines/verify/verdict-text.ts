/** The verdict for people: a table of partitions, the discrepancies, and the gaps that somebody accepted. */
import { textTable } from '../common/text-table.ts';
import type { Discrepancy } from './findings.ts';
import { type ColdVerdict, type KnownGap, totalOf, type Verdict, type VerifiedPartition } from './verdict.ts';

const number = new Intl.NumberFormat('en-US');
const right = (head: string) => ({ head, align: 'right' as const });

/** Discrepancies printed; JSON has more of them. */
const MOST_PRINTED = 100;

export function verdictText(verdict: Verdict): string {
  const { partitions, discrepancies, gaps, isDeep } = verdict;
  const total = totalOf(verdict);
  const printed = discrepancies.slice(0, MOST_PRINTED);
  return [
    isDeep ? deepTable(partitions) : quickTable(partitions),
    '',
    ...notes(verdict),
    ...printed.map(discrepancyLine),
    ...(total > printed.length
      ? [`and ${number.format(total - printed.length)} more; --format json lists them`]
      : []),
    ...gaps.map(gapLine),
    conclusion(verdict, total),
    '',
  ].join('\n');
}

function quickTable(partitions: readonly VerifiedPartition[]): string {
  return textTable(
    [...PLACE_COLUMNS, right('archived'), right('rows'), right('other'), { head: 'behind' }],
    partitions.map((one) => {
      const { records, rows } = countsOf(one);
      return [
        ...place(one, partitions),
        count(one.archive?.records),
        count(rows),
        count(records - rows),
        behind(one),
      ];
    }),
  );
}

function deepTable(partitions: readonly VerifiedPartition[]): string {
  return textTable(
    [
      ...PLACE_COLUMNS,
      right('archived'),
      right('= Kafka'),
      right('rows'),
      right('+ cold tier'),
      right('+ copies'),
      right('+ dead letters'),
      { head: 'behind' },
    ],
    partitions.map((one) => [
      ...place(one, partitions),
      count(one.deep?.records ?? one.archive?.records),
      count(one.deep?.compared),
      count(one.deep?.rows),
      count(one.deep?.cold),
      count(one.deep?.copies),
      count(one.deep === null ? undefined : one.deep.letters + one.deep.expiredLetters),
      behind(one),
    ]),
  );
}

const PLACE_COLUMNS = [{ head: 'topic' }, right('partition'), { head: 'Kafka' }, { head: 'archive' }];

function place(
  { source, kafka, archive }: VerifiedPartition,
  all: readonly VerifiedPartition[],
): (string | number)[] {
  // Only a topic that was made anew under its old name needs to be told from itself.
  const isOne = all.every(
    (one) => one.source.topic !== source.topic || one.source.topicId === source.topicId,
  );
  return [
    isOne ? source.topic : `${source.topic} (${source.topicId.slice(0, 8)})`,
    source.partition,
    kafka === null ? 'gone' : range(kafka.low, kafka.end),
    archive === null ? '-' : range(archive.begin, archive.next),
  ];
}

function range(first: number | null, end: number | null): string {
  if (first === null || end === null) return '?';
  return end > first ? `${first}..${end - 1}` : '-';
}

function count(value: number | undefined): string {
  return value === undefined ? '-' : number.format(value);
}

function countsOf({ days }: VerifiedPartition): { records: number; rows: number; exported: number } {
  const sum = (of: (day: VerifiedPartition['days'][number]) => number) =>
    days.reduce((total, day) => total + of(day), 0);
  return {
    records: sum(({ records }) => records),
    rows: sum(({ rows }) => rows),
    exported: sum(({ exported }) => exported),
  };
}

/** Not yet written is no discrepancy, but somebody may wonder. */
function behind({ kafka, archive, pipeline, next }: VerifiedPartition): string {
  if (kafka === null) return '';
  const lag = (name: string, at: number) => {
    const offsets = kafka.end - Math.max(at, kafka.low);
    return offsets > 0 ? [`${name} ${number.format(offsets)}`] : [];
  };
  return [...lag('archive', archive?.next ?? 0), ...lag(pipeline, next ?? 0)].join(', ');
}

function notes({ isDeep, partitions, derived, cold }: Verdict): string[] {
  const expired = partitions.reduce((sum, { deep }) => sum + (deep?.expiredLetters ?? 0), 0);
  const other = partitions
    .map(countsOf)
    .reduce((sum, { records, rows }) => sum + Math.max(0, records - rows), 0);
  const isExported = partitions.some((one) => countsOf(one).exported > 0);
  const hidden = partitions.reduce((sum, { deep }) => sum + (deep?.hidden ?? 0), 0);
  return [
    ...(isDeep || other === 0
      ? []
      : [
          `${number.format(other)} archived records have no row of their own: ${isExported ? 'in the cold tier, ' : ''}copies, dead letters or missing, --deep tells`,
        ]),
    ...(cold === null ? [] : [coldNote(cold)]),
    ...(hidden === 0
      ? []
      : [
          `${number.format(hidden)} archived records were not judged: their rows may be in files of the cold tier that could not be read`,
        ]),
    ...(expired === 0
      ? []
      : [`${number.format(expired)} bad records are so old that their dead letters may have expired`]),
    ...derived.map(({ name, checked }) =>
      checked === null
        ? `${name}: not checked, because only a part of the records was asked about`
        : `${name}: ${number.format(checked)} checked`,
    ),
  ];
}

function coldNote({ through, files, rows, read }: ColdVerdict): string {
  const what = `${number.format(rows)} rows in ${number.format(files)} files, events up to ${through ?? 'no day'}`;
  return read === null
    ? `cold tier: answers for rows that have left ClickHouse by ${what}: looked at by name and size only`
    : `cold tier: ${what}: ${number.format(read)} rows read, each byte of their files`;
}

function discrepancyLine(one: Discrepancy): string {
  const parts = [
    ...(one.topic === null ? [] : [one.partition === null ? one.topic : `${one.topic}/${one.partition}`]),
    ...(one.topicId === null ? [] : [one.topicId]),
    ...(one.first === null
      ? []
      : [one.first === one.last ? `offset ${one.first}` : `offsets ${one.first}..${one.last}`]),
    ...(one.path === null ? [] : [one.path]),
  ];
  return `${one.code}: ${parts.join(', ')}: ${one.message}`;
}

function gapLine({ pipeline, topic, topicId, partition, first, last, by, reason, at }: KnownGap): string {
  return `accepted gap: ${pipeline}, ${topic}/${partition}, ${topicId}, offsets ${first}..${last}: accepted by ${by} at ${at}: ${reason}`;
}

function conclusion({ isDeep, gaps }: Verdict, total: number): string {
  if (total > 0) return `${number.format(total)} ${total === 1 ? 'discrepancy' : 'discrepancies'}`;
  const but = gaps.length === 0 ? '' : ', but for the gaps that were accepted';
  return isDeep
    ? `clean: every record is where it belongs${but}`
    : `clean, as far as names and counts can tell${but}`;
}
