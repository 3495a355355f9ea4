/**
 * Whether values written under one Avro schema can be read under another: schema resolution of the Avro specification,
 * decided for the schemas alone. avsc's own resolver stops at the first fault, and takes a record for readable once it
 * has begun to look at it, even when that ended badly; people need every fault, and the registry the right answer.
 */
import type { Type } from 'avsc';
import type { CompatibilityLevel } from './store.ts';

export interface Fault {
  /** As the Confluent registry names it. */
  readonly errorType:
    | 'TYPE_MISMATCH'
    | 'NAME_MISMATCH'
    | 'FIXED_SIZE_MISMATCH'
    | 'MISSING_ENUM_SYMBOLS'
    | 'MISSING_UNION_BRANCH'
    | 'READER_FIELD_MISSING_DEFAULT_VALUE';
  readonly description: string;
}

/** @returns what speaks against `next` beside `previous` at the level; empty when nothing does */
export function incompatibilities(next: Type, previous: Type, level: CompatibilityLevel): readonly Fault[] {
  const [direction] = level.split('_');
  const isBackward = direction === 'BACKWARD' || direction === 'FULL';
  const isForward = direction === 'FORWARD' || direction === 'FULL';
  return [
    ...(isBackward ? unreadable({ reader: next, writer: previous, says: ['new', 'old'] }) : []),
    ...(isForward ? unreadable({ reader: previous, writer: next, says: ['old', 'new'] }) : []),
  ];
}

export function unreadable(options: {
  readonly reader: Type;
  readonly writer: Type;
  /** What the reader's and the writer's schema are called in descriptions. */
  readonly says: readonly [reader: string, writer: string];
}): readonly Fault[] {
  const [readerIs, writerIs] = options.says;
  /** Pairs that are being compared: a recursive schema meets itself, and is readable there if it is everywhere else. */
  const underWay = new Map<Type, Set<Type>>();

  const compare = (reader: Type, writer: Type, path: string): readonly Fault[] => {
    const inHand = underWay.get(reader) ?? new Set();
    if (inHand.has(writer)) return [];
    underWay.set(reader, inHand.add(writer));
    try {
      return compareTypes(shape(reader), shape(writer), path);
    } finally {
      inHand.delete(writer);
    }
  };

  const compareTypes = (reader: TypeShape, writer: TypeShape, path: string): readonly Fault[] => {
    const mismatch = (): readonly Fault[] => [
      {
        errorType: 'TYPE_MISMATCH',
        description: `${at(path)} the ${readerIs} schema has ${named(reader)}, which cannot be read from ${named(writer)} in the ${writerIs} schema`,
      },
    ];
    if (writer.types !== undefined)
      return writer.types.flatMap((branch, index) => compare(reader.self, branch, `${path}/${index}`));
    if (reader.types !== undefined) {
      if (reader.types.some((branch) => compare(branch, writer.self, path).length === 0)) return [];
      return [
        {
          errorType: 'MISSING_UNION_BRANCH',
          description: `${at(path)} no branch of the ${readerIs} schema's union can be read from ${named(writer)} in the ${writerIs} schema`,
        },
      ];
    }
    if (reader.kind !== writer.kind) return PROMOTIONS[writer.kind]?.includes(reader.kind) ? [] : mismatch();
    const faults: Fault[] = [];
    if (reader.name !== undefined && !isSameName(reader, writer)) {
      const description = `${at(path)} ${named(reader)} in the ${readerIs} schema is not ${named(writer)} in the ${writerIs} schema, and has no alias for it`;
      faults.push({ errorType: 'NAME_MISMATCH', description });
    }
    if (reader.size !== writer.size) {
      const description = `${at(path)} ${named(reader)} has ${reader.size} bytes in the ${readerIs} schema and ${writer.size} in the ${writerIs}`;
      faults.push({ errorType: 'FIXED_SIZE_MISMATCH', description });
    }
    faults.push(...compareSymbols(reader, writer, path), ...compareFields(reader, writer, path));
    if (reader.items !== undefined && writer.items !== undefined)
      faults.push(...compare(reader.items, writer.items, `${path}/items`));
    if (reader.values !== undefined && writer.values !== undefined)
      faults.push(...compare(reader.values, writer.values, `${path}/values`));
    return faults;
  };

  /** Avro 1.9: a symbol that the reader does not know becomes the reader's default, where it has one. */
  const compareSymbols = (reader: TypeShape, writer: TypeShape, path: string): readonly Fault[] => {
    const missing = writer.symbols?.filter((symbol) => !reader.symbols?.includes(symbol)) ?? [];
    if (missing.length === 0 || reader.enumDefault !== undefined) return [];
    const description = `${at(path)} ${named(reader)} in the ${readerIs} schema lacks the symbols ${missing.join(', ')} of the ${writerIs} schema, and has no default`;
    return [{ errorType: 'MISSING_ENUM_SYMBOLS', description }];
  };

  const compareFields = (reader: TypeShape, writer: TypeShape, path: string): readonly Fault[] =>
    (reader.fields ?? []).flatMap((field, index) => {
      const names = [field.name, ...field.aliases];
      const source = writer.fields?.find(({ name }) => names.includes(name));
      if (source !== undefined) return compare(field.type, source.type, `${path}/fields/${index}/type`);
      if (field.defaultValue() !== undefined) return [];
      const description = `the field '${field.name}' at '${path}/fields/${index}' has no default in the ${readerIs} schema and is missing in the ${writerIs} schema`;
      return [{ errorType: 'READER_FIELD_MISSING_DEFAULT_VALUE', description }];
    });

  return compare(options.reader, options.writer, '');
}

/** Avro specification, "Schema Resolution": what is written (key) may be read as each of these. */
const PROMOTIONS: Readonly<Record<string, readonly string[]>> = {
  int: ['long', 'float', 'double'],
  long: ['float', 'double'],
  float: ['double'],
  string: ['bytes'],
  bytes: ['string'],
};

interface FieldShape {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly type: Type;
  /** Undefined when there is none; null is a default. */
  defaultValue(): unknown;
}

interface TypeShape {
  readonly self: Type;
  readonly kind: string;
  /** Full. */
  readonly name: string | undefined;
  readonly aliases: readonly string[];
  readonly types: readonly Type[] | undefined;
  readonly fields: readonly FieldShape[] | undefined;
  readonly symbols: readonly string[] | undefined;
  readonly enumDefault: string | undefined;
  readonly size: number | undefined;
  readonly items: Type | undefined;
  readonly values: Type | undefined;
}

/** avsc has a class for each kind of type; here they are looked at as one. */
function shape(type: Type): TypeShape {
  const any = type as Type & {
    readonly name?: string;
    readonly aliases?: readonly string[];
    readonly types?: readonly Type[];
    readonly fields?: readonly FieldShape[];
    readonly symbols?: readonly string[];
    readonly default?: string;
    readonly size?: number;
    readonly itemsType?: Type;
    readonly valuesType?: Type;
  };
  const isNamed = /^(record|error|enum|fixed)$/.test(type.typeName);
  return {
    self: type,
    kind: type.typeName === 'error' ? 'record' : type.typeName,
    name: isNamed ? any.name : undefined,
    aliases: any.aliases ?? [],
    types: any.types,
    fields: any.fields,
    symbols: any.symbols,
    enumDefault: any.default,
    size: any.size,
    items: any.itemsType,
    values: any.valuesType,
  };
}

/** Names count without their namespaces, as in Avro's own implementation; aliases count whole. */
function isSameName(reader: TypeShape, writer: TypeShape): boolean {
  const simple = (name: string | undefined) => name?.slice(name.lastIndexOf('.') + 1);
  return simple(reader.name) === simple(writer.name) || reader.aliases.includes(writer.name ?? '');
}

function named({ kind, name, types }: TypeShape): string {
  if (types !== undefined) return 'a union';
  return name === undefined ? kind : `${kind} ${name}`;
}

function at(path: string): string {
  return `at '${path === '' ? '/' : path}'`;
}
