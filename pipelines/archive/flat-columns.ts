/** The columns of a segment as ClickHouse sees them, over all schema versions: nested records flattened. */
import avsc from 'avsc';
import { RECORD_NAME } from './wrapper-schema.ts';

export interface FlatColumn {
  /** `value.campaign_id` */
  readonly name: string;
  readonly type: string;
}

type AnyType = avsc.Type & {
  readonly fields?: readonly { readonly name: string; readonly type: AnyType }[];
  readonly types?: readonly AnyType[];
  readonly itemsType?: AnyType;
  readonly valuesType?: AnyType;
  readonly size?: number;
  readonly underlyingType?: AnyType;
};

/** Logical types that ClickHouse has a type for. The precision of a decimal is not needed by any schema of ours. */
const LOGICAL: Readonly<Record<string, string>> = {
  'timestamp-millis': "DateTime64(3, 'UTC')",
  'timestamp-micros': "DateTime64(6, 'UTC')",
  date: 'Date32',
  uuid: 'UUID',
};

/** Keeps the logical type's name on the type; the values are not touched. */
class NamedLogicalType extends avsc.types.LogicalType {
  override _fromValue(value: unknown): unknown {
    return value;
  }
  override _toValue(value: unknown): unknown {
    return value;
  }
}

const logicalTypes = Object.fromEntries(Object.keys(LOGICAL).map((name) => [name, NamedLogicalType]));

/** The writer schema's type, out of the schema of a whole segment. @returns null when it is not a segment's schema */
export function valueTypeOf(segmentSchema: string): avsc.Type | null {
  const type = avsc.Type.forSchema(JSON.parse(segmentSchema) as avsc.Schema, { logicalTypes });
  if (!(type instanceof avsc.types.RecordType) || type.name !== RECORD_NAME) return null;
  return type.field('value')?.type ?? null;
}

/** Of the wrapper itself. */
const WRAPPER_COLUMNS: readonly FlatColumn[] = [
  { name: 'partition', type: 'Int32' },
  { name: 'offset', type: 'Int64' },
  { name: 'timestamp', type: "DateTime64(3, 'UTC')" },
  { name: 'key', type: 'Nullable(String)' },
  { name: 'schema_id', type: 'Int32' },
];

/**
 * One column for each field of any version, in the order in which they first appear. A field that some versions lack
 * is read as empty from those; one whose type grew (int to long) has the wider type; one that changed beyond that is text.
 */
export function flatColumns(versions: readonly avsc.Type[]): FlatColumn[] {
  const columns = new Map(WRAPPER_COLUMNS.map(({ name, type }) => [name, type]));
  for (const version of versions) {
    for (const { name, type } of fieldsOf(version as AnyType, 'value')) {
      const known = columns.get(name);
      columns.set(name, known === undefined ? type : wider(known, type));
    }
  }
  return [...columns].map(([name, type]) => ({ name, type }));
}

function fieldsOf(type: AnyType, path: string): FlatColumn[] {
  if (!isRecord(type)) return [{ name: path, type: columnType(type) }];
  return (type.fields ?? []).flatMap((field) => fieldsOf(field.type, `${path}.${field.name}`));
}

function isRecord({ typeName }: AnyType): boolean {
  return typeName === 'record' || typeName === 'error';
}

const PLAIN: Readonly<Record<string, string>> = {
  null: 'Nullable(Nothing)',
  boolean: 'Bool',
  int: 'Int32',
  long: 'Int64',
  float: 'Float32',
  double: 'Float64',
  bytes: 'String',
  string: 'String',
  enum: 'String',
};

function columnType(type: AnyType): string {
  const { typeName } = type;
  if (typeName.startsWith('logical:')) {
    return LOGICAL[typeName.slice('logical:'.length)] ?? columnType(type.underlyingType ?? type);
  }
  if (typeName === 'fixed') return `FixedString(${type.size})`;
  if (typeName === 'array') return `Array(${columnType(type.itemsType as AnyType)})`;
  if (typeName === 'map') return `Map(String, ${columnType(type.valuesType as AnyType)})`;
  if (typeName.startsWith('union:')) return unionType(type.types ?? []);
  if (isRecord(type)) {
    const fields = (type.fields ?? []).map((field) => `${quoted(field.name)} ${columnType(field.type)}`);
    return `Tuple(${fields.join(', ')})`;
  }
  return PLAIN[typeName] ?? 'String';
}

function unionType(branches: readonly AnyType[]): string {
  const types = branches.filter(({ typeName }) => typeName !== 'null').map(columnType);
  const hasNull = types.length < branches.length;
  const [only] = types;
  if (only === undefined) return PLAIN.null as string;
  if (types.length > 1) return `Variant(${[...new Set(types)].sort().join(', ')})`;
  // ClickHouse has no null for these: it reads one as empty.
  const isNullable = hasNull && !/^(?:Array|Map|Tuple)\(/.test(only);
  return isNullable ? `Nullable(${only})` : only;
}

const NUMBERS = ['Int32', 'Int64', 'Float32', 'Float64'];

function wider(a: string, b: string): string {
  if (a === b) return a;
  const [plainA, plainB] = [a, b].map((type) => type.replace(/^Nullable\((.*)\)$/, '$1'));
  const isNullable = a.startsWith('Nullable(') || b.startsWith('Nullable(');
  const rank = Math.max(NUMBERS.indexOf(plainA ?? ''), NUMBERS.indexOf(plainB ?? ''));
  const areNumbers = NUMBERS.includes(plainA ?? '') && NUMBERS.includes(plainB ?? '');
  const common = plainA === plainB ? plainA : areNumbers ? NUMBERS[rank] : 'String';
  return isNullable ? `Nullable(${common})` : (common ?? 'String');
}

/** A name between backticks. */
export function quoted(name: string): string {
  return `\`${name.replaceAll(/[`\\]/g, '\\$&')}\``;
}
