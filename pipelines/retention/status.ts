/** What is where: the tables of ClickHouse, the cold tier, and who is at it. */
import type { Config } from '../../config/schema.ts';
import { selectRows } from '../common/clickhouse/select.ts';
import { textTable } from '../common/text-table.ts';
import type { RetentionContext } from './context.ts';
import { type Look, lookAround, readCheckedManifest } from './look.ts';
import { planJson } from './plan-json.ts';
import { planText, sizeText } from './plan-text.ts';

interface TableSize {
  readonly table: string;
  readonly rows: number;
  readonly bytes: number;
}

export interface Status {
  readonly look: Look;
  readonly tables: readonly TableSize[];
}

type Settings = Pick<Config, 'retention'>;

/** @throws {Outage} @throws {DamagedColdFile} */
export async function readStatus(context: RetentionContext): Promise<Status> {
  const { client, config } = context;
  const { manifest } = await readCheckedManifest(context);
  const rows = await selectRows<readonly [string, string, string]>(
    client,
    `SELECT table, toString(sum(rows)), toString(sum(bytes_on_disk)) FROM system.parts
     WHERE active AND database = {database:String} GROUP BY table ORDER BY sum(bytes_on_disk) DESC, table`,
    { database: config.clickhouse.database },
  );
  const tables = rows.map(([table, count, bytes]) => ({ table, rows: Number(count), bytes: Number(bytes) }));
  return { look: await lookAround(context, manifest), tables };
}

export function statusText({ look, tables }: Status, settings: Settings): string {
  const number = new Intl.NumberFormat('en-US');
  const right = (head: string) => ({ head, align: 'right' as const });
  const { events, profile_changes, campaigns } = look.manifest;
  const cold = [
    ...Object.entries(events.months).map(([month, listed]) => [`events ${month}`, listed] as const),
    ...(profile_changes.files === null ? [] : [['profile changes', profile_changes.files] as const]),
    ...(campaigns.files === null ? [] : [['campaigns', campaigns.files] as const]),
  ];
  const parts = [
    textTable(
      [{ head: 'in ClickHouse' }, right('rows'), right('size')],
      tables.map(({ table, rows, bytes }) => [table, number.format(rows), sizeText(bytes)]),
    ),
    cold.length === 0
      ? 'nothing is in the cold tier'
      : textTable(
          [{ head: 'in the cold tier' }, right('files'), right('rows'), right('size')],
          cold.map(([name, { files, rows, bytes }]) => [name, files, number.format(rows), sizeText(bytes)]),
        ),
    ...(events.pending === null ? [] : ['an export was begun and is not ended: the next run ends it']),
    planText(look, settings).trimEnd(),
  ];
  return `${parts.join('\n\n')}\n`;
}

export function statusJson({ look, tables }: Status, settings: Settings): object {
  return { ...planJson(look, settings), tables };
}
