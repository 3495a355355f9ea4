/** The step that folds the profiles of touched users again, and writes the versions that their changes bear on. */
import type { Batch } from '../common/batch.ts';
import type { OnRow } from '../common/clickhouse-sink/encoded-batch.ts';
import type { FlushStep } from '../common/clickhouse-sink/flush.ts';
import { insertRows, type RowTarget } from '../common/clickhouse-sink/row-insert.ts';
import { faultPoint } from '../common/fault-points.ts';
import { foldOrdered } from './fold/fold-profile.ts';
import { Histories, placeOf, type StoredChange } from './histories.ts';
import { planRefold, type Refold } from './refold.ts';
import { type TouchedUser, TouchedUsers, userKey } from './touched-users.ts';
import { VERSION_COLUMNS, VersionRows } from './version-rows.ts';

/** Changes of one user, and bytes of their attributes, that are held at once: a whole history, or a piece of a large one. */
export const CHANGES_AT_ONCE = 20_000;
export const BYTES_AT_ONCE = 8 * 1024 * 1024;
const HELD_AT_ONCE = { changes: CHANGES_AT_ONCE, bytes: BYTES_AT_ONCE };
/** Bytes of rows sent in one insert. */
const INSERT_BYTES = 4 * 1024 * 1024;

export interface FoldOptions extends Pick<RowTarget, 'client' | 'signal'> {
  readonly pipeline: string;
}

export interface ProfileFolding {
  /** Notes the users of a batch as its rows are encoded. */
  readonly onRow: (batch: Batch) => OnRow;
  readonly step: FlushStep;
}

export function foldProfiles({ pipeline, client, signal }: FoldOptions): ProfileFolding {
  const touchedBy = new WeakMap<Batch, TouchedUsers>();
  const folded = new WeakSet<Batch>();
  const target: RowTarget = { client, signal, table: 'profile_versions', columns: VERSION_COLUMNS };

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
        await new Folding(new Histories({ client, signal }), target).fold(users);
        faultPoint('after-fold', pipeline);
      }
      for (const { batch } of batches) folded.add(batch);
    },
  };
}

class Folding {
  readonly #histories: Histories;
  readonly #target: RowTarget;
  readonly #rows = new VersionRows();

  constructor(histories: Histories, target: RowTarget) {
    this.#histories = histories;
    this.#target = target;
  }

  async fold(users: readonly TouchedUser[]): Promise<void> {
    const touched = new Map(users.map((user) => [userKey(user.tenantId, user.userId), user]));
    const large: TouchedUser[] = [];
    for await (const { tenantId, userId, changes } of this.#histories.each(users, HELD_AT_ONCE)) {
      const user = touched.get(userKey(tenantId, userId));
      if (user === undefined) continue;
      if (changes === null) large.push(user);
      else await this.#foldWhole(user, changes);
    }
    for (const user of large) await this.#foldLarge(user);
    await this.#insert();
  }

  async #foldWhole(user: TouchedUser, history: readonly StoredChange[]): Promise<void> {
    const refold = planRefold(history, user.changeIds);
    if (refold === null) return;
    await this.#write(user, refold, refold.ordered.slice(refold.start), refold);
    this.#withdraw(user, refold);
  }

  /** A history that may not fit into memory: first what it consists of, then the attributes piece by piece. */
  async #foldLarge(user: TouchedUser): Promise<void> {
    const refold = planRefold(await this.#histories.readWithoutAttributes(user), user.changeIds);
    if (refold === null) return;
    const { ordered } = refold;
    let { state } = refold;
    for (let from = refold.start; from < ordered.length; ) {
      const to = endOfPiece(ordered, from);
      const piece = ordered.slice(from, to);
      const [first, last] = [piece[0] as StoredChange, piece.at(-1) as StoredChange];
      const texts = await this.#histories.readAttributes(user, first.changedAt, last.changedAt);
      const whole = piece.map((change) => ({ ...change, attributes: texts.get(placeOf(change)) ?? null }));
      state = await this.#write(user, refold, whole, { state, next: ordered[to]?.changedAt ?? null });
      from = to;
    }
    this.#withdraw(user, refold);
  }

  /** @param next the instant behind `changes`, null at the end @returns what the fold has come to */
  async #write(
    user: TouchedUser,
    { fold, writeFrom }: Refold,
    changes: readonly StoredChange[],
    { state, next = null }: { state: Refold['state']; next?: number | null },
  ): Promise<Refold['state']> {
    let reached = state;
    for (const version of foldOrdered(changes, state)) {
      reached = { profile: version.profile, versions: version.version };
      if (version.validFrom < writeFrom) continue;
      this.#rows.version(user, { ...version, validTo: version.validTo ?? next }, fold);
      if (this.#rows.bytes >= INSERT_BYTES) await this.#insert();
    }
    return reached;
  }

  #withdraw(user: TouchedUser, { withdrawn, fold }: Refold): void {
    for (const instant of withdrawn) this.#rows.withdrawn(user, instant, fold);
  }

  async #insert(): Promise<void> {
    if (this.#rows.bytes > 0) await insertRows(this.#target, this.#rows.take());
  }
}

/** As many whole instants as may be held at once, one at least. */
export function endOfPiece(ordered: readonly StoredChange[], from: number): number {
  let end = from;
  let bytes = 0;
  for (let at = from; at < ordered.length; at += 1) {
    const isInstantsEnd = ordered[at + 1]?.changedAt !== ordered[at]?.changedAt;
    bytes += ordered[at]?.bytes ?? 0;
    if (!isInstantsEnd) continue;
    if (end > from && (bytes > BYTES_AT_ONCE || at - from >= CHANGES_AT_ONCE)) break;
    end = at + 1;
  }
  return end;
}
