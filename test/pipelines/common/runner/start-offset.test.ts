/** Where reading begins, against a model of what the sink has, the group has committed, and Kafka still holds. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CommitNote,
  commitMetadata,
  readCommitMetadata,
  resolveStart,
  type StartFacts,
} from '../../../../pipelines/common/runner/start-offset.ts';

const NOTHING = { next: null, intent: null };

const stored = (offset: number): CommitNote => ({ stored: offset, isBeginning: false });
const begins = (offset: number): CommitNote => ({ stored: offset, isBeginning: true });

const offset = fc.nat(60);

const anyNote = fc.record({ stored: offset, isBeginning: fc.boolean() });

/** Any state of affairs, also those that should never be. */
const anyFacts: fc.Arbitrary<StartFacts> = fc
  .record({
    next: fc.option(offset),
    intentLength: fc.option(fc.integer({ min: 1, max: 20 })),
    intentShift: fc.oneof(fc.constant(0), fc.integer({ min: -3, max: 3 })),
    committed: fc.option(fc.record({ offset, note: fc.option(anyNote) })),
    low: offset,
    length: offset,
  })
  .map(({ next, intentLength, intentShift, committed, low, length }) => {
    const first = Math.max(0, (next ?? 0) + intentShift);
    const intent = intentLength === null ? null : { first, last: first + intentLength - 1 };
    return { sink: { next, intent }, committed, low, end: low + length };
  });

/** What a sink that has nothing needs: what it had by the group's word, else what the group would go on with. */
function neededFirst({ committed, low }: StartFacts): number {
  if (committed === null) return low;
  const { offset, note } = committed;
  const hadSomething = note !== null && !note.isBeginning && note.stored > 0;
  return hadSomething ? 0 : Math.min(offset, low);
}

describe('resolveStart', () => {
  it('starts where the sink needs it, or not at all', () => {
    fc.assert(
      fc.property(anyFacts, (facts) => {
        const decision = resolveStart(facts);
        if (decision.kind === 'stop') return;
        const needed = facts.sink.next ?? facts.sink.intent?.first ?? facts.low;
        expect(decision.offset).toBe(needed);
        expect(decision.intent).toEqual(facts.sink.intent);
      }),
    );
  });

  it('never starts where an offset is gone, cut off, or skipped by the group', () => {
    fc.assert(
      fc.property(anyFacts, (facts) => {
        const decision = resolveStart(facts);
        if (decision.kind === 'stop') return;
        const { sink, committed, low, end } = facts;
        expect(decision.readFrom).toBe(Math.max(decision.offset, low));
        if (decision.offset < low) {
          // Gone, but the group knows that it was markers alone.
          expect(sink.intent).toBeNull();
          expect(committed?.note?.stored).toBeLessThanOrEqual(decision.offset);
          expect(committed?.offset).toBeGreaterThanOrEqual(low);
        }
        if (sink.next !== null || sink.intent !== null) {
          expect(decision.offset).toBeLessThanOrEqual(end);
          expect(sink.intent?.last ?? -1).toBeLessThan(end);
        }
        // An empty sink begins where nothing is missing before it.
        if (sink.next === null && sink.intent === null) expect(neededFirst(facts)).toBe(low);
        // What the group claims beyond the start must be markers alone, or what it was only about to read.
        const isUnread = sink.next === null && sink.intent === null && committed?.note?.isBeginning === true;
        if (committed !== null && committed.offset > decision.offset && !isUnread) {
          expect(committed.note?.stored).toBeLessThanOrEqual(decision.offset);
        }
      }),
    );
  });

  it('stops only with a cause, and names every offset that is missing', () => {
    fc.assert(
      fc.property(anyFacts, (facts) => {
        const decision = resolveStart(facts);
        if (decision.kind === 'start') return;
        const { sink, committed, low, end } = facts;
        const next = sink.intent?.first ?? sink.next ?? neededFirst(facts);
        switch (decision.code) {
          case 'intent_mismatch':
            expect(sink.intent?.first).not.toBe(sink.next);
            break;
          case 'offset_out_of_range':
            if (decision.missing === null) expect((sink.intent?.last ?? next - 1) + 1).toBeGreaterThan(end);
            else expect(decision.missing).toEqual({ first: next, last: low - 1 });
            break;
          case 'committed_ahead': {
            const last = Math.min(committed?.offset ?? 0, end) - 1;
            const isWhole = last >= next && last >= (sink.intent?.last ?? 0);
            expect(decision.missing).toEqual(isWhole ? { first: next, last } : null);
            break;
          }
        }
        if (decision.missing !== null) {
          expect(decision.missing.last).toBeGreaterThanOrEqual(decision.missing.first);
          expect(decision.missing.last).toBeLessThan(end);
        }
      }),
    );
  });

  it('says what a committed offset behind the sink lacks', () => {
    const facts = { sink: { next: 20, intent: null }, low: 0, end: 30 };
    expect(resolveStart({ ...facts, committed: { offset: 12, note: stored(12) } })).toMatchObject({
      kind: 'start',
      offset: 20,
      committedBehind: { first: 12, last: 19 },
    });
    expect(resolveStart({ ...facts, committed: { offset: 20, note: stored(20) } })).toMatchObject({
      committedBehind: null,
    });
    expect(resolveStart({ ...facts, committed: null })).toMatchObject({ offset: 20, committedBehind: null });
  });

  it('takes a commit past trailing markers for what it is, and another person’s for a skip', () => {
    const facts = { sink: { next: 20, intent: null }, low: 0, end: 30 };
    expect(resolveStart({ ...facts, committed: { offset: 22, note: stored(20) } })).toMatchObject({
      offset: 20,
    });
    expect(resolveStart({ ...facts, committed: { offset: 22, note: null } })).toMatchObject({
      kind: 'stop',
      code: 'committed_ahead',
      missing: { first: 20, last: 21 },
    });
  });

  it('takes nothing for missing that Kafka has not written yet', () => {
    const committed = { offset: 500, note: null };
    const sink = { next: 50, intent: null };
    expect(resolveStart({ sink, committed, low: 0, end: 219 })).toMatchObject({
      code: 'committed_ahead',
      missing: { first: 50, last: 218 },
    });
    expect(resolveStart({ sink: { next: 219, intent: null }, committed, low: 0, end: 219 })).toMatchObject({
      code: 'committed_ahead',
      missing: null,
    });
    expect(resolveStart({ sink: NOTHING, committed, low: 0, end: 0 })).toMatchObject({
      code: 'committed_ahead',
      missing: null,
    });
  });

  it('lets no skip end inside a batch that was begun', () => {
    const sink = { next: 20, intent: { first: 20, last: 25 } };
    const facts = { sink, low: 0, end: 30 };
    const code = 'committed_ahead';
    expect(resolveStart({ ...facts, committed: { offset: 24, note: null } })).toMatchObject({
      code,
      missing: null,
    });
    expect(resolveStart({ ...facts, committed: { offset: 26, note: null } })).toMatchObject({
      code,
      missing: { first: 20, last: 25 },
    });
  });

  it('goes on where Kafka has dropped trailing markers that the group had passed', () => {
    const facts = { sink: { next: 20, intent: null }, low: 25, end: 30 };
    expect(resolveStart({ ...facts, committed: { offset: 25, note: stored(20) } })).toMatchObject({
      kind: 'start',
      offset: 20,
      readFrom: 25,
      committedBehind: null,
    });
    const missing = { kind: 'stop', code: 'offset_out_of_range', missing: { first: 20, last: 24 } };
    expect(resolveStart({ ...facts, committed: { offset: 24, note: stored(20) } })).toMatchObject(missing);
    expect(resolveStart({ ...facts, committed: { offset: 25, note: stored(21) } })).toMatchObject(missing);
    expect(resolveStart({ ...facts, committed: { offset: 25, note: null } })).toMatchObject(missing);
    expect(resolveStart({ ...facts, committed: null })).toMatchObject(missing);
    const intent = { first: 20, last: 22 };
    expect(
      resolveStart({ ...facts, sink: { next: 20, intent }, committed: { offset: 25, note: stored(20) } }),
    ).toMatchObject(missing);
  });

  it('reads everything when the sink has nothing and the group knows of nothing', () => {
    const facts = { sink: NOTHING, low: 5, end: 30 };
    const start = { kind: 'start', offset: 5, readFrom: 5 };
    expect(resolveStart({ ...facts, committed: null })).toMatchObject(start);
    // It was to begin here; until 9 there were aborted transactions only.
    expect(resolveStart({ ...facts, committed: { offset: 5, note: begins(5) } })).toMatchObject(start);
    expect(resolveStart({ ...facts, committed: { offset: 9, note: begins(5) } })).toMatchObject(start);
    expect(resolveStart({ ...facts, committed: { offset: 9, note: begins(2) } })).toMatchObject(start);
    // Somebody told the group to begin where Kafka does.
    expect(resolveStart({ ...facts, committed: { offset: 5, note: null } })).toMatchObject(start);
    expect(resolveStart({ ...facts, committed: { offset: 6, note: null } })).toMatchObject({
      code: 'committed_ahead',
      missing: { first: 5, last: 5 },
    });
  });

  it.each([
    ['stored', { offset: 30, note: stored(30) }, 0],
    ['stored before markers', { offset: 60, note: stored(30) }, 0],
    ['stored up to where Kafka begins', { offset: 50, note: stored(50) }, 0],
    ['begun at', { offset: 30, note: begins(20) }, 30],
    ['set by somebody else', { offset: 30, note: null }, 30],
  ])(
    'stops where the sink has nothing of what was %s, and Kafka no longer has it',
    (_what, committed, first) => {
      expect(resolveStart({ sink: NOTHING, committed, low: 50, end: 100 })).toMatchObject({
        kind: 'stop',
        code: 'offset_out_of_range',
        missing: { first, last: 49 },
      });
    },
  );

  it('holds no commit against the sink that was made before somebody moved it', () => {
    const facts = { low: 0, end: 100 };
    const sink = { next: 20, intent: null, epoch: 7 };
    for (const note of [stored(60), { ...stored(60), epoch: 6 }, { ...begins(60), epoch: 6 }])
      expect(resolveStart({ ...facts, sink, committed: { offset: 60, note } })).toMatchObject({
        kind: 'start',
        offset: 20,
        committedBehind: null,
      });
    for (const note of [null, { ...stored(60), epoch: 7 }, { ...stored(60), epoch: 8 }])
      expect(resolveStart({ ...facts, sink, committed: { offset: 60, note } })).toMatchObject({
        kind: 'stop',
        code: 'committed_ahead',
        missing: { first: 20, last: 59 },
      });
    // Nothing that the sink has: then it was lost once more, and every commit counts.
    expect(
      resolveStart({ ...facts, sink: NOTHING, committed: { offset: 60, note: { ...stored(60), epoch: 7 } } }),
    ).toMatchObject({ kind: 'stop', missing: { first: 0, last: 59 } });
  });

  it('has everything read again that the sink lost, where Kafka still has all of it', () => {
    const facts = { sink: NOTHING, low: 0, end: 100 };
    expect(resolveStart({ ...facts, committed: { offset: 30, note: stored(30) } })).toMatchObject({
      kind: 'stop',
      code: 'committed_ahead',
      missing: { first: 0, last: 29 },
    });
  });
});

describe('commit metadata', () => {
  it('is read back', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 48), fc.boolean(), fc.nat(2 ** 32 - 1), (stored, isBeginning, epoch) => {
        const note = { stored, isBeginning };
        expect(readCommitMetadata(commitMetadata(note))).toEqual(note);
        const read = readCommitMetadata(commitMetadata({ ...note, epoch }));
        expect(read).toEqual(epoch === 0 ? note : { ...note, epoch });
      }),
    );
  });

  it.each([
    null,
    undefined,
    '',
    'stored=',
    'stored=-1',
    'begin=',
    'stored=1 ',
    'stored=1e3',
    'stored=1;epoch=',
    'x',
  ])('is nothing in %j', (text) => {
    expect(readCommitMetadata(text)).toBeNull();
  });
});
