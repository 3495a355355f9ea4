/** Holds `profile_versions` against a fold of every user's changes, some users at a time. */
import { TupleParam } from '@clickhouse/client';
import { partitionKey } from '../common/batch.ts';
import { selectRows } from '../common/clickhouse/select.ts';
import {
  type FoldedVersion,
  type FoldState,
  foldOrdered,
  foldStart,
  inEffectOrder,
  profileText,
} from '../profiles/fold/fold-profile.ts';
import { BYTES_AT_ONCE, CHANGES_AT_ONCE, endOfPiece } from '../profiles/fold-step.ts';
import { Histories, placeOf, type StoredChange, type User } from '../profiles/histories.ts';
import { userKey } from '../profiles/touched-users.ts';
import { explain } from './findings.ts';
import type { VerifiedPartition } from './verdict.ts';
import type { VerifyContext } from './verify-context.ts';

/** Users of one page. */
const USERS_AT_ONCE = 1_000;

/** @returns versions looked at */
export async function checkVersions(
  context: VerifyContext,
  partitions: readonly VerifiedPartition[],
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

const ALL_INSTANTS: Instants = { from: Number.MIN_SAFE_INTEGER, to: Number.MAX_SAFE_INTEGER };

interface Fault {
  readonly code: 'profile_version_missing' | 'profile_version_differs' | 'profile_version_surplus';
  readonly validFrom: number;
}

class VersionsCheck {
  readonly #context: VerifyContext;
  readonly #topic: string;
  /** By partition, what had been made durable and folded when the check began. */
  readonly #nexts: ReadonlyMap<string, number>;
  readonly #histories: Histories;
  #checked = 0;

  constructor(context: VerifyContext, partitions: readonly VerifiedPartition[]) {
    this.#context = context;
    this.#topic = partitions[0]?.source.topic ?? '';
    this.#nexts = new Map(partitions.map(({ source, next }) => [partitionKey(source), next ?? 0]));
    const { signal } = new AbortController();
    this.#histories = new Histories({ client: context.client, signal });
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
    const { retry } = this.#context;
    const histories = await retry(() => this.#histories.read(users));
    const stored = await this.#stored(users, ALL_INSTANTS);
    for (const user of users) {
      const key = userKey(user.tenantId, user.userId);
      const faults = this.#compare(expectedOf(histories.get(key) ?? []), stored.get(key) ?? []);
      if (faults.length > 0) await this.#lookAgain(user);
    }
  }

  /** Between the two readings the pipeline may have gone on: what it has begun since is not held against it. */
  async #lookAgain(user: User): Promise<void> {
    const key = userKey(user.tenantId, user.userId);
    const stored = (await this.#stored([user], ALL_INSTANTS)).get(key) ?? [];
    const history = (await this.#context.retry(() => this.#histories.read([user]))).get(key) ?? [];
    if (!this.#isDue(history)) return;
    for (const fault of this.#compare(expectedOf(history), stored)) this.#report(user, history, fault);
  }

  /** A history that may not fit into memory, as the pipeline folds it: piece by piece. */
  async #checkLarge(user: User): Promise<void> {
    const { retry } = this.#context;
    const history = await retry(() => this.#histories.readWithoutAttributes(user));
    if (!this.#isDue(history)) return;
    const ordered = inEffectOrder(history);
    let { state } = foldStart(ordered, 0);
    let from = ALL_INSTANTS.from;
    for (let start = 0; start < ordered.length; ) {
      const end = endOfPiece(ordered, start);
      const piece = ordered.slice(start, end);
      const [first, last] = [piece[0] as StoredChange, piece.at(-1) as StoredChange];
      const texts = await retry(() => this.#histories.readAttributes(user, first.changedAt, last.changedAt));
      const whole = piece.map((change) => ({ ...change, attributes: texts.get(placeOf(change)) ?? null }));
      const expected: Version[] = [];
      for (const version of foldOrdered(whole, state)) {
        state = { profile: version.profile, versions: version.version } satisfies FoldState;
        expected.push(versionOf({ ...version, validTo: version.validTo ?? ordered[end]?.changedAt ?? null }));
      }
      const to = end === ordered.length ? ALL_INSTANTS.to : last.changedAt;
      const stored = (await this.#stored([user], { from, to })).get(userKey(user.tenantId, user.userId));
      for (const fault of this.#compare(expected, stored ?? [])) this.#report(user, history, fault);
      [start, from] = [end, to + 1];
    }
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

type StoredVersion = readonly [
  tenantId: string,
  userId: string,
  validFrom: string,
  validTo: string | null,
  version: string,
  deleted: boolean,
  attributes: string,
  changeIds: readonly string[],
  recordedAt: string,
];

/** All of a version that a reader can see, as one text. */
interface Version {
  readonly validFrom: number;
  readonly text: string;
}

function expectedOf(history: readonly StoredChange[]): Version[] {
  return Array.from(foldOrdered(inEffectOrder(history)), versionOf);
}

function versionOf({ validFrom, validTo, version, profile, changeIds, recordedAt }: FoldedVersion): Version {
  const rest = [version, profile === null, profileText(profile), changeIds, recordedAt] as const;
  const [number, deleted, attributes, ids, recorded] = rest;
  const row = [
    String(validFrom),
    validTo === null ? null : String(validTo),
    String(number),
    deleted,
    attributes,
    ids,
    String(recorded),
  ];
  return { validFrom, text: JSON.stringify(row) };
}
