/** Resolves a writer's schema to ours once, into steps that a loop can walk for each payload. (Avro, "Schema Resolution") */
import {
  type AvroType,
  branchesOf,
  describeType,
  fieldsOf,
  isUnion,
  logicalNameOf,
  parseWriterSchema,
  underlying,
} from './avro-type.ts';
import { type ReaderField, unqualified } from './reader-schema.ts';
import { encodeText } from './row-binary.ts';
import type { ColumnKind, RowSpec } from './row-spec.ts';
import { type Shape, shapeOf } from './skip-value.ts';

/** What a step does with the bytes at hand. Numbers, so that the loop switches on them without a look-up. */
export const READ_NULL = 0;
export const READ_TEXT = 1;
export const READ_SYMBOL = 2;
export const READ_TIME = 3;
export const READ_LONG = 4;
export const READ_BOOLEAN = 5;
export const READ_FLOAT = 6;
export const READ_DOUBLE = 7;
/** For every column that holds a number; an int is read more strictly than a long. */
export const READ_INT = 8;
export const READ_MAP = 9;
export const READ_UNION = 10;
export const SKIP = 11;
/** A union's branch that cannot become the column's value: a fault only in the records that use it. */
export const REFUSE = 12;

/** One field of the writer. */
interface Step {
  readonly read: number;
  /** READ_TIME: units in a millisecond. READ_UNION: index into `unions`. SKIP and REFUSE: index into `shapes`. */
  readonly argument: number;
}

export interface SymbolTable {
  /** Each symbol as a row holds it: its length, then its bytes. */
  readonly encoded: readonly Buffer[];
  readonly names: readonly string[];
  /** True for symbols that our schema does not have: a newer producer's. */
  readonly isUnknown: readonly boolean[];
}

export interface WriterPlan {
  /** Three numbers for each field in the writer's order: what to do, the column that it fills (-1 for none), the argument. */
  readonly steps: Int32Array;
  /** Names of the fields, in the same order. */
  readonly fields: readonly string[];
  /** For each union two numbers a branch: what to do, and the argument. */
  readonly unions: readonly Int32Array[];
  readonly shapes: readonly Shape[];
  /** By column; null where the column holds no symbol. */
  readonly symbols: readonly (SymbolTable | null)[];
  /** True when the writer's schema has a symbol that ours has not. */
  readonly hasUnknownSymbols: boolean;
  /** A row takes at most this many bytes more than the payload it came from. */
  readonly slack: number;
}

/** @returns the plan, or why the schema is not one of ours, as a sentence */
export function planFor(inlined: unknown, spec: RowSpec): WriterPlan | string {
  let type: AvroType;
  try {
    type = parseWriterSchema(inlined);
  } catch (error) {
    return `the schema cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
  return new Planner(spec).plan(type);
}

class Planner {
  readonly #spec: RowSpec;
  readonly #unions: Int32Array[] = [];
  readonly #shapes: Shape[] = [];
  readonly #knownShapes = new Map<AvroType, Shape>();
  readonly #symbols: (SymbolTable | null)[];

  constructor(spec: RowSpec) {
    this.#spec = spec;
    this.#symbols = spec.columns.map(() => null);
  }

  plan(type: AvroType): WriterPlan | string {
    const { reader, columns } = this.#spec;
    if (type.typeName !== 'record') return `it is no record but ${describeType(type)}`;
    if (!reader.names.has(unqualified(type.name ?? '')))
      return `it is the record ${type.name}, not ${[...reader.names].join(' or ')}`;
    const columnOf = new Map(columns.map(({ name }, index) => [name, index]));
    const written = new Set<string>();
    const steps: number[] = [];
    for (const field of fieldsOf(type)) {
      const target = this.#readerFieldFor(field.name, written);
      const column = target === null ? undefined : columnOf.get(target.name);
      const step =
        target === null || column === undefined
          ? this.#skip(SKIP, field.type)
          : this.#resolve(field.type, { column, field: target });
      if (typeof step === 'string') return `its field ${field.name} is ${step}`;
      if (target !== null) written.add(target.name);
      steps.push(step.read, step.read === SKIP ? -1 : (column ?? -1), step.argument);
    }
    const missing = [...reader.fields.values()].find(
      ({ name, hasDefault }) => !hasDefault && !written.has(name),
    );
    if (missing !== undefined) return `it has no field ${missing.name}`;
    return {
      steps: Int32Array.from(steps),
      fields: fieldsOf(type).map(({ name }) => name),
      unions: this.#unions,
      shapes: this.#shapes,
      symbols: this.#symbols,
      hasUnknownSymbols: this.#symbols.some((table) => table?.isUnknown.includes(true)),
      slack: this.#slack(),
    };
  }

  /** By name, else by a name that our field once had. */
  #readerFieldFor(name: string, written: ReadonlySet<string>): ReaderField | null {
    const { fields } = this.#spec.reader;
    const field =
      fields.get(name) ?? [...fields.values()].find(({ aliases }) => aliases.includes(name)) ?? null;
    return field === null || written.has(field.name) ? null : field;
  }

  #resolve(type: AvroType, target: { column: number; field: ReaderField }): Step | string {
    if (!isUnion(type))
      return this.#resolveOne(type, target) ?? cannotRead(type, this.#kindOf(target.column));
    const branches = branchesOf(type).map(
      (branch): Step => this.#resolveOne(branch, target) ?? this.#nullOrRefuse(branch),
    );
    const kind = this.#kindOf(target.column);
    const isReadable = ({ read }: Step) => (read === READ_NULL ? isNullable(kind) : read !== REFUSE);
    if (!branches.some(isReadable)) return cannotRead(type, kind);
    this.#unions.push(Int32Array.from(branches.flatMap(({ read, argument }) => [read, argument])));
    return { read: READ_UNION, argument: this.#unions.length - 1 };
  }

  /** Null where the type can never become the column's value. */
  #resolveOne(type: AvroType, { column, field }: { column: number; field: ReaderField }): Step | null {
    const plain = underlying(type);
    const name = plain.typeName;
    const kind = this.#kindOf(column);
    const logical = logicalNameOf(type) ?? '';
    switch (kind) {
      case 'id':
      case 'text':
      case 'textOrNull':
        if (name === 'string' || name === 'bytes') return { read: READ_TEXT, argument: 0 };
        break;
      case 'symbol':
        if (
          name === 'enum' &&
          unqualified(plain.name ?? '') === field.enumName &&
          this.#symbols[column] === null
        ) {
          this.#symbols[column] = symbolTable(plain.symbols ?? [], field.symbols ?? new Set());
          return { read: READ_SYMBOL, argument: 0 };
        }
        break;
      case 'time':
      case 'planOrNull': {
        const perMillisecond = TIME_UNITS[logical];
        if (name === 'long' && perMillisecond !== undefined)
          return { read: READ_TIME, argument: perMillisecond };
        if (name === 'int' && logical === '') return { read: READ_INT, argument: 0 };
        break;
      }
      case 'longOrNull':
        if (name === 'long') return { read: READ_LONG, argument: 0 };
        if (name === 'int') return { read: READ_INT, argument: 0 };
        break;
      case 'booleanOrFalse':
        if (name === 'boolean') return { read: READ_BOOLEAN, argument: 0 };
        break;
      case 'doubleOrNull':
        if (name === 'double') return { read: READ_DOUBLE, argument: 0 };
        if (name === 'float') return { read: READ_FLOAT, argument: 0 };
        if (name === 'long') return { read: READ_LONG, argument: 0 };
        if (name === 'int') return { read: READ_INT, argument: 0 };
        break;
      case 'textMap':
        if (name === 'map' && ['string', 'bytes'].includes(plain.valuesType?.typeName ?? ''))
          return { read: READ_MAP, argument: 0 };
        break;
      default:
        break;
    }
    return name === 'null' && isNullable(kind) ? { read: READ_NULL, argument: 0 } : null;
  }

  /** A union may hold what we cannot store; whether it does is seen in each record. */
  #nullOrRefuse(branch: AvroType): Step {
    return branch.typeName === 'null' ? { read: READ_NULL, argument: 0 } : this.#skip(REFUSE, branch);
  }

  #skip(read: number, type: AvroType): Step {
    this.#shapes.push(shapeOf(type, this.#knownShapes));
    return { read, argument: this.#shapes.length - 1 };
  }

  #kindOf(column: number): ColumnKind {
    return this.#spec.columns[column]?.kind ?? 'constant';
  }

  #slack(): number {
    const { columns, constants = {} } = this.#spec;
    return columns.reduce((sum, { name, kind }, column) => {
      const symbols = this.#symbols[column]?.encoded ?? [];
      return (
        sum +
        MOST_BYTES[kind] +
        symbols.reduce((most, { length }) => Math.max(most, length), 0) +
        Buffer.byteLength(constants[name] ?? '')
      );
    }, 0);
  }
}

/** Units in a millisecond. Without a logical type the number is what our schema says: milliseconds. */
const TIME_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  'timestamp-millis': 1,
  'timestamp-micros': 1_000,
  'timestamp-nanos': 1_000_000,
};

/** Bytes of a column beyond those that its field has in the payload: lengths, flags, and values that need not be there. */
const MOST_BYTES: Readonly<Record<ColumnKind, number>> = {
  id: 5,
  text: 5,
  textOrNull: 6,
  symbol: 0,
  time: 8,
  planOrNull: 9,
  booleanOrFalse: 1,
  doubleOrNull: 9,
  longOrNull: 9,
  textMap: 10,
  constant: 5,
  // The topic's id, a slash and a partition.
  source: 5 + 32 + 1 + 10,
  offset: 8,
  recordedAt: 8,
};

function isNullable(kind: ColumnKind): boolean {
  return kind.endsWith('OrNull');
}

function cannotRead(type: AvroType, kind: ColumnKind): string {
  return `${describeType(type)}, which cannot be read as ${kind}`;
}

function symbolTable(symbols: readonly string[], known: ReadonlySet<string>): SymbolTable {
  return {
    encoded: symbols.map(encodeText),
    names: symbols,
    isUnknown: symbols.map((symbol) => !known.has(symbol)),
  };
}
