/** Reads users' changes from ClickHouse. */
import { portions } from '../common/clickhouse/list-parameters.ts';
import { askEach, askRows, inLists, type Questioned, tuples, type User } from './ask.ts';
import type { ProfileChange } from './fold/fold-profile.ts';
import { userKey } from './touched-users.ts';

export type { User } from './ask.ts';

/** Every copy of every change of one user, each sort key once. */
export interface StoredChange extends ProfileChange {
  /** Greater is recorded earlier. */
  readonly precedence: bigint;
  /** Of the attributes, in bytes. */
  readonly bytes: number;
}

/** What a whole history may take to be held in memory. */
export interface HistoryLimits {
  readonly changes: number;
  /** Of all attributes. */
  readonly bytes: number;
}

export interface History extends User {
  /** Null when they are more than the limits allow. */
  readonly changes: readonly StoredChange[] | null;
}

type Row = readonly [
  tenantId: string,
  userId: string,
  changeId: string,
  op: ProfileChange['op'],
  changedAt: string,
  sourceVersion: string | null,
  recordedAt: string,
  source: string,
  offset: string,
  precedence: string,
  bytes: string,
  attributes: string | null,
];

/** Numbers of 64 bits and more come as text: JSON's readers would round them. */
const COLUMNS = `tenant_id, user_id, change_id, op, toString(toUnixTimestamp64Milli(changed_at)), toString(source_version),
  toString(toUnixTimestamp64Milli(recorded_at)), source, toString(offset), toString(precedence),
  toString(length(ifNull(attributes, '')))`;

const OF_USERS = '(tenant_id, user_id) IN {users:Array(Tuple(String, String))}';
/** Lists of users in one query, each of as many as one parameter takes: 2 MiB of users. */
const LISTS_AT_ONCE = 32;

/** Lists of users. */
export type UserLists = readonly (readonly User[])[];

/** Users in lists that each fit into one parameter, as many lists as go into one query. */
export function* listsOf(users: readonly User[]): Generator<UserLists> {
  const lists = [...portions(users, ({ tenantId, userId }) => [tenantId, userId])];
  for (let from = 0; from < lists.length; from += LISTS_AT_ONCE)
    yield lists.slice(from, from + LISTS_AT_ONCE);
}

export class Histories {
  readonly #asked: Questioned;

  constructor(asked: Questioned) {
    this.#asked = asked;
  }

  /**
   * The histories of the users of some lists, one after another, ordered by the bytes of tenant and user; users without
   * any change are missing. All are of one moment: that of the question. One query for very many: users that lie
   * scattered over a large table cost a reading of all of it, however few they are.
   */
  async *each(lists: UserLists, limits: HistoryLimits): AsyncGenerator<History> {
    const { sql, parameters } = inLists(lists);
    // FINAL alone would bring together every row of the table that is read, and choose the users after that.
    const query = `SELECT ${COLUMNS}, attributes FROM profile_changes FINAL PREWHERE (tenant_id, user_id) IN ${sql}
      ORDER BY tenant_id, user_id`;
    let user = null as User | null;
    let changes: StoredChange[] = [];
    let [count, bytes] = [0, 0];
    const isWhole = () => count <= limits.changes && bytes <= limits.bytes;
    for await (const row of askEach<Row>(this.#asked, query, parameters)) {
      const [tenantId, userId] = row;
      if (user?.tenantId !== tenantId || user.userId !== userId) {
        if (user !== null) yield { ...user, changes: isWhole() ? changes : null };
        user = { tenantId, userId };
        changes = [];
        [count, bytes] = [0, 0];
      }
      const change = storedChange(row);
      count += 1;
      bytes += change.bytes;
      if (isWhole()) changes.push(change);
      else changes = [];
    }
    if (user !== null) yield { ...user, changes: isWhole() ? changes : null };
  }

  /** Whole histories, by `userKey`: of users of whom it is known that they fit into memory. */
  async read(users: readonly User[]): Promise<Map<string, StoredChange[]>> {
    const rows = await askRows<Row>(
      this.#asked,
      `SELECT ${COLUMNS}, attributes FROM profile_changes FINAL WHERE ${OF_USERS}`,
      { users: tuples(users) },
    );
    const histories = new Map<string, StoredChange[]>();
    for (const row of rows) {
      const key = userKey(row[0], row[1]);
      const history = histories.get(key);
      if (history === undefined) histories.set(key, [storedChange(row)]);
      else history.push(storedChange(row));
    }
    return histories;
  }

  /** All of one user's changes without their attributes. */
  async readWithoutAttributes(user: User): Promise<StoredChange[]> {
    const rows = await askRows<Row>(
      this.#asked,
      `SELECT ${COLUMNS}, NULL FROM profile_changes FINAL WHERE ${OF_USERS}`,
      { users: tuples([user]) },
    );
    return rows.map(storedChange);
  }

  /** Attributes of one user's changes between two instants, both inclusive, by `placeOf` the change. */
  async readAttributes(user: User, from: number, to: number): Promise<Map<string, string | null>> {
    const rows = await askRows<readonly [string, string, string | null]>(
      this.#asked,
      `SELECT source, toString(offset), attributes FROM profile_changes FINAL WHERE ${OF_USERS}
         AND changed_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
         AND changed_at <= fromUnixTimestamp64Milli({to:Int64}, 'UTC')`,
      { users: tuples([user]), from, to },
    );
    return new Map(rows.map(([source, offset, attributes]) => [`${source}/${offset}`, attributes]));
  }
}

/** Where a change stood in Kafka, as one text. */
export function placeOf({ topicId, partition, offset }: ProfileChange): string {
  return `${topicId}/${partition}/${offset}`;
}

function storedChange(row: Row): StoredChange {
  const [
    ,
    ,
    changeId,
    op,
    changedAt,
    sourceVersion,
    recordedAt,
    source,
    offset,
    precedence,
    bytes,
    attributes,
  ] = row;
  const [topicId = '', partition = ''] = source.split('/');
  return {
    changeId,
    op,
    changedAt: Number(changedAt),
    sourceVersion: sourceVersion === null ? null : BigInt(sourceVersion),
    attributes,
    recordedAt: Number(recordedAt),
    topicId,
    partition: Number(partition),
    offset: Number(offset),
    precedence: BigInt(precedence),
    bytes: Number(bytes),
  };
}
