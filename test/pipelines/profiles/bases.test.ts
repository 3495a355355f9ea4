/** Changes leave while others are folded, in any interleaving: what stays is one fold over everything. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { changeHash, foldsOn, type ProfileBase } from '../../../pipelines/profiles/bases.ts';
import { foldOrdered, foldProfile } from '../../../pipelines/profiles/fold/fold-profile.ts';
import { placeOf, type StoredChange } from '../../../pipelines/profiles/histories.ts';
import { planRefold } from '../../../pipelines/profiles/refold.ts';
import { nextBaseOf } from '../../../pipelines/retention/next-base.ts';
import { ProfileTables, someChanges, TOPIC_ID, type VersionRow } from '../../helpers/profile-tables.ts';

/** Each yield is a moment at which anything else may happen. */
type Steps<Result = void> = Generator<undefined, Result>;

interface Readable {
  readonly changes: readonly StoredChange[];
  readonly base: ProfileBase | null;
  readonly isFromBase: boolean;
}

/** One user of the ledger, and the two who work on it, step by step as they do. */
class World {
  readonly tables = new ProfileTables();
  base: ProfileBase | null = null;
  readonly #all: readonly StoredChange[];
  readonly #folded = new Set<StoredChange>();
  wentFrom = { base: 0, everything: 0 };

  constructor(all: readonly StoredChange[]) {
    this.#all = all;
  }

  /** Progress: below it every change has been folded. What is below it is in the cold tier. */
  next(): Record<string, number> {
    const nextOf = (partition: number) =>
      this.#all
        .filter((change) => change.partition === partition && !this.#folded.has(change))
        .reduce((least, { offset }) => Math.min(least, offset), this.#all.length);
    return { [`${TOPIC_ID}/0`]: nextOf(0), [`${TOPIC_ID}/1`]: nextOf(1) };
  }

  #cold(next: Record<string, number>): StoredChange[] {
    return this.#all.filter(({ partition, offset }) => offset < (next[`${TOPIC_ID}/${partition}`] ?? 0));
  }

  *#read(): Steps<Readable> {
    for (;;) {
      const before = this.base?.rank;
      yield;
      const local = this.tables.history();
      yield;
      const { base } = this;
      if (base?.rank !== before) continue;
      if (base === null || foldsOn(base, local)) {
        if (base !== null) this.wentFrom.base += 1;
        return { changes: local, base, isFromBase: base !== null };
      }
      const whole = yield* this.#readWhole(base);
      return { ...whole, isFromBase: false };
    }
  }

  *#readWhole(known: ProfileBase): Steps<Omit<Readable, 'isFromBase'>> {
    for (let base = known; ; base = this.base ?? base) {
      yield;
      const gone = this.#cold(this.next());
      yield;
      const local = this.tables.history();
      yield;
      if (this.base?.rank !== base.rank) continue;
      this.wentFrom.everything += 1;
      const byPlace = new Map([...gone, ...local].map((change) => [placeOf(change), change]));
      return { changes: [...byPlace.values()], base };
    }
  }

  *fold(flush: readonly StoredChange[]): Steps {
    for (const change of flush) this.tables.store(change);
    yield;
    const { changes, base, isFromBase } = yield* this.#read();
    const ids = new Set(flush.map(({ changeId }) => changeId));
    const refold = planRefold(changes, ids, isFromBase && base !== null ? base : undefined);
    // Whoever else had the flush has folded it, and all of it has gone since.
    if (refold === null) return;
    const { fold, ordered, start, state, writeFrom, withdrawn } = refold;
    const rows = [
      ...[...foldOrdered(ordered.slice(start), state)]
        .filter(({ validFrom }) => validFrom >= writeFrom)
        .map((version): [number, VersionRow] => [version.validFrom, { fold, version }]),
      ...withdrawn.map((instant): [number, VersionRow] => [instant, { fold, version: null }]),
    ];
    for (const row of rows) {
      yield;
      this.tables.write(...row);
    }
    for (const change of flush) this.#folded.add(change);
  }

  *trim(horizon: number): Steps {
    const next = this.next();
    const history = yield* this.#read();
    const found = nextBaseOf({ tenantId: 't', userId: 'u', ...history }, { horizon, next });
    if (found === null) return;
    let { state } = found;
    for (const { profile, version } of foldOrdered(found.ordered, state))
      state = { profile, versions: version };
    const exported = BigInt(Object.values(next).reduce((sum, offset) => sum + offset, 0));
    const rank = (exported << 192n) + found.fold;
    yield;
    const { baseAt, hashes, fold } = found;
    if (this.base === null || rank >= BigInt(this.base.rank))
      this.base = { baseAt, state, hashes, fold, exported, rank: String(rank) };
    yield;
    const winner = this.base;
    yield;
    this.tables.delete(
      ({ changedAt, partition, offset }) =>
        changedAt < winner.baseAt && offset < (next[`${TOPIC_ID}/${partition}`] ?? 0),
    );
  }
}

test('whoever folds and trims what and when, the versions are those of one fold', () => {
  const went = { base: 0, everything: 0 };
  fc.assert(
    fc.property(someChanges, fc.infiniteStream(fc.nat()), (all, dice) => {
      const roll = (sides: number) => (dice.next().value as number) % sides;
      const world = new World(all);
      const flushes: StoredChange[][] = [];
      for (let from = 0; from < all.length; ) {
        const size = 1 + roll(3);
        flushes.push(all.slice(from, from + size));
        from += size;
      }
      // Once more, by whoever has it still or has taken over.
      for (const flush of [...flushes]) if (roll(3) === 0) flushes.push(flush);
      const waiting = [
        ...flushes.map((flush) => () => world.fold(flush)),
        ...Array.from({ length: 6 }, (_, index) => () => world.trim(2 + ((index + roll(3)) % 7))),
      ];
      const running: Steps[] = [];
      while (waiting.length + running.length > 0) {
        // A few at once, and some for long.
        if (waiting.length > 0 && (running.length === 0 || roll(6) === 0))
          running.push((waiting.splice(roll(waiting.length), 1)[0] as () => Steps)());
        const at = roll(3) === 0 ? roll(running.length) : running.length - 1;
        if (running[at]?.next().done === true) running.splice(at, 1);
      }
      expect(world.tables.visible()).toEqual(foldProfile(all));
      went.base += world.wentFrom.base;
      went.everything += world.wentFrom.everything;
    }),
    { numRuns: 5_000 },
  );
  expect(went.base).toBeGreaterThan(100);
  expect(went.everything).toBeGreaterThan(100);
});

test('a hash is the first 64 bits of the MD5', () => {
  // `echo -n abc | md5sum`: 900150983cd24fb0…
  expect(changeHash('abc')).toBe(String(0xb04fd23c98500190n));
});
