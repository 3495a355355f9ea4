/** The data dictionary as a page, from the comments in ClickHouse and the docs in the Avro schemas. */
import { readFileSync } from 'node:fs';
import type { ClickHouseClient } from '@clickhouse/client';
import { topicNames } from '../config/topics.ts';
import { SCHEMA_FILES } from './migrate/subjects.ts';

export interface TableColumn {
  readonly database: string;
  readonly table: string;
  readonly engine: string;
  readonly tableComment: string;
  readonly column: string;
  readonly type: string;
  readonly comment: string;
}

/** In the order of the tables; `schema_migrations` is migrate's own and left out. */
export async function readTableColumns(
  clickhouse: ClickHouseClient,
  databases: readonly string[],
): Promise<readonly TableColumn[]> {
  const result = await clickhouse.query({
    query: `SELECT c.database AS database, c.table AS table, t.engine AS engine, t.comment AS tableComment,
                   c.name AS column, c.type AS type, c.comment AS comment
            FROM system.columns AS c
            INNER JOIN system.tables AS t ON t.database = c.database AND t.name = c.table
            WHERE c.database IN {databases:Array(String)} AND c.table != 'schema_migrations'
            ORDER BY c.database = {first:String} DESC, c.table, c.position`,
    query_params: { databases, first: databases.at(-1) },
    format: 'JSONEachRow',
  });
  return result.json<TableColumn>();
}

/** @param columns with the databases by the names that the page shall show */
export function dataDictionary(columns: readonly TableColumn[]): string {
  const shown = columns.filter(({ engine }) => engine !== 'MaterializedView');
  const bi = shown.filter(({ database }) => database.endsWith('_bi'));
  const views = shown.filter((column) => !bi.includes(column) && column.engine === 'View');
  const tables = shown.filter((column) => !bi.includes(column) && column.engine !== 'View');
  return [
    '# Data dictionary',
    '',
    'Made from the comments in ClickHouse and the docs in the Avro schemas, and held to them by a test. All times are UTC.',
    'Every count is exact: an event that arrived several times counts once, as it was recorded first.',
    '',
    '## For BI tools: the views of `ledger_bi`',
    '',
    'For tools and people who are to see these views and nothing else there is the role `ledger_reader`. `migrate` does not make it: an administrator runs [deploy/clickhouse/readonly-role.sql](../deploy/clickhouse/readonly-role.sql) once.',
    ...sections(bi),
    '## For programs: the views of `ledger`',
    ...sections(views),
    '## The tables of `ledger`',
    '',
    'How to read and write them without counting anything twice: [schemas/README.md](../schemas/README.md).',
    ...sections(tables),
    '## The topics',
    ...topicSections(),
  ].join('\n');
}

function sections(columns: readonly TableColumn[]): string[] {
  return [...Map.groupBy(columns, ({ table }) => table)].flatMap(([table, ofTable]) => [
    '',
    `### ${table}`,
    '',
    sentence(ofTable[0]?.tableComment ?? ''),
    '',
    '| column | type | meaning |',
    '|---|---|---|',
    ...ofTable.map(({ column, type, comment }) => `| ${column} | ${cell(type)} | ${cell(comment)} |`),
    '',
  ]);
}

interface AvroField {
  readonly name: string;
  readonly type: unknown;
  readonly doc: string;
  readonly default?: unknown;
}

interface AvroRecord {
  readonly name: string;
  readonly doc: string;
  readonly fields: readonly AvroField[];
}

function topicSections(): string[] {
  const topics = topicNames({ kafka: { topicPrefix: '' } as never });
  return Object.entries(SCHEMA_FILES).flatMap(([role, file]) => {
    const text = readFileSync(new URL(`avro/${file}`, import.meta.url), 'utf8');
    const { name, doc, fields } = JSON.parse(text) as AvroRecord;
    return [
      '',
      `### ${topics[role as keyof typeof topics]}`,
      '',
      `${name}: ${doc.charAt(0).toLowerCase()}${doc.slice(1)}`,
      '',
      '| field | type | meaning |',
      '|---|---|---|',
      ...fields.map((field) => `| ${field.name} | ${cell(avroType(field.type))} | ${cell(field.doc)} |`),
      '',
    ];
  });
}

/** As people write it: `string?` is a union with null, an enum shows its symbols. */
function avroType(type: unknown): string {
  if (typeof type === 'string') return type;
  if (Array.isArray(type)) {
    return `${type
      .filter((branch) => branch !== 'null')
      .map(avroType)
      .join(' or ')}?`;
  }
  const { type: kind, logicalType, symbols, values } = type as Record<string, unknown>;
  if (typeof logicalType === 'string') return logicalType;
  if (Array.isArray(symbols)) return symbols.join(' ');
  return kind === 'map' ? `map of ${avroType(values)}` : avroType(kind);
}

const cell = (text: string) => text.replaceAll('|', '\\|');
const sentence = (text: string) => (text.endsWith('.') ? text : `${text}.`);
