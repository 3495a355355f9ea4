/** The SELECT with which ClickHouse reads a topic's segments of all schema versions at once. */
import type avsc from 'avsc';
import { blobFault } from './blob-fault.ts';
import { ContainerReader } from './container-reader.ts';
import { flatColumns, quoted, valueTypeOf } from './flat-columns.ts';
import { type ArchivePlace, listTopic } from './listing.ts';
import { DECODABLE_FOLDER } from './segment-path.ts';

/** A writer schema that segments were written under. */
export interface ArchivedSchema {
  readonly id: number;
  readonly type: avsc.Type;
  readonly records: number;
}

/** Every writer schema in a topic's segments, read from one segment each: the registry need not be there any more. */
export async function archivedSchemas(place: ArchivePlace, topic: string): Promise<ArchivedSchema[]> {
  const found = new Map<number, { path: string; records: number }>();
  for await (const { name, path, metadata } of listTopic(place, topic)) {
    if (name?.schemaId == null) continue;
    const known = found.get(name.schemaId) ?? { path, records: 0 };
    known.records += metadata?.count ?? 0;
    found.set(name.schemaId, known);
  }
  const schemas: ArchivedSchema[] = [];
  for (const [id, { path, records }] of [...found].sort(([a], [b]) => a - b)) {
    const type = valueTypeOf(await schemaIn(place, path));
    if (type !== null) schemas.push({ id, type, records });
  }
  return schemas;
}

async function schemaIn({ container, prefix }: ArchivePlace, path: string): Promise<string> {
  try {
    const { readableStreamBody } = await container.getBlobClient(prefix + path).download();
    const reader = await ContainerReader.open((readableStreamBody ?? []) as AsyncIterable<Buffer>);
    await reader.close();
    return reader.metadata.get('avro.schema')?.toString() ?? '';
  } catch (error) {
    throw blobFault(error, path);
  }
}

/** Where ClickHouse finds the files: the blob store, or a folder that they were copied to. */
export type SqlSource =
  | {
      readonly kind: 'blob';
      readonly connection: string;
      readonly container: string;
      readonly prefix: string;
    }
  | { readonly kind: 'file'; readonly folder: string };

/**
 * Of several kinds of record in one topic the one with the most records is selected; values that are no record are not.
 * @returns null when there is none
 */
export function selectStatement(
  topic: string,
  schemas: readonly ArchivedSchema[],
  source: SqlSource,
): string | null {
  const kinds = new Map<string, ArchivedSchema[]>();
  for (const schema of schemas) {
    if (schema.type.typeName !== 'record') continue;
    const kind = schema.type.name ?? '';
    kinds.set(kind, [...(kinds.get(kind) ?? []), schema]);
  }
  const count = (versions: readonly ArchivedSchema[]) =>
    versions.reduce((sum, { records }) => sum + records, 0);
  const [versions] = [...kinds.values()].sort((a, b) => count(b) - count(a));
  if (versions === undefined) return null;

  const columns = flatColumns(versions.map(({ type }) => type));
  const ids = versions.map(({ id }) => `s${String(id).padStart(10, '0')}`);
  const glob = `${DECODABLE_FOLDER}/${topic}/dt=*/hour=*/*-${ids.length === 1 ? ids[0] : `{${ids.join(',')}}`}-*.avro`;
  const structure = columns.map(({ name, type }) => `${quoted(name)} ${type}`).join(', ');
  const names = columns.map(({ name }) => `    ${quoted(name)}`).join(',\n');
  return `SELECT\n${names}\nFROM ${tableFunction(source, glob, structure)}\nSETTINGS input_format_avro_allow_missing_fields = 1`;
}

function tableFunction(source: SqlSource, glob: string, structure: string): string {
  if (source.kind === 'file') {
    const folder = source.folder === '' || source.folder.endsWith('/') ? source.folder : `${source.folder}/`;
    return `file(${literal(folder + glob)}, 'Avro', ${literal(structure)})`;
  }
  const { connection, container, prefix } = source;
  return `azureBlobStorage(${connection}, ${literal(container)}, ${literal(prefix + glob)}, 'Avro', 'auto', ${literal(structure)})`;
}

export function literal(text: string): string {
  return `'${text.replaceAll(/['\\]/g, '\\$&')}'`;
}
