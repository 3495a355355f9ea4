/** Writers' schemas as avsc reads them, with the logical types that change what a number means. */
import avsc from 'avsc';

/** What avsc's types have in common with one another, as far as we look at them. */
export type AvroType = avsc.Type & {
  readonly fields?: readonly { readonly name: string; readonly type: AvroType }[];
  readonly types?: readonly AvroType[];
  readonly symbols?: readonly string[];
  readonly itemsType?: AvroType;
  readonly valuesType?: AvroType;
  readonly size?: number;
  readonly underlyingType?: AvroType;
};

/** Units of an instant, by Avro's logical types. A local timestamp names no instant: nobody says in which zone it was. */
const LOGICAL_TYPES = [
  'timestamp-millis',
  'timestamp-micros',
  'timestamp-nanos',
  'local-timestamp-millis',
  'local-timestamp-micros',
  'local-timestamp-nanos',
  'date',
  'time-millis',
  'time-micros',
] as const;

/** Keeps its name only: values are never built. */
class NamedLogicalType extends avsc.types.LogicalType {}

const LOGICAL = Object.fromEntries(LOGICAL_TYPES.map((name) => [name, NamedLogicalType]));

/** @param schema parsed JSON, references inlined @throws when avsc cannot read it */
export function parseWriterSchema(schema: unknown): AvroType {
  // avsc keeps the names it has seen in the options, so that they serve one schema only. Branches are told apart by
  // their index alone: wrapped, no union is ambiguous.
  return avsc.Type.forSchema(schema as avsc.Schema, { logicalTypes: LOGICAL, wrapUnions: true }) as AvroType;
}

export function underlying(type: AvroType): AvroType {
  return type.underlyingType ?? type;
}

/** Null when there is none that we know of. */
export function logicalNameOf(type: AvroType): string | null {
  return type.typeName.startsWith('logical:') ? type.typeName.slice('logical:'.length) : null;
}

export function fieldsOf(type: AvroType): readonly { readonly name: string; readonly type: AvroType }[] {
  return type.fields ?? [];
}

export function branchesOf(type: AvroType): readonly AvroType[] {
  return type.types ?? [];
}

export function isUnion(type: AvroType): boolean {
  return type.typeName.startsWith('union:');
}

/** For messages. */
export function describeType(type: AvroType): string {
  const logical = logicalNameOf(type);
  if (logical !== null) return `${underlying(type).typeName} (${logical})`;
  return isUnion(type) ? `union of ${branchesOf(type).map(describeType).join(', ')}` : type.typeName;
}
