/** Holds `profile_versions` against a fold of every user's changes, some users at a time. */
import { TupleParam } from '@clickhouse/client';
import { ColdStore } from '../cold/cold-store.ts';
import { partitionKey } from '../common/batch.ts';
import { selectRows } from '../common/clickhouse/select.ts';
import { BasedHistories, type FoldableHistory, type WholeHistory } from '../profiles/based-histories.ts';
import { foldStart, inEffectOrder } from '../profiles/fold/fold-profile.ts';
import {
  BYTES_AT_ONCE,
  CHANGES_AT_ONCE,
  ChangesLeft,
  foldInPieces,
  HELD_AT_ONCE,
} from '../profiles/fold-pieces.ts';
import type { StoredChange, User } from '../profiles/histories.ts';
import { userKey } from '../profiles/touched-users.ts';
import { explain } from './findings.ts';
import {
  expectedOf,
  leadsTo,
  type StoredVersion,
  splitAt,
  type Version,
  versionOf,
} from './seen-versions.ts';
import type { VerifiedPartition } from './verdict.ts';
import type { VerifyContext } from './verify-context.ts';

/** Users of one page. */
const USERS_AT_ONCE = 1_000;

export type VersionsContext = Pick<VerifyContext, 'client' | 'container' | 'prefix' | 'retry' | 'findings'>;
type WrittenPartition = Pick<VerifiedPartition, 'source' | 'next'>;

/** @returns versions looked at */
export async function checkVersions(
  context: VersionsContext,
  partitions: readonly WrittenPartition[],
): Promise<number> {
  return new VersionsCheck(context, partitions).run();
}

interface SizedUser extends User {
  readonly changes: number;
  readonly bytes: number;
}

/** Milliseconds, both inclusive. */
interface Instants {
  readonly from: number;
  readonly to: number;
}

/** It was small a moment ago. */
const NO_LIMITS = { changes: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY };

const ALL_INSTANTS: Instants = { from: Number.MIN_SAFE_INTEGER, to: Number.MAX_SAFE_INTEGER };

interface Fault {
  readonly code: 'profile_version_missing' | 'profile_version_differs' | 'profile_version_surplus';
  readonly validFrom: number;
}

class VersionsCheck {
  readonly #context: VersionsContext;
  readonly #topic: string;
  /** By partition, what had been made durable and folded when the check began. */
  readonly #nexts: ReadonlyMap<string, number>;
  readonly #histories: BasedHistories;
  #checked = 0;

  constructor(context: VersionsContext, partitions: readonly WrittenPartition[]) {
    this.#context = context;
    this.#topic = partitions[0]?.source.topic ?? '';
    this.#nexts = new Map(partitions.map(({ source, next }) => [partitionKey(source), next ?? 0]));
    const { signal } = new AbortController();
    const { client, container, prefix } = context;
    const cold = async () => new ColdStore(container, prefix);
    this.#histories = new BasedHistories({ client, signal, cold });
  }

  async run(): Promise<number> {
    for (let after: User | undefined = { tenantId: '', userId: '' }; after !== undefined; ) {
      const users: SizedUser[] = await this.#page(after);
      let group: SizedUser[] = [];
      let size = { changes: 0, bytes: 0 };
      for (const user of users) {
        if (user.changes > CHANGES_AT_ONCE || user.bytes > BYTES_AT_ONCE) {
          await this.#checkLarge(user);
          continue;
        }
        if (size.changes + user.changes > CHANGES_AT_ONCE || size.bytes + user.bytes > BYTES_AT_ONCE) {
          await this.#checkGroup(group);
          [group, size] = [[], { changes: 0, bytes: 0 }];
        }
        group.push(user);
        size = { changes: size.changes + user.changes, bytes: size.bytes + user.bytes };
      }
      await this.#checkGroup(group);
      after = users.length < USERS_AT_ONCE ? undefined : users.at(-1);
    }
    return this.#checked;
  }

  /** Users behind one, in the order of the table: it reads no more than their changes. */
  async #page({ tenantId, userId }: User): Promise<SizedUser[]> {
    const rows = await this.#select<readonly [string, string, string, string]>(
      `SELECT tenant_id, user_id, toString(count()), toString(sum(length(ifNull(attributes, ''))))
       FROM profile_changes WHERE (tenant_id, user_id) > ({tenantId:String}, {userId:String})
       GROUP BY tenant_id, user_id ORDER BY tenant_id, user_id LIMIT ${USERS_AT_ONCE}
       SETTINGS optimize_aggregation_in_order = 1`,
      { tenantId, userId },
    );
    return rows.map(([tenant, user, changes, bytes]) => ({
      tenantId: tenant,
      userId: user,
      changes: Number(changes),
      bytes: Number(bytes),
    }));
  }

  async #checkGroup(users: readonly User[]): Promise<void> {
    if (users.length === 0) return;
    const found = await this.#context.retry(() => Array.fromAsync(this.#histories.each(users, HELD_AT_ONCE)));
    const histories = new Map(found.map((one) => [userKey(one.tenantId, one.userId), one]));
    const stored = await this.#stored(users, ALL_INSTANTS);
    for (const user of users) {
      const key = userKey(user.tenantId, user.userId);
      const history = histories.get(key);
      if (history?.changes === null) await this.#checkLarge(user);
      else if (!this.#isRight(history, stored.get(key) ?? [])) await this.#lookAgain(user);
    }
  }

  #isRight(history: FoldableHistory | undefined, stored: readonly Version[]): boolean {
    const base = history?.isFromBase === true ? history.base : null;
    const changes = history?.changes ?? [];
    if (base === null) return this.#compare(expectedOf(changes), stored).length === 0;
    const [older, newer] = splitAt(stored, base.baseAt);
    this.#checked += older.length;
    return leadsTo(older, base) && this.#compare(expectedOf(changes, base), newer).length === 0;
  }

  /**
   * Between the two readings the pipeline may have gone on: what it has begun since is not held against it. Everything
   * ever stored is read, so that a fault is named where it is.
   */
  async #lookAgain(user: User): Promise<void> {
    const { retry } = this.#context;
    const stored = (await this.#stored([user], ALL_INSTANTS)).get(userKey(user.tenantId, user.userId)) ?? [];
    const [found] = await retry(() => Array.fromAsync(this.#histories.each([user], NO_LIMITS)));
    const { base = null, isFromBase = false } = found ?? {};
    const history =
      isFromBase && base !== null ? await retry(() => this.#histories.whole(user, base)) : found;
    const changes = history?.changes ?? [];
    if (!this.#isDue(changes)) return;
    for (const fault of this.#compare(expectedOf(changes), stored)) this.#report(user, changes, fault);
  }

  /** A history that may not fit into memory, as the pipeline folds it: piece by piece. */
  async #checkLarge(user: User): Promise<void> {
    for (;;) {
      try {
        return await this.#checkPieces(user, await this.#context.retry(() => this.#histories.long(user)));
      } catch (error) {
        if (!(error instanceof ChangesLeft)) throw error;
      }
    }
  }

  async #checkPieces(user: User, history: WholeHistory): Promise<void> {
    const { retry } = this.#context;
    const { histories } = this.#histories;
    if (!this.#isDue(history.changes)) return;
    const base = history.isFromBase ? history.base : null;
    if (base !== null && (await this.#countBefore(user, base.baseAt)) !== base.state.versions)
      return this.#checkPieces(user, await retry(() => this.#histories.whole(user, base)));
    const ordered = inEffectOrder(history.changes);
    const end = ordered.at(-1)?.changedAt ?? null;
    const { state } = foldStart(ordered, 0, base?.state);
    const attributesOf = history.hasAttributes
      ? null
      : (...of: Parameters<typeof histories.readAttributes>) => retry(() => histories.readAttributes(...of));
    let from = base?.baseAt ?? ALL_INSTANTS.from;
    for await (const versions of foldInPieces(ordered, { user, state, attributesOf })) {
      const expected = Array.from(versions, versionOf);
      const last = expected.at(-1)?.validFrom ?? from;
      const to = last === end ? ALL_INSTANTS.to : last;
      const stored = (await this.#stored([user], { from, to })).get(userKey(user.tenantId, user.userId));
      for (const fault of this.#compare(expected, stored ?? [])) this.#report(user, history.changes, fault);
      from = to + 1;
    }
  }

  async #countBefore({ tenantId, userId }: User, instant: number): Promise<number> {
    const [row] = await this.#select<readonly [string]>(
      `SELECT toString(count()) FROM profile_versions FINAL WHERE tenant_id = {tenantId:String}
         AND user_id = {userId:String} AND toUnixTimestamp64Milli(valid_from) < {instant:Int64}`,
      { tenantId, userId, instant },
    );
    this.#checked += Number(row?.[0] ?? 0);
    return Number(row?.[0] ?? 0);
  }

  #isDue(history: readonly StoredChange[]): boolean {
    return history.every(({ topicId, partition, offset }) => {
      const next = this.#nexts.get(`${topicId}/${partition}`);
      return next !== undefined && offset < next;
    });
  }

  #compare(expected: readonly Version[], stored: readonly Version[]): Fault[] {
    this.#checked += expected.length;
    const left = new Map(stored.map((version) => [version.validFrom, version]));
    const faults: Fault[] = [];
    for (const version of expected) {
      const { validFrom } = version;
      const found = left.get(validFrom);
      left.delete(validFrom);
      if (found === undefined) faults.push({ code: 'profile_version_missing', validFrom });
      else if (found.text !== version.text) faults.push({ code: 'profile_version_differs', validFrom });
    }
    for (const validFrom of left.keys()) faults.push({ code: 'profile_version_surplus', validFrom });
    return faults;
  }

  /** The place of the change that makes the version; none where no change does. */
  #report({ tenantId, userId }: User, history: readonly StoredChange[], { code, validFrom }: Fault): void {
    const change = inEffectOrder(history).findLast(({ changedAt }) => changedAt === validFrom);
    const at = new Date(validFrom).toISOString();
    this.#context.findings.add({
      code,
      topic: this.#topic,
      topicId: change?.topicId ?? null,
      partition: change?.partition ?? null,
      first: change?.offset ?? null,
      last: change?.offset ?? null,
      records: null,
      path: null,
      message: explain(
        code,
        `user ${JSON.stringify(userId)} of tenant ${JSON.stringify(tenantId)}, from ${at} on`,
      ),
    });
  }

  async #stored(users: readonly User[], { from, to }: Instants): Promise<Map<string, Version[]>> {
    const rows = await this.#select<StoredVersion>(
      `SELECT tenant_id, user_id, toString(toUnixTimestamp64Milli(valid_from)), toString(toUnixTimestamp64Milli(valid_to)),
         toString(version), deleted, attributes, change_ids, toString(toUnixTimestamp64Milli(recorded_at))
       FROM profile_versions FINAL WHERE (tenant_id, user_id) IN {users:Array(Tuple(String, String))}
         AND toUnixTimestamp64Milli(valid_from) BETWEEN {from:Int64} AND {to:Int64}`,
      { users: users.map(({ tenantId, userId }) => new TupleParam([tenantId, userId])), from, to },
    );
    return Map.groupBy(
      rows.map(([tenantId, userId, validFrom, ...rest]) => ({
        key: userKey(tenantId, userId),
        validFrom: Number(validFrom),
        text: JSON.stringify([validFrom, ...rest]),
      })),
      ({ key }) => key,
    );
  }

  #select<Row>(query: string, parameters: Record<string, unknown>): Promise<Row[]> {
    const { client, retry } = this.#context;
    return retry(() => selectRows<Row>(client, query, parameters));
  }
}
