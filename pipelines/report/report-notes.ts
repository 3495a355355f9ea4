/** What else a reader has to know of what a report tells, and of what it does not, where its format has no place for the header. */
import type { ReportHeader } from './report.ts';

export function notesOf({
  by,
  known_at: knownAt,
  sources,
}: Pick<ReportHeader, 'by' | 'known_at' | 'sources'>): string[] {
  return [
    ...(by === 'interaction'
      ? ['messages to which anything happened in the range, whenever they were sent']
      : []),
    ...(knownAt === null ? [] : [`only what had been recorded by ${knownAt}`]),
    ...(sources.local_only
      ? [
          'ClickHouse alone was asked (--local-only): what is old, or was recorded a moment ago, may be missing',
        ]
      : []),
  ];
}
