/** Which writers' schemas are ours, and how the others are refused. */
import { describe, expect, test } from 'vitest';
import type { RowSpec } from '../../../../pipelines/common/transcode/row-spec.ts';
import { planFor } from '../../../../pipelines/common/transcode/writer-plan.ts';
import { CHANGE_ROWS } from '../../../../pipelines/profiles/rows.ts';
import { CAMPAIGN_ROWS, DELIVERY_ROWS, FEEDBACK_ROWS } from '../../../../pipelines/tracking/rows.ts';
import { readSchemaFile } from '../../../../schemas/migrate/subjects.ts';

interface Field {
  readonly name: string;
  readonly type: unknown;
  readonly default?: unknown;
}

interface Schema {
  readonly name: string;
  readonly namespace?: string;
  readonly fields: readonly Field[];
}

const own = JSON.parse(readSchemaFile('feedback-event.avsc')) as Schema;

const withType = (name: string, type: unknown): Schema => ({
  ...own,
  fields: own.fields.map((field) => (field.name === name ? { name, type } : field)),
});
const without = (...names: string[]): Schema => ({
  ...own,
  fields: own.fields.filter(({ name }) => !names.includes(name)),
});
const enumOf = (name: string, symbols: string[]) => ({ type: 'enum', name, symbols });

const SPECS: readonly (readonly [string, RowSpec])[] = [
  ['delivery-event.avsc', DELIVERY_ROWS],
  ['feedback-event.avsc', FEEDBACK_ROWS],
  ['campaign-definition.avsc', CAMPAIGN_ROWS],
  ['profile-change.avsc', CHANGE_ROWS],
];

describe('our own schemas', () => {
  test.each(SPECS)('%s is read, every field of it into a column', (file, spec) => {
    const schema = JSON.parse(readSchemaFile(file)) as Schema;
    const plan = planFor(schema, spec);
    if (typeof plan === 'string') throw new Error(plan);
    const columns = schema.fields.map((_, index) => plan.steps[index * 3 + 1] ?? -1);
    expect(columns.map((column) => spec.columns[column]?.name)).toEqual(
      schema.fields.map(({ name }) => name),
    );
    expect(plan.hasUnknownSymbols).toBe(false);
  });

  test.each(SPECS)(
    'what a row of %s holds for an absent field is the default of the schema',
    (file, spec) => {
      const schema = JSON.parse(readSchemaFile(file)) as Schema;
      const kindOf = new Map(spec.columns.map(({ name, kind }) => [name, kind]));
      for (const field of schema.fields.filter((one) => 'default' in one)) {
        const kind = kindOf.get(field.name) ?? '';
        const held = kind === 'textMap' ? {} : kind === 'booleanOrFalse' ? false : null;
        expect(kind, field.name).toMatch(/OrNull$|OrFalse$|^textMap$/);
        expect(field.default, field.name).toEqual(held);
      }
    },
  );
});

describe('a schema that is read', () => {
  test.each<readonly [string, unknown]>([
    ['of another namespace', { ...own, namespace: 'com.example' }],
    ['of no namespace', { ...own, namespace: undefined }],
    ['in another order', { ...own, fields: [...own.fields].reverse() }],
    ['without what has a default', without('link', 'user_agent', 'is_machine', 'value', 'attributes')],
    ['with a nullable id', withType('user_id', ['null', 'string'])],
    ['with an id of bytes', withType('user_id', 'bytes')],
    ['with a value in whole numbers', withType('value', ['int', 'null'])],
    ['with a value that is never null', withType('value', 'float')],
    ['with a link that is always null', withType('link', 'null')],
    ['with a time without logical type', withType('occurred_at', 'long')],
    ['with a time in nanoseconds', withType('occurred_at', { type: 'long', logicalType: 'timestamp-nanos' })],
    ['with fewer symbols', withType('type', enumOf('FeedbackType', ['OPENED']))],
    ['with a value that may be a text too', withType('value', ['null', 'double', 'string'])],
  ])('%s', (_, schema) => {
    expect(planFor(schema, FEEDBACK_ROWS)).toBeTypeOf('object');
  });

  test('with more symbols says so', () => {
    const plan = planFor(withType('type', enumOf('FeedbackType', ['SMELLED'])), FEEDBACK_ROWS);
    expect(plan).toMatchObject({ hasUnknownSymbols: true });
  });

  test('by names that a field of ours once had', () => {
    const spec: RowSpec = {
      ...FEEDBACK_ROWS,
      reader: {
        ...FEEDBACK_ROWS.reader,
        fields: new Map(
          [...FEEDBACK_ROWS.reader.fields].map(([name, field]) => [
            name,
            name === 'link' ? { ...field, aliases: ['url'] } : field,
          ]),
        ),
      },
    };
    const renamed = {
      ...own,
      fields: own.fields.map((field) => (field.name === 'link' ? { ...field, name: 'url' } : field)),
    };
    const plan = planFor(renamed, spec);
    if (typeof plan === 'string') throw new Error(plan);
    const step = plan.fields.indexOf('url');
    expect(spec.columns[plan.steps[step * 3 + 1] ?? -1]?.name).toBe('link');
  });
});

describe('a schema that is not ours', () => {
  test.each<readonly [string, unknown, RegExp]>([
    ['a text', 'string', /no record but string/],
    [
      'of another name',
      { ...own, name: 'DeliveryEvent' },
      /is the record .*DeliveryEvent, not FeedbackEvent/,
    ],
    ['without a field', without('user_id'), /no field user_id/],
    ['with a time as text', withType('occurred_at', 'string'), /occurred_at is string/],
    ['with a time as double', withType('occurred_at', 'double'), /occurred_at is double/],
    [
      'with a day for a time',
      withType('occurred_at', { type: 'int', logicalType: 'date' }),
      /occurred_at is int \(date\)/,
    ],
    ['with a channel as text', withType('channel', 'string'), /channel is string/],
    ['with another enum', withType('channel', enumOf('Medium', ['EMAIL'])), /channel is enum/],
    ['with numbers for ids', withType('user_id', 'long'), /user_id is long/],
    ['with an id that is only null', withType('user_id', ['null', 'int']), /user_id is union of null, int/],
    ['with a map of numbers', withType('attributes', { type: 'map', values: 'int' }), /attributes is map/],
    ['that cannot be parsed', { type: 'record', name: 'FeedbackEvent' }, /cannot be read/],
    ['that names what it does not define', withType('link', 'com.example.Link'), /cannot be read/],
  ])('%s', (_, schema, reason) => {
    expect(planFor(schema, FEEDBACK_ROWS)).toMatch(reason);
  });
});
