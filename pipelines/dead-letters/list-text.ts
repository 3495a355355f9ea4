/** Letters one a line: columns of fixed widths, so that a line can be printed before the next letter is known. */
import { DEAD_LETTER_CODES } from '../common/dead-letters/codes.ts';
import { printable } from '../common/printable.ts';
import { type Letter, originText } from './letter.ts';
import type { ReplayOutcome } from './replay.ts';

const TIME_WIDTH = '2026-11-20T12:00:00.000Z'.length;
const CODE_WIDTH = Math.max(...Object.keys(DEAD_LETTER_CODES).map(({ length }) => length));
const BYTES_WIDTH = 10;
const OUTCOME_WIDTH = 'would be replayed'.length;

export const LIST_HEAD = columns(['found', 'code', 'bytes', 'replayed', 'letter']);

export interface ListedLetter {
  readonly letter: Letter;
  /** Milliseconds; null when it was not. */
  readonly replayedAtMs: number | null;
}

export function listLine({ letter, replayedAtMs }: ListedLetter): string {
  return columns([
    timeText(letter.atMs) ?? 'unknown',
    letter.code,
    String(sizeOf(letter)),
    timeText(replayedAtMs) ?? '-',
    originText(letter.origin),
  ]);
}

/** One object a letter, for machines. */
export function listObject({ letter, replayedAtMs }: ListedLetter): object {
  const { origin, topic, partition, offset, code, reason, atMs, replayOf, cut } = letter;
  return {
    letter: originText(origin),
    topic: origin.topic,
    topic_id: origin.topicId,
    partition: origin.partition,
    offset: origin.offset,
    dead_letter: { topic, partition, offset },
    code,
    reason,
    found_at: timeText(atMs),
    bytes: sizeOf(letter),
    is_cut: cut !== null,
    replay_of: replayOf,
    replayed_at: timeText(replayedAtMs),
  };
}

export function outcomeLine(outcome: ReplayOutcome, { isDryRun }: { isDryRun: boolean }): string {
  const { letter } = outcome;
  const head = `${outcomeWord(outcome, isDryRun).padEnd(OUTCOME_WIDTH)}  ${originText(letter.origin)}`;
  switch (outcome.outcome) {
    case 'replayed':
      return `${head}  ${letter.code}`;
    case 'skipped':
      return `${head}  replayed before, ${timeText(outcome.replayedAtMs) ?? 'at an unknown time'}`;
    case 'refused':
      return `${head}  ${outcome.refusal.code}: ${printable(outcome.refusal.reason)}`;
  }
}

export function outcomeObject(outcome: ReplayOutcome, { isDryRun }: { isDryRun: boolean }): object {
  const { letter } = outcome;
  const about = {
    letter: originText(letter.origin),
    replay_of: `${letter.origin.topicId}/${letter.origin.partition}/${letter.origin.offset}`,
    outcome: outcomeWord(outcome, isDryRun).replaceAll(' ', '_'),
    code: letter.code,
  };
  switch (outcome.outcome) {
    case 'replayed':
      return { ...about, schema_id: outcome.record.newSchemaId, is_mapped: outcome.record.isMapped };
    case 'skipped':
      return { ...about, replayed_at: timeText(outcome.replayedAtMs) };
    case 'refused':
      return { ...about, refusal: outcome.refusal };
  }
}

function outcomeWord({ outcome }: ReplayOutcome, isDryRun: boolean): string {
  if (outcome === 'replayed') return isDryRun ? 'would be replayed' : 'replayed';
  return outcome === 'refused' && isDryRun ? 'would be refused' : outcome;
}

/** In the record as it came. */
function sizeOf({ value, cut }: Letter): number {
  return cut?.bytes ?? value?.length ?? 0;
}

function timeText(ms: number | null): string | null {
  return ms === null || Number.isNaN(ms) ? null : new Date(ms).toISOString();
}

function columns([found = '', code = '', bytes = '', replayed = '', letter = '']: readonly string[]): string {
  return [
    found.padEnd(TIME_WIDTH),
    code.padEnd(CODE_WIDTH),
    bytes.padStart(BYTES_WIDTH),
    replayed.padEnd(TIME_WIDTH),
    letter,
  ].join('  ');
}
