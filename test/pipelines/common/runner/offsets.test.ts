/** What the alarm of a stopped partition says to type, typed: in every state of affairs, and in any order. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { whyNotAccepted } from '../../../../pipelines/common/runner/offsets.ts';
import { whatToType } from '../../../../pipelines/common/runner/resolver.ts';
import { resolveStart, type StartFacts } from '../../../../pipelines/common/runner/start-offset.ts';

const source = { topic: 't', topicId: 'id', partition: 0 };

const offset = fc.nat(60);

const anyFacts: fc.Arbitrary<StartFacts> = fc
  .record({
    next: fc.option(offset),
    intentLength: fc.option(fc.integer({ min: 1, max: 20 })),
    committed: fc.option(
      fc.record({ offset, note: fc.option(fc.record({ stored: offset, isBeginning: fc.boolean() })) }),
    ),
    low: offset,
    length: offset,
  })
  .map(({ next, intentLength, committed, low, length }) => {
    // Only a sink that has a head has an intent, and it begins where the sink stands.
    const intent =
      intentLength === null || next === null ? null : { first: next, last: next + intentLength - 1 };
    return { sink: { next, intent }, committed, low, end: low + length };
  });

/** As `offsets accept-gap` changes the state of affairs. */
function afterGap(facts: StartFacts, { last }: { last: number }): StartFacts {
  const { committed } = facts;
  const decision = resolveStart(facts);
  const isPast = decision.kind === 'stop' && decision.code === 'committed_ahead' && committed !== null;
  return {
    ...facts,
    sink: { next: last + 1, intent: null },
    committed: isPast && committed.offset > last + 1 ? { offset: last + 1, note: null } : committed,
  };
}

/** As `offsets read-again` does. */
function afterReadAgain(facts: StartFacts): StartFacts {
  const stored = facts.sink.intent?.first ?? facts.sink.next;
  const next = stored ?? facts.low;
  return { ...facts, committed: { offset: next, note: { stored: next, isBeginning: stored === null } } };
}

/** The state of affairs after each of the commands that the alarm names. */
function afterCommands(facts: StartFacts): readonly StartFacts[] {
  const decision = resolveStart(facts);
  if (decision.kind === 'start') return [];
  const text = whatToType('archive', source, decision);
  const commands = text.matchAll(
    /campaign-ledger offsets (\S+) archive --topic t --partition 0(?: --first (\d+) --last (\d+) --reason)?/g,
  );
  return [...commands].map(([, verb, first, last]) => {
    if (verb === 'read-again') {
      expect(decision.code).toBe('committed_ahead');
      return afterReadAgain(facts);
    }
    expect(verb).toBe('accept-gap');
    const gap = { first: Number(first), last: Number(last) };
    expect(whyNotAccepted({ source, decision, end: facts.end }, gap)).toBeNull();
    return afterGap(facts, gap);
  });
}

/** Whether each way through the alarms ends with a start, after so many commands at the most. */
function isMended(facts: StartFacts, commands: number): boolean {
  if (resolveStart(facts).kind === 'start') return true;
  const after = commands === 0 ? [] : afterCommands(facts);
  return after.length > 0 && after.every((one) => isMended(one, commands - 1));
}

describe('the commands that an alarm names', () => {
  it('get the partition going, whichever of them is chosen', () => {
    fc.assert(
      fc.property(anyFacts, (facts) => {
        const decision = resolveStart(facts);
        // A log that was cut off is nothing that a command could mend.
        fc.pre(decision.kind === 'start' || decision.code === 'committed_ahead' || decision.missing !== null);
        // At most one for what was dropped, then one for what was skipped.
        expect(isMended(facts, 2)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('a gap', () => {
  it('never moves the sink past the end of the log, nor anywhere but from where it stands', () => {
    fc.assert(
      fc.property(anyFacts, fc.record({ first: offset, length: offset }), (facts, { first, length }) => {
        const decision = resolveStart(facts);
        const missing = decision.kind === 'stop' ? decision.missing : null;
        for (const gap of [{ first, last: first + length }, ...(missing === null ? [] : [missing])]) {
          if (whyNotAccepted({ source, decision, end: facts.end }, gap) !== null) continue;
          expect(gap.last).toBeLessThan(facts.end);
          if (facts.sink.next !== null) expect(gap.first).toBe(facts.sink.next);
          expect(gap).toEqual(missing);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('beyond the end is refused with the end, also where nothing is missing', () => {
    const facts = {
      sink: { next: 219, intent: null },
      committed: { offset: 500, note: null },
      low: 0,
      end: 219,
    };
    expect(
      whyNotAccepted({ source, decision: resolveStart(facts), end: 219 }, { first: 219, last: 499 }),
    ).toBe('Kafka ends at 219 in t/0: offset 499 is still to come and cannot be missing');
  });
});
