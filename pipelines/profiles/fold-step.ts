/** The step that folds the profiles of touched users again, and writes the versions that their changes bear on. */
import type { Batch } from '../common/batch.ts';
import type { OnRow } from '../common/clickhouse-sink/encoded-batch.ts';
import type { FlushStep } from '../common/clickhouse-sink/flush.ts';
import { insertRows, type RowTarget } from '../common/clickhouse-sink/row-insert.ts';
import { faultPoint } from '../common/fault-points.ts';
import {
  BasedHistories,
  type BasedHistoriesOptions,
  type FoldableHistory,
  type WholeHistory,
} from './based-histories.ts';
import type { ProfileBase } from './bases.ts';
import type { FoldedVersion } from './fold/fold-profile.ts';
import { ChangesLeft, foldInPieces, HELD_AT_ONCE } from './fold-pieces.ts';
import { planRefold, type Refold } from './refold.ts';
import { type TouchedUser, TouchedUsers, userKey } from './touched-users.ts';
import { VERSION_COLUMNS, VersionRows } from './version-rows.ts';

/** Bytes of rows sent in one insert. */
const INSERT_BYTES = 4 * 1024 * 1024;

export interface FoldOptions extends Pick<RowTarget, 'client' | 'signal'> {
  readonly pipeline: string;
  readonly cold: BasedHistoriesOptions['cold'];
}

export interface ProfileFolding {
  /** Notes the users of a batch as its rows are encoded. */
  readonly onRow: (batch: Batch) => OnRow;
  readonly step: FlushStep;
}

export function foldProfiles({ pipeline, client, signal, cold }: FoldOptions): ProfileFolding {
  const touchedBy = new WeakMap<Batch, TouchedUsers>();
  const folded = new WeakSet<Batch>();
  const target: RowTarget = { client, signal, table: 'profile_versions', columns: VERSION_COLUMNS };
  const histories = new BasedHistories({ client, signal, cold });

  return {
    onRow: (batch) => {
      const touched = new TouchedUsers();
      touchedBy.set(batch, touched);
      return (row) => touched.add(row);
    },

    step: async function foldTouchedProfiles(flush) {
      const batches = flush.batches.filter(({ batch }) => !folded.has(batch));
      const touched = new TouchedUsers();
      for (const { batch } of batches) touched.addAll(touchedBy.get(batch) ?? new TouchedUsers());
      const users = touched.list();
      if (users.length > 0) {
        flush.assertOurs();
        faultPoint('before-fold', pipeline);
        await new Folding(histories, target).fold(users);
        faultPoint('after-fold', pipeline);
      }
      for (const { batch } of batches) folded.add(batch);
    },
  };
}

class Folding {
  readonly #histories: BasedHistories;
  readonly #target: RowTarget;
  readonly #rows = new VersionRows();

  constructor(histories: BasedHistories, target: RowTarget) {
    this.#histories = histories;
    this.#target = target;
  }

  async fold(users: readonly TouchedUser[]): Promise<void> {
    const touched = new Map(users.map((user) => [userKey(user.tenantId, user.userId), user]));
    const large: TouchedUser[] = [];
    for await (const history of this.#histories.each(users, HELD_AT_ONCE)) {
      const user = touched.get(userKey(history.tenantId, history.userId));
      if (user === undefined) continue;
      if (history.changes === null) large.push(user);
      else await this.#fold(user, { ...history, changes: history.changes, hasAttributes: true });
    }
    for (const user of large) await this.#foldLarge(user);
    await this.#insert();
  }

  /** A history that may not fit into memory: first what it consists of, then the attributes piece by piece. */
  async #foldLarge(user: TouchedUser): Promise<void> {
    for (;;) {
      try {
        return await this.#fold(user, await this.#histories.long(user));
      } catch (error) {
        // What is written until then is of a whole history, and is written again.
        if (!(error instanceof ChangesLeft)) throw error;
      }
    }
  }

  async #fold(user: TouchedUser, history: WholeHistory): Promise<void> {
    const refold = planRefold(history.changes, user.changeIds, baseOf(history));
    if (refold === null) return;
    const { ordered, start, state } = refold;
    const { histories } = this.#histories;
    const attributesOf = history.hasAttributes
      ? null
      : (...of: Parameters<typeof histories.readAttributes>) => histories.readAttributes(...of);
    for await (const versions of foldInPieces(ordered.slice(start), { user, state, attributesOf }))
      await this.#write(user, refold, versions);
    for (const instant of refold.withdrawn) this.#rows.withdrawn(user, instant, refold.fold);
  }

  async #write(
    user: TouchedUser,
    { fold, writeFrom }: Refold,
    versions: Iterable<FoldedVersion>,
  ): Promise<void> {
    for (const version of versions) {
      if (version.validFrom < writeFrom) continue;
      this.#rows.version(user, version, fold);
      if (this.#rows.bytes >= INSERT_BYTES) await this.#insert();
    }
  }

  async #insert(): Promise<void> {
    if (this.#rows.bytes > 0) await insertRows(this.#target, this.#rows.take());
  }
}

/** What `planRefold` goes on from. */
function baseOf({ base, isFromBase }: FoldableHistory): ProfileBase | undefined {
  return isFromBase && base !== null ? base : undefined;
}
