/** How many letters there are, by topic and code. */
import { textTable } from '../common/text-table.ts';
import type { ListedLetter } from './list-text.ts';

export interface LetterCount {
  readonly topic: string;
  readonly code: string;
  letters: number;
  replayed: number;
  /** When the first and the last of them were found, in milliseconds. */
  firstMs: number;
  lastMs: number;
}

export class LetterCounts {
  readonly #counts = new Map<string, LetterCount>();

  add({ letter: { origin, code, atMs }, replayedAtMs }: ListedLetter): void {
    const key = JSON.stringify([origin.topic, code]);
    const count = this.#counts.get(key) ?? {
      topic: origin.topic,
      code,
      letters: 0,
      replayed: 0,
      firstMs: Number.POSITIVE_INFINITY,
      lastMs: Number.NEGATIVE_INFINITY,
    };
    count.letters += 1;
    if (replayedAtMs !== null) count.replayed += 1;
    if (atMs < count.firstMs) count.firstMs = atMs;
    if (atMs > count.lastMs) count.lastMs = atMs;
    this.#counts.set(key, count);
  }

  /** Of each topic the most frequent codes first. */
  get sorted(): readonly LetterCount[] {
    return [...this.#counts.values()].sort(
      (a, b) => a.topic.localeCompare(b.topic) || b.letters - a.letters || a.code.localeCompare(b.code),
    );
  }
}

export function countsTable(counts: readonly LetterCount[]): string {
  const number = (head: string) => ({ head, align: 'right' as const });
  return textTable(
    [
      { head: 'topic' },
      { head: 'code' },
      number('letters'),
      number('replayed'),
      { head: 'first found' },
      { head: 'last found' },
    ],
    counts.map(({ topic, code, letters, replayed, firstMs, lastMs }) => [
      topic,
      code,
      letters,
      replayed,
      timeText(firstMs) ?? '-',
      timeText(lastMs) ?? '-',
    ]),
  );
}

export function countObject({ topic, code, letters, replayed, firstMs, lastMs }: LetterCount): object {
  return {
    topic,
    code,
    letters,
    replayed,
    first_found_at: timeText(firstMs),
    last_found_at: timeText(lastMs),
  };
}

function timeText(ms: number): string | null {
  return Number.isFinite(ms) ? new Date(ms).toISOString() : null;
}
