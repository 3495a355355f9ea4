/** What the commits of a restore say beside the offset. */
import { expect, it } from 'vitest';
import {
  type CommitNote,
  NOTHING_NOTED,
  noteText,
  parseNote,
} from '../../../pipelines/restore/commit-note.ts';

const skipped = [
  { first: 7, last: 7 },
  { first: 100, last: 199 },
];

it.each<CommitNote>([
  NOTHING_NOTED,
  { end: 0, skipped: [] },
  { end: null, skipped },
  { end: 1_200, skipped },
])('are read as they were written: %j', (note) => {
  expect(parseNote(noteText(note))).toEqual(note);
});

it('name each stretch once, in order', () => {
  expect(noteText({ end: null, skipped: [...skipped].reverse().concat(skipped) })).toBe(
    'end=all;skipped=7-7,100-199',
  );
});

it('stay within what a broker takes, and leave no offset out', () => {
  const begin = Number.MAX_SAFE_INTEGER - 100_000;
  const many = Array.from({ length: 5_000 }, (_, index) => ({
    first: begin + index * 10,
    last: begin + index * 10 + 3,
  }));
  const text = noteText({ end: Number.MAX_SAFE_INTEGER, skipped: many });
  expect(text.length).toBeLessThan(4_096);
  const read = parseNote(text).skipped;
  for (const { first, last } of many)
    expect(read.some((range) => range.first <= first && range.last >= last)).toBe(true);
  // What one that goes on adds to it does not let it grow.
  expect(noteText({ end: null, skipped: [...read, ...many] }).length).toBeLessThan(4_096);
});

it.each([undefined, null, '', 'stored=5', 'end=5', 'end=5;skipped=1-2;more=1'])(
  'say nothing where others wrote them: %j',
  (text) => {
    expect(parseNote(text)).toEqual(NOTHING_NOTED);
  },
);
