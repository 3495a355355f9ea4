/** Mapping rules against Avro's own library, and every fault of a mapping file at once. */
import avsc from 'avsc';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { frameOf } from '../../../pipelines/common/avro/wire-format.ts';
import { applyMapping, withSchemaId } from '../../../pipelines/dead-letters/mapping/apply-mapping.ts';
import { parseMapping } from '../../../pipelines/dead-letters/mapping/mapping-file.ts';
import { PayloadFields } from '../../../pipelines/dead-letters/payload-fields.ts';

const SCHEMA = {
  type: 'record',
  name: 'Event',
  fields: [
    { name: 'id', type: 'string' },
    { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
    { name: 'sent', type: ['null', 'long'] },
    { name: 'value', type: ['null', 'double', 'string'] },
    { name: 'type', type: { type: 'enum', name: 'Type', symbols: ['OPEN', 'OPENED'] } },
    { name: 'attributes', type: { type: 'map', values: 'string' } },
  ],
} as const;

const OTHER = { type: 'record', name: 'Other', fields: [{ name: 'id', type: 'string' }] } as const;

/** avsc with its own longs: what it decodes is compared as a value. */
const oracle = avsc.Type.forSchema(SCHEMA as never, { wrapUnions: true });

const fieldsOf = async (id: number) =>
  id === 7 ? new PayloadFields(SCHEMA) : id === 9 ? new PayloadFields(OTHER) : null;

const event = (change: object = {}) => ({
  id: 'a',
  at: 1_795_176_000,
  sent: null,
  value: { double: 1.5 },
  type: 'OPEN',
  attributes: { b: '1', a: '2' },
  ...change,
});

const framed = (value: object, id = 7) => Buffer.concat([frameOf(id), oracle.toBuffer(value)]);

const apply = (yaml: string, value: Buffer, about: { topic?: string; code?: string } = {}) =>
  applyMapping(parseMapping(yaml, 'map.yaml'), { topic: 't', code: 'empty_id', ...about, value }, fieldsOf);

const rule = (then: string, when = '{}') => `rules:\n  - when: ${when}\n    then: ${then}\n`;

const decoded = (value: Buffer) => oracle.fromBuffer(value.subarray(5)) as ReturnType<typeof event>;

describe('a rule', () => {
  test.each([
    ['multiply: { at: 1000 }', {}, { at: 1_795_176_000_000 }],
    ['multiply: { at: 0.001 }', { at: 1_795_176_000_000_999 }, { at: 1_795_176_000_000 }],
    ['multiply: { at: 0.001 }', { at: -1 }, { at: -1 }],
    ['multiply: { sent: 1000 }', { sent: { long: 5 } }, { sent: { long: 5000 } }],
    ['multiply: { sent: 1000 }', { sent: null }, { sent: null }],
    ['multiply: { value: 2 }', {}, { value: { double: 3 } }],
    ['set: { id: b, sent: 5 }', {}, { id: 'b', sent: { long: 5 } }],
    ['set: { value: text }', {}, { value: { string: 'text' } }],
    ['set: { attributes: { x: y } }', {}, { attributes: { x: 'y' } }],
    ['replaceSymbol: { type: { OPEN: OPENED } }', {}, { type: 'OPENED' }],
    ['replaceSymbol: { type: { OPENED: OPEN } }', {}, { type: 'OPEN' }],
  ])('%s of %j gives %j', async (then, before, after) => {
    const result = await apply(rule(`{ ${then} }`), framed(event(before)));
    expect(decoded(result)).toEqual(event({ ...before, ...after }));
  });

  test('changes the bytes of the fields that it names and no others', async () => {
    const text = fc.string({ unit: 'binary' });
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(text, text),
        fc.integer({ min: -(2 ** 31), max: 2 ** 31 }),
        async (attributes, at) => {
          const value = framed(event({ attributes, at }));
          const result = await apply(rule('{ multiply: { at: 1000 } }'), value);
          expect(result).toEqual(framed(event({ attributes, at: at * 1000 })));
          expect(await apply(rule('{ set: { id: a } }'), value)).toEqual(value);
        },
      ),
      { numRuns: 30 },
    );
  });

  test.each([
    ['another topic', '{ topic: [u, v] }', {}],
    ['another code', '{ code: time_too_late }', {}],
    ['another schema', '{ schemaId: 8 }', {}],
    ['another value of a field', '{ fields: { id: b } }', {}],
    ['another value of a number', '{ fields: { at: 1 } }', {}],
    ['a field that there is not', '{ fields: { nowhere: 1 } }', {}],
  ])('is not for %s', async (_, when, about) => {
    const value = framed(event());
    expect(await apply(rule('{ set: { id: changed } }', when), value, about)).toBe(value);
  });

  test('is for what meets all of its conditions', async () => {
    const when =
      '{ topic: [u, t], code: empty_id, schemaId: 7, fields: { id: a, at: 1795176000, sent: null, value: 1.5, type: OPEN } }';
    expect(decoded(await apply(rule('{ set: { id: changed } }', when), framed(event()))).id).toBe('changed');
  });

  test('sees what those before it have left', async () => {
    const yaml = `rules:
  - then: { schemaId: 7, set: { id: b } }
  - when: { schemaId: 7, fields: { id: b } }
    then: { set: { id: c } }
  - when: { fields: { id: a } }
    then: { set: { id: wrong } }
`;
    expect(decoded(await apply(yaml, framed(event(), 8))).id).toBe('c');
  });

  test.each([
    ['{ set: { nowhere: 1 } }', 'rule 1 of the mapping: schema 7 has no field nowhere'],
    ['{ set: { at: noon } }', 'rule 1 of the mapping: field at cannot hold "noon"'],
    ['{ set: { id: null } }', 'rule 1 of the mapping: field id cannot hold null'],
    ['{ replaceSymbol: { type: { OPEN: CLICKED } } }', 'field type cannot hold "CLICKED"'],
    ['{ multiply: { id: 2 } }', 'field id is "a", which is no number'],
    ['{ multiply: { at: 9007199254740991 } }', 'field at cannot hold "'],
    ['{ schemaId: 9, set: { id: b } }', 'bytes are left over'],
    ['{ schemaId: 8, set: { id: b } }', 'the schema of the value is not known'],
  ])('%s that cannot be carried out says why', async (then, message) => {
    await expect(apply(rule(then), framed(event()))).rejects.toThrow(message);
  });
});

test('a schema id takes the place of the one that was there, or of none', () => {
  const value = framed(event(), 3);
  expect(withSchemaId(value, 7)).toEqual(framed(event(), 7));
  expect(withSchemaId(value.subarray(5), 7)).toEqual(framed(event(), 7));
});

test('every fault of a file is told at once, with its path', () => {
  const yaml = `rules:
  - wen: { code: empty_id }
    then: { multipl: { at: 1000 }, set: { id: b } }
  - when: { code: empty, schemaId: 0 }
    then: { multiply: { at: 0.7 }, replaceSymbol: { type: OPENED } }
  - when: { code: empty_id }
`;
  const faults = (text: string) => {
    try {
      parseMapping(text, 'map.yaml');
      return [];
    } catch (error) {
      return (error as Error).message.split('\n').map((line) => line.trim());
    }
  };
  expect(faults(yaml)).toEqual([
    'map.yaml has 7 faults:',
    'rules[0].then: no such key multipl; did you mean multiply?',
    'rules[0]: no such key wen; did you mean when?',
    'rules[1].when.code: empty is no code of a dead letter',
    'rules[1].when.schemaId: must be a schema id, at least 1',
    'rules[1].then.multiply.at: must be a whole number such as 1000, or one divided by a whole number such as 0.001',
    'rules[1].then.replaceSymbol.type: must be old symbols with new ones',
    'rules[2].then: is missing',
  ]);
  expect(faults('rules: []')).toEqual(['map.yaml has 1 fault:', 'rules: must have at least one rule']);
  expect(faults('rules: [')[0]).toMatch(/^map\.yaml: /);
  expect(faults('')).toHaveLength(2);
});
