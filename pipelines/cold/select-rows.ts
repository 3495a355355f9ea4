/** Rows of a table as they go into the cold tier: in its order, each offset of a source once. */
import type { ClickHouseClient } from '@clickhouse/client';
import { asOutage } from '../common/clickhouse/client.ts';
import type { ColdColumn, ColdRow, ColdTable, ColdValue } from './cold-table.ts';
import type { Condition } from './exported.ts';
import { mergeRows } from './merge-rows.ts';

/**
 * @throws {Outage}
 */
export function selectColdRows(
  client: ClickHouseClient,
  table: ColdTable,
  where: Condition,
): AsyncGenerator<readonly ColdRow[]> {
  // Copies of a batch that was inserted twice stand beside one another.
  return mergeRows(table, [stream(client, table, where)]);
}

async function* stream(
  client: ClickHouseClient,
  table: ColdTable,
  { sql, parameters }: Condition,
): AsyncGenerator<readonly ColdRow[]> {
  const { columns, owner, order } = table;
  const names = [...owner, ...order].map((index) => columns[index]?.name);
  try {
    const answer = await client.query({
      query: `SELECT ${columns.map(expression).join(', ')} FROM ${table.name} WHERE ${sql} ORDER BY ${names.join(', ')}`,
      query_params: parameters,
      format: 'JSONCompactEachRow',
      clickhouse_settings: {
        output_format_json_quote_64bit_integers: 1,
        optimize_read_in_order: 1,
        // Of a large day not a byte would come before the limit of a request: ClickHouse would keep the whole answer
        // first. Whoever takes the rows counts them, because an answer may break off.
        wait_end_of_query: 0,
      },
      // Proxies refuse long URLs.
      use_multipart_params_auto: true,
    });
    for await (const rows of answer.stream<ColdValue[]>())
      yield rows.map((row) =>
        row.json().map((value, index) => coldValue(columns[index] as ColdColumn, value)),
      );
  } catch (error) {
    throw asOutage(error);
  }
}

/** The table's own column: an alias of the same name would be what WHERE and ORDER BY see. */
function expression({ name, kind }: ColdColumn): string {
  if (kind === 'instant') return `toUnixTimestamp64Milli(${name}) AS ${name}_ms`;
  // JSON has no infinities.
  if (kind === 'double') return `toString(${name}) AS ${name}_text`;
  return name;
}

function coldValue({ kind }: ColdColumn, value: ColdValue): ColdValue {
  if (value === null) return null;
  switch (kind) {
    case 'instant':
    case 'double':
      return Number(value === 'inf' ? 'Infinity' : value === '-inf' ? '-Infinity' : value);
    case 'integer':
    case 'unsigned':
      return BigInt(value as string);
    default:
      return value;
  }
}
