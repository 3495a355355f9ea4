/** Questions of the profiles pipeline to ClickHouse. Numbers of 64 bits and more are asked for as text: JSON's readers would round them. */
import { TupleParam } from '@clickhouse/client';
import type { ClickHouseClient } from '../common/clickhouse/client.ts';
import { translate } from '../common/clickhouse-sink/row-insert.ts';

export interface User {
  readonly tenantId: string;
  readonly userId: string;
}

export interface Questioned {
  readonly client: ClickHouseClient;
  readonly signal: AbortSignal;
}

export type Parameters = Readonly<Record<string, unknown>>;

/** A whole answer, rows as lists of their columns. @throws {Outage} */
export async function askRows<Row>(of: Questioned, query: string, parameters: Parameters): Promise<Row[]> {
  try {
    return await (await ask(of, query, parameters)).json<Row>();
  } catch (error) {
    throw translate(error);
  }
}

/** An answer of any size, one row after another. @throws {Outage} */
export async function* askEach<Row>(
  of: Questioned,
  query: string,
  parameters: Parameters,
): AsyncGenerator<Row> {
  try {
    const answer = await ask(of, query, parameters);
    for await (const rows of answer.stream<Row>()) for (const row of rows) yield row.json();
  } catch (error) {
    throw translate(error);
  }
}

function ask({ client, signal }: Questioned, query: string, query_params: Parameters) {
  return client.query({
    query,
    query_params: { ...query_params },
    format: 'JSONCompactEachRow',
    // Proxies refuse long URLs.
    use_multipart_params_auto: true,
    abort_signal: signal,
  });
}

export function tuples(users: readonly User[]): TupleParam[] {
  return users.map(({ tenantId, userId }) => new TupleParam([tenantId, userId]));
}

/** Users, in lists of as many as one parameter takes, as one SQL expression. */
export function inLists(lists: readonly (readonly User[])[]): {
  readonly sql: string;
  readonly parameters: Parameters;
} {
  const names = lists.map((_, index) => `users_${index}`);
  return {
    sql: `arrayConcat(${names.map((name) => `{${name}:Array(Tuple(String, String))}`).join(', ')})`,
    parameters: Object.fromEntries(names.map((name, index) => [name, tuples(lists[index] ?? [])])),
  };
}
