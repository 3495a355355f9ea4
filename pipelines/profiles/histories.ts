/** Reads users' changes from ClickHouse. */
import { TupleParam } from '@clickhouse/client';
import type { ClickHouseClient } from '../common/clickhouse/client.ts';
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

export interface HistorySize {
  readonly changes: number;
  /** Of all attributes. */
  readonly bytes: number;
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

export class Histories {
  readonly #client: ClickHouseClient;
  readonly #signal: AbortSignal;

  constructor({ client, signal }: { client: ClickHouseClient; signal: AbortSignal }) {
    this.#client = client;
    this.#signal = signal;
  }

  /** By `userKey`; users without any change are missing. */
  async sizes(users: readonly User[]): Promise<Map<string, HistorySize>> {
    const rows = await this.#query<readonly [string, string, string, string]>(
      `SELECT tenant_id, user_id, toString(count()), toString(sum(length(ifNull(attributes, ''))))
       FROM profile_changes WHERE ${OF_USERS} GROUP BY tenant_id, user_id`,
      { users: tuples(users) },
    );
    return new Map(
      rows.map(([tenantId, userId, changes, bytes]) => [
        userKey(tenantId, userId),
        { changes: Number(changes), bytes: Number(bytes) },
      ]),
    );
  }

  /** Whole histories, by `userKey`: of users whose sizes were asked for, so that they fit into memory. */
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

  async #query<T>(query: string, query_params: Record<string, unknown>): Promise<T[]> {
    try {
      const answer = await this.#client.query({
        query,
        query_params,
        format: 'JSONCompactEachRow',
        use_multipart_params_auto: true,
        abort_signal: this.#signal,
      });
      return await answer.json<T>();
    } catch (error) {
      throw translate(error);
    }
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
