/** Users' histories as a fold can use them, whether or not older changes have left ClickHouse. */
import type { ColdStore } from '../cold/cold-store.ts';
import { compareOwners } from '../cold/cold-table.ts';
import type { Questioned, User } from './ask.ts';
import { basesOf, foldsOn, hasBases, type ProfileBase, ranksOf } from './bases.ts';
import { ColdHistories } from './cold-histories.ts';
import {
  Histories,
  type History,
  type HistoryLimits,
  listsOf,
  placeOf,
  type StoredChange,
  type UserLists,
} from './histories.ts';
import { userKey } from './touched-users.ts';

export interface FoldableHistory extends User {
  /** What stands for older changes; null where all are in ClickHouse. */
  readonly base: ProfileBase | null;
  /** Those that the base does not stand for where `isFromBase`, else all there are. Null: more than the limits allow. */
  readonly changes: readonly StoredChange[] | null;
  /** Whether to fold on from the base, else from nothing. */
  readonly isFromBase: boolean;
}

export interface WholeHistory extends FoldableHistory {
  readonly changes: readonly StoredChange[];
  /** False where the attributes of the changes are still to be read. */
  readonly hasAttributes: boolean;
}

export interface BasedHistoriesOptions extends Questioned {
  /** Wanted only when changes that have left ClickHouse bear on what has changed. */
  readonly cold: () => Promise<ColdStore>;
}

/**
 * Each history is what had been stored at one moment, whole. Folds need that: of two of them the one with the greater sum
 * wins, which is right only where it knows whatever the other knows of a version (see `planRefold`).
 *
 * Retention writes a base before it deletes what the base stands for, and bases only grow. So changes that were read
 * between two looks at a base that did not differ lack nothing but what that base stands for. Where the looks differ, it
 * is done again; a look for any base at all, after the changes were read, is enough where there is none.
 */
export class BasedHistories {
  readonly histories: Histories;
  readonly #asked: Questioned;
  readonly #store: () => Promise<ColdStore>;
  #haveBases = false;

  constructor({ client, signal, cold }: BasedHistoriesOptions) {
    this.#asked = { client, signal };
    this.histories = new Histories(this.#asked);
    this.#store = cold;
  }

  /**
   * Histories of any number of users, one after another; users without any change are missing.
   * @throws {Outage}
   */
  async *each(users: readonly User[], limits: HistoryLimits): AsyncGenerator<FoldableHistory> {
    const cold = new ColdHistories(this.#store);
    for (const lists of listsOf(users)) {
      for (let left: UserLists = lists; left.length > 0; ) {
        const moved: User[] = [];
        for await (const { history, base } of this.#withBases(left, limits)) {
          if (base === 'moved') moved.push(history);
          else if (history.changes === null || base === null || foldsOn(base, history.changes))
            yield { ...history, base, isFromBase: base !== null };
          else yield await this.#whole(history, { base, cold });
        }
        left = [...listsOf(moved)].flat();
      }
    }
  }

  /** One user's, however long it is. @throws {Outage} */
  async long(user: User): Promise<WholeHistory> {
    for (;;) {
      const before = await this.#baseOf(user);
      const changes = await this.histories.readWithoutAttributes(user);
      const base = await this.#baseOf(user);
      if (before?.rank !== base?.rank) continue;
      const { tenantId, userId } = user;
      if (base === null || foldsOn(base, changes))
        return { tenantId, userId, base, changes, isFromBase: base !== null, hasAttributes: false };
      return this.whole(user, base);
    }
  }

  /**
   * Everything ever stored of a user, held at once.
   * @throws {Outage}
   */
  async whole(user: User, base: ProfileBase): Promise<WholeHistory> {
    return this.#whole(user, { base, cold: new ColdHistories(this.#store) });
  }

  async *#withBases(
    lists: UserLists,
    limits: HistoryLimits,
  ): AsyncGenerator<{ readonly history: History; readonly base: ProfileBase | null | 'moved' }> {
    const before = this.#haveBases ? await ranksOf(this.#asked, lists) : new Map<string, string>();
    let bases: BaseCursor | null = null;
    for await (const history of this.histories.each(lists, limits)) {
      // The first: the changes have been read, as far as what they are is decided.
      if (bases === null) {
        if (!this.#haveBases && (await hasBases(this.#asked))) {
          this.#haveBases = true;
          yield* this.#withBases(lists, limits);
          return;
        }
        bases = new BaseCursor(this.#haveBases ? basesOf(this.#asked, lists) : none());
      }
      const base = await bases.of(history);
      const isSame = before.get(userKey(history.tenantId, history.userId)) === base?.rank;
      yield { history, base: isSame ? base : 'moved' };
    }
  }

  /** Everything ever stored of a user. The cold tier first: what it has was in ClickHouse before. */
  async #whole(
    { tenantId, userId }: User,
    { base: known, cold }: { readonly base: ProfileBase; readonly cold: ColdHistories },
  ): Promise<WholeHistory> {
    const user = { tenantId, userId };
    for (let base = known; ; ) {
      const gone = await cold.of(user, base);
      const local = (await this.histories.read([user])).get(userKey(tenantId, userId)) ?? [];
      const after = await this.#baseOf(user);
      if (after?.rank === base.rank) {
        const byPlace = new Map([...gone, ...local].map((change) => [placeOf(change), change]));
        return { ...user, base, changes: [...byPlace.values()], isFromBase: false, hasAttributes: true };
      }
      base = after ?? base;
    }
  }

  async #baseOf(user: User): Promise<ProfileBase | null> {
    for await (const [, base] of basesOf(this.#asked, [[user]])) return base;
    return null;
  }
}

async function* none(): AsyncGenerator<readonly [User, ProfileBase]> {}

/** Bases beside histories, both in one order. */
class BaseCursor {
  readonly #bases: AsyncIterator<readonly [User, ProfileBase]>;
  #next: readonly [User, ProfileBase] | null | undefined;

  constructor(bases: AsyncIterator<readonly [User, ProfileBase]>) {
    this.#bases = bases;
  }

  async of(user: User): Promise<ProfileBase | null> {
    if (this.#next === undefined) await this.#advance();
    while (this.#next) {
      const [{ tenantId, userId }, base] = this.#next;
      const order = compareOwners([tenantId, userId], [user.tenantId, user.userId]);
      if (order === 0) return base;
      if (order > 0) return null;
      await this.#advance();
    }
    return null;
  }

  async #advance(): Promise<void> {
    const { done, value } = await this.#bases.next();
    this.#next = done === true ? null : value;
  }
}
