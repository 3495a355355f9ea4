import avsc, { type Schema } from 'avsc';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Fault,
  incompatibilities,
  unreadable,
} from '../../../../deploy/local/registry/compatibility.ts';
import type { CompatibilityLevel } from '../../../../deploy/local/registry/store.ts';

const typeOf = (schema: unknown) => avsc.Type.forSchema(schema as Schema, { wrapUnions: true });

const record = (...fields: unknown[]) => ({ type: 'record', name: 'Event', namespace: 'n', fields });
const a = { name: 'a', type: 'long' };
const b = { name: 'b', type: 'string' };
const optionalB = { name: 'b', type: ['null', 'string'], default: null };
const letters = (symbols: string[], rest: object = {}) => ({
  type: 'enum',
  name: 'Letter',
  symbols,
  ...rest,
});
const fixed = (size: number, name = 'F') => ({ type: 'fixed', name, size });
const list = (name: string, fields: unknown[] = []) => ({
  type: 'record',
  name,
  fields: [{ name: 'next', type: ['null', name], default: null }, ...fields],
});

type ErrorType = Fault['errorType'];

/** [what, reader, writer, faults in that order] */
const TABLE: [string, unknown, unknown, ErrorType[]][] = [
  ['the same', record(a, b), record(a, b), []],
  ['a field less', record(a), record(a, b), []],
  ['a field more with a default', record(a, optionalB), record(a), []],
  ['a field more without a default', record(a, b), record(a), ['READER_FIELD_MISSING_DEFAULT_VALUE']],
  [
    'two fields more',
    record(a, b, { ...b, name: 'c' }),
    record(a),
    ['READER_FIELD_MISSING_DEFAULT_VALUE', 'READER_FIELD_MISSING_DEFAULT_VALUE'],
  ],
  ['a field renamed with an alias', record({ ...a, name: 'z', aliases: ['a'] }), record(a), []],
  ['a record renamed with an alias', { ...record(a), name: 'New', aliases: ['n.Event'] }, record(a), []],
  ['a record renamed', { ...record(a), name: 'New' }, record(a), ['NAME_MISMATCH']],
  ['a record in another namespace', { ...record(a), namespace: 'other' }, record(a), []],
  ['a field of another type', record({ ...a, type: 'string' }), record(a), ['TYPE_MISMATCH']],
  ['a field made optional', record(optionalB), record(b), []],
  ['a field made mandatory', record(b), record(optionalB), ['TYPE_MISMATCH']],
  ['int read as long', 'long', 'int', []],
  ['int read as double', 'double', 'int', []],
  ['long read as float', 'float', 'long', []],
  ['float read as double', 'double', 'float', []],
  ['long read as int', 'int', 'long', ['TYPE_MISMATCH']],
  ['double read as float', 'float', 'double', ['TYPE_MISMATCH']],
  ['string read as bytes', 'bytes', 'string', []],
  ['bytes read as string', 'string', 'bytes', []],
  ['boolean read as int', 'int', 'boolean', ['TYPE_MISMATCH']],
  ['an enum with a symbol more', letters(['A', 'B']), letters(['A']), []],
  ['an enum with a symbol less', letters(['A']), letters(['A', 'B']), ['MISSING_ENUM_SYMBOLS']],
  ['an enum with a symbol less and a default', letters(['A'], { default: 'A' }), letters(['A', 'B']), []],
  ['a fixed of another size', fixed(8), fixed(4), ['FIXED_SIZE_MISMATCH']],
  ['a fixed of another name', fixed(4, 'G'), fixed(4), ['NAME_MISMATCH']],
  ['a union with a branch more', ['null', 'int', 'string'], ['null', 'int'], []],
  ['a union with a branch less', ['null', 'int'], ['null', 'int', 'string'], ['MISSING_UNION_BRANCH']],
  ['a union with its branches in another order', ['string', 'null'], ['null', 'string'], []],
  ['a union whose branch is promoted', ['null', 'long'], ['null', 'int'], []],
  ['one type read as a union', ['null', 'long'], 'int', []],
  ['a union read as one type', 'string', ['null', 'string'], ['TYPE_MISMATCH']],
  ['a union of one read as that one', 'string', ['string'], []],
  ['array items promoted', { type: 'array', items: 'long' }, { type: 'array', items: 'int' }, []],
  [
    'array items of another type',
    { type: 'array', items: 'int' },
    { type: 'array', items: 'string' },
    ['TYPE_MISMATCH'],
  ],
  [
    'map values of another type',
    { type: 'map', values: 'int' },
    { type: 'map', values: 'string' },
    ['TYPE_MISMATCH'],
  ],
  [
    'an array read as a map',
    { type: 'map', values: 'int' },
    { type: 'array', items: 'int' },
    ['TYPE_MISMATCH'],
  ],
  ['a logical type on the same type', { type: 'long', logicalType: 'timestamp-millis' }, 'long', []],
  ['a recursive record', list('L'), list('L'), []],
  ['a recursive record with a field more', list('L', [b]), list('L'), ['READER_FIELD_MISSING_DEFAULT_VALUE']],
  [
    // avsc's own resolver takes the second use of N for readable, because it has looked at it before.
    'a record that cannot be read, used twice in unions',
    record(
      { name: 'x', type: ['null', { ...record(a, b), name: 'N' }] },
      { name: 'y', type: ['null', 'n.N'] },
    ),
    record({ name: 'x', type: ['null', { ...record(a), name: 'N' }] }, { name: 'y', type: ['null', 'n.N'] }),
    ['MISSING_UNION_BRANCH', 'MISSING_UNION_BRANCH'],
  ],
];

describe('unreadable', () => {
  it.each(TABLE)('%s', (_what, reader, writer, expected) => {
    const faults = unreadable({ reader: typeOf(reader), writer: typeOf(writer), says: ['new', 'old'] });
    expect(faults.map(({ errorType }) => errorType)).toEqual(expected);
  });

  it('says where, and which schema is which', () => {
    const [fault] = unreadable({
      reader: typeOf(record(a, b)),
      writer: typeOf(record(a)),
      says: ['new', 'old'],
    });
    expect(fault?.description).toBe(
      "the field 'b' at '/fields/1' has no default in the new schema and is missing in the old schema",
    );
  });

  it('calls readable what avsc then reads, for any two records of simple fields', () => {
    const type = fc.constantFrom('int', 'long', 'float', 'double', 'string', 'bytes', 'boolean');
    const field = fc.record({ name: fc.constantFrom('a', 'b', 'c'), type, isOptional: fc.boolean() });
    const someRecord = fc
      .uniqueArray(field, { selector: ({ name }) => name })
      .map((fields) =>
        record(
          ...fields.map(({ name, type: of, isOptional }) =>
            isOptional ? { name, type: ['null', of], default: null } : { name, type: of },
          ),
        ),
      );
    fc.assert(
      fc.property(someRecord, someRecord, (readerJson, writerJson) => {
        const [reader, writer] = [typeOf(readerJson), typeOf(writerJson)];
        const isReadable = unreadable({ reader, writer, says: ['new', 'old'] }).length === 0;
        let isResolvable = true;
        try {
          const resolver = reader.createResolver(writer);
          for (let n = 0; n < 3; n += 1) reader.fromBuffer(writer.toBuffer(writer.random()), resolver);
        } catch {
          isResolvable = false;
        }
        expect(isReadable).toBe(isResolvable);
      }),
      { numRuns: 500 },
    );
  });
});

describe('incompatibilities', () => {
  const withOptional = record(a, optionalB);
  const withMandatory = record(a, b);
  /** [level, a mandatory field is added, a mandatory field is removed, an optional field is added] */
  const LEVELS: [CompatibilityLevel, boolean, boolean, boolean][] = [
    ['NONE', true, true, true],
    ['BACKWARD', false, true, true],
    ['BACKWARD_TRANSITIVE', false, true, true],
    ['FORWARD', true, false, true],
    ['FORWARD_TRANSITIVE', true, false, true],
    ['FULL', false, false, true],
    ['FULL_TRANSITIVE', false, false, true],
  ];
  it.each(LEVELS)(
    '%s: mandatory field added %s, removed %s, optional field added %s',
    (level, ...expected) => {
      const passes = (next: unknown, previous: unknown) =>
        incompatibilities(typeOf(next), typeOf(previous), level).length === 0;
      expect([
        passes(withMandatory, record(a)),
        passes(record(a), withMandatory),
        passes(withOptional, record(a)),
      ]).toEqual(expected);
    },
  );
});
