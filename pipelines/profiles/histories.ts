/** Reads users' changes from ClickHouse. */
import { TupleParam } from '@clickhouse/client';
import type { ClickHouseClient } from '../common/clickhouse/client.ts';
import { portions } from '../common/clickhouse/list-parameters.ts';
import { translate } from '../common/clickhouse-sink/row-insert.ts';
import type { ProfileChange } from './fold/fold-profile.ts';
import { userKey } from './touched-users.ts';

export interface User {
  readonly tenantId: string;
  readonly userId: string;
}

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

export class Histories {
  readonly #client: ClickHouseClient;
  readonly #signal: AbortSignal;

  constructor({ client, signal }: { client: ClickHouseClient; signal: AbortSignal }) {
    this.#client = client;
    this.#signal = signal;
  }

  /**
   * The histories of any number of users, one after another; users without any change are missing. One query for very many:
   * users that lie scattered over a large table cost a reading of all of it, however few they are.
   */
  async *each(users: readonly User[], limits: HistoryLimits): AsyncGenerator<History> {
    const lists = [...portions(users, ({ tenantId, userId }) => [tenantId, userId])];
    for (let from = 0; from < lists.length; from += LISTS_AT_ONCE)
      yield* this.#each(lists.slice(from, from + LISTS_AT_ONCE), limits);
  }

  /** Whole histories, by `userKey`: of users of whom it is known that they fit into memory. */
  async read(users: readonly User[]): Promise<Map<string, StoredChange[]>> {
    const rows = await this.#query<Row>(
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
    const rows = await this.#query<Row>(
      `SELECT ${COLUMNS}, NULL FROM profile_changes FINAL WHERE ${OF_USERS}`,
      { users: tuples([user]) },
    );
    return rows.map(storedChange);
  }

  /** Attributes of one user's changes between two instants, both inclusive, by `placeOf` the change. */
  async readAttributes(user: User, from: number, to: number): Promise<Map<string, string | null>> {
    const rows = await this.#query<readonly [string, string, string | null]>(
      `SELECT source, toString(offset), attributes FROM profile_changes FINAL WHERE ${OF_USERS}
         AND changed_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
         AND changed_at <= fromUnixTimestamp64Milli({to:Int64}, 'UTC')`,
      { users: tuples([user]), from, to },
    );
    return new Map(rows.map(([source, offset, attributes]) => [`${source}/${offset}`, attributes]));
  }

  async *#each(lists: readonly (readonly User[])[], limits: HistoryLimits): AsyncGenerator<History> {
    const names = lists.map((_, index) => `users_${index}`);
    const parameters = Object.fromEntries(names.map((name, index) => [name, tuples(lists[index] ?? [])]));
    const all = `arrayConcat(${names.map((name) => `{${name}:Array(Tuple(String, String))}`).join(', ')})`;
    // FINAL alone would bring together every row of the table that is read, and choose the users after that.
    const query = `SELECT ${COLUMNS}, attributes FROM profile_changes FINAL PREWHERE (tenant_id, user_id) IN ${all}
      ORDER BY tenant_id, user_id`;
    let user = null as User | null;
    let changes: StoredChange[] = [];
    let [count, bytes] = [0, 0];
    const isWhole = () => count <= limits.changes && bytes <= limits.bytes;
    try {
      const answer = await this.#ask(query, parameters);
      for await (const rows of answer.stream<Row>()) {
        for (const one of rows) {
          const row = one.json();
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
      }
    } catch (error) {
      throw translate(error);
    }
    if (user !== null) yield { ...user, changes: isWhole() ? changes : null };
  }

  async #query<T>(query: string, parameters: Record<string, unknown>): Promise<T[]> {
    try {
      return await (await this.#ask(query, parameters)).json<T>();
    } catch (error) {
      throw translate(error);
    }
  }

  #ask(query: string, query_params: Record<string, unknown>) {
    return this.#client.query({
      query,
      query_params,
      format: 'JSONCompactEachRow',
      use_multipart_params_auto: true,
      abort_signal: this.#signal,
    });
  }
}

/** Where a change stood in Kafka, as one text. */
export function placeOf({ topicId, partition, offset }: ProfileChange): string {
  return `${topicId}/${partition}/${offset}`;
}

function tuples(users: readonly User[]): TupleParam[] {
  return users.map(({ tenantId, userId }) => new TupleParam([tenantId, userId]));
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
