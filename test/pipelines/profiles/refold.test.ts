/** Folding again what changes bear on: in any interleaving of any processes, what stays is one fold over everything. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { foldOrdered, foldProfile } from '../../../pipelines/profiles/fold/fold-profile.ts';
import type { StoredChange } from '../../../pipelines/profiles/histories.ts';
import { planRefold } from '../../../pipelines/profiles/refold.ts';
import {
  ProfileTables,
  precedenceOf,
  someChanges,
  TOPIC_ID,
  type VersionRow,
} from '../../helpers/profile-tables.ts';

/** What one process writes after it has stored these changes, from the history as it is now. */
function rowsOf(history: readonly StoredChange[], changeIds: ReadonlySet<string>): [number, VersionRow][] {
  const refold = planRefold(history, changeIds);
  if (refold === null) return [];
  const { fold, ordered, start, state, writeFrom, withdrawn } = refold;
  return [
    ...[...foldOrdered(ordered.slice(start), state)]
      .filter(({ validFrom }) => validFrom >= writeFrom)
      .map((version): [number, VersionRow] => [version.validFrom, { fold, version }]),
    ...withdrawn.map((instant): [number, VersionRow] => [instant, { fold, version: null }]),
  ];
}

test('whoever folds what and when, and however late its rows arrive, the versions are those of one fold', () => {
  fc.assert(
    fc.property(someChanges, fc.infiniteStream(fc.nat()), (all, dice) => {
      const roll = (sides: number) => (dice.next().value as number) % sides;
      const tables = new ProfileTables();
      // Each flush is to store its changes, read the history, and write its rows; any other may come in between.
      const toStore: StoredChange[][] = [];
      for (let from = 0; from < all.length; ) {
        const size = 1 + roll(4);
        toStore.push(all.slice(from, from + size));
        from += size;
      }
      // A batch may be written again, by whoever took over.
      for (const flush of [...toStore]) if (roll(3) === 0) toStore.push(flush);
      const toRead: StoredChange[][] = [];
      const toWrite: [number, VersionRow][] = [];
      const take = <T>(from: T[]): T => from.splice(roll(from.length), 1)[0] as T;
      while (toStore.length + toRead.length + toWrite.length > 0) {
        const queues = [toStore, toRead, toWrite].filter(({ length }) => length > 0);
        const queue = queues[roll(queues.length)];
        if (queue === toStore) {
          const flush = take(toStore);
          for (const change of flush) tables.store(change);
          toRead.push(flush);
        } else if (queue === toRead) {
          const flush = take(toRead);
          toWrite.push(...rowsOf(tables.history(), new Set(flush.map(({ changeId }) => changeId))));
        } else {
          tables.write(...take(toWrite));
        }
      }
      expect(tables.visible()).toEqual(foldProfile(all));
    }),
    { numRuns: 20_000 },
  );
});

test('a change in order touches its own version and the one before, whatever came earlier', () => {
  const history = Array.from({ length: 1_000 }, (_, index): StoredChange => {
    const change = {
      changeId: `c${index}`,
      op: index % 100 === 0 ? ('SNAPSHOT' as const) : ('PATCH' as const),
      changedAt: index * 10,
      sourceVersion: null,
      attributes: '{}',
      recordedAt: index,
      topicId: TOPIC_ID,
      partition: 0,
      offset: index,
      bytes: 2,
    };
    return { ...change, precedence: precedenceOf(change) };
  });
  const refold = planRefold(history, new Set(['c999']));
  expect(refold).toMatchObject({ writeFrom: 9_980, start: 900, withdrawn: [] });
  expect(refold?.state.versions).toBe(900);
});

test('changes that are not in the history bear on nothing', () => {
  expect(planRefold([], new Set(['a']))).toBeNull();
});
