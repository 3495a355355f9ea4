/** The step that folds the profiles of touched users again, and writes the versions that their changes bear on. */
import type { Batch } from '../common/batch.ts';
import { portions } from '../common/clickhouse/list-parameters.ts';
import type { OnRow } from '../common/clickhouse-sink/encoded-batch.ts';
import type { FlushStep } from '../common/clickhouse-sink/flush.ts';
import { insertRows, type RowTarget } from '../common/clickhouse-sink/row-insert.ts';
import { faultPoint } from '../common/fault-points.ts';
import { foldOrdered } from './fold/fold-profile.ts';
import { Histories, placeOf, type StoredChange } from './histories.ts';
import { planRefold, type Refold } from './refold.ts';
import { type TouchedUser, TouchedUsers, userKey } from './touched-users.ts';
import { VERSION_COLUMNS, VersionRows } from './version-rows.ts';

/** Users asked about in one query, at most. */
const USERS_AT_ONCE = 2_000;
/** Changes, and bytes of their attributes, that are held at once: several small histories, or a piece of a large one. */
export const CHANGES_AT_ONCE = 20_000;
export const BYTES_AT_ONCE = 8 * 1024 * 1024;
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
    const textsOf = ({ tenantId, userId }: TouchedUser) => [tenantId, userId];
    for (const some of portions(users, textsOf, USERS_AT_ONCE)) await this.#foldSome(some);
    await this.#insert();
  }

  async #foldSome(users: readonly TouchedUser[]): Promise<void> {
    const sizes = await this.#histories.sizes(users);
    let group: TouchedUser[] = [];
    let changes = 0;
    let bytes = 0;
    for (const user of users) {
      const size = sizes.get(userKey(user.tenantId, user.userId));
      if (size === undefined) continue;
      if (size.changes > CHANGES_AT_ONCE || size.bytes > BYTES_AT_ONCE) {
        await this.#foldLarge(user);
        continue;
      }
      if (changes + size.changes > CHANGES_AT_ONCE || bytes + size.bytes > BYTES_AT_ONCE) {
        await this.#foldGroup(group);
        [group, changes, bytes] = [[], 0, 0];
      }
      group.push(user);
      changes += size.changes;
      bytes += size.bytes;
    }
    await this.#foldGroup(group);
  }

  async #foldGroup(users: readonly TouchedUser[]): Promise<void> {
    if (users.length === 0) return;
    const histories = await this.#histories.read(users);
    for (const user of users) {
      const history = histories.get(userKey(user.tenantId, user.userId)) ?? [];
      const refold = planRefold(history, user.changeIds);
      if (refold === null) continue;
      await this.#write(user, refold, refold.ordered.slice(refold.start), refold);
      this.#withdraw(user, refold);
    }
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
