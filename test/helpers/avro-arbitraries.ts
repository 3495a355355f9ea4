/** Random Avro schemas and encodings of random values, written without any Avro library. */
import fc from 'fast-check';

export type Schema =
  | 'null'
  | 'boolean'
  | 'int'
  | 'long'
  | 'float'
  | 'double'
  | 'bytes'
  | 'string'
  | { readonly type: 'fixed'; readonly name: string; readonly size: number }
  | { readonly type: 'enum'; readonly name: string; readonly symbols: readonly string[] }
  | { readonly type: 'array'; readonly items: Schema }
  | { readonly type: 'map'; readonly values: Schema }
  | {
      readonly type: 'record';
      readonly name: string;
      readonly fields: readonly { name: string; type: Schema }[];
    }
  | readonly Schema[];

export const PRIMITIVES = ['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string'] as const;

const named: fc.Arbitrary<Schema> = fc.oneof(
  fc.record({ type: fc.constant('fixed'), name: fc.constant(''), size: fc.integer({ min: 1, max: 20 }) }),
  fc.integer({ min: 1, max: 70 }).map(
    (count): Schema => ({
      type: 'enum',
      name: '',
      symbols: Array.from({ length: count }, (_, i) => `S${i}`),
    }),
  ),
);

/** Any schema; names are given out in order, so that no two clash. */
export const anySchema: fc.Arbitrary<Schema> = fc
  .letrec<{ schema: Schema; branch: Schema }>((tie) => {
    const complex: fc.Arbitrary<Schema>[] = [
      fc.record({ type: fc.constant('array'), items: tie('schema') }),
      fc.record({ type: fc.constant('map'), values: tie('schema') }),
      record(tie('schema')),
      fc.uniqueArray(tie('branch'), { minLength: 1, maxLength: 5, selector: kindOf }),
    ];
    return {
      schema: fc.oneof(
        { maxDepth: 4, depthSize: 'small' },
        fc.constantFrom(...PRIMITIVES),
        named,
        ...complex,
      ),
      // A union holds no union, and one array or map at most.
      branch: fc.oneof({ maxDepth: 4 }, fc.constantFrom(...PRIMITIVES), named, ...complex.slice(0, 3)),
    };
  })
  .schema.map((schema) => withNames(schema, { count: 0 }));

function record(schema: fc.Arbitrary<Schema>): fc.Arbitrary<Schema> {
  return fc.array(schema, { maxLength: 5 }).map((types) => ({
    type: 'record',
    name: '',
    fields: types.map((type, index) => ({ name: `f${index}`, type })),
  }));
}

function kindOf(schema: Schema): unknown {
  if (typeof schema === 'string') return schema;
  if ('type' in schema && (schema.type === 'array' || schema.type === 'map')) return schema.type;
  return schema;
}

function withNames(schema: Schema, names: { count: number }): Schema {
  if (typeof schema === 'string') return schema;
  if (!('type' in schema)) return schema.map((branch) => withNames(branch, names));
  switch (schema.type) {
    case 'array':
      return { ...schema, items: withNames(schema.items, names) };
    case 'map':
      return { ...schema, values: withNames(schema.values, names) };
    case 'record': {
      const name = `N${names.count++}`;
      const fields = schema.fields.map((field) => ({ ...field, type: withNames(field.type, names) }));
      return { ...schema, name, fields };
    }
    default:
      return { ...schema, name: `N${names.count++}` };
  }
}

/** Zigzag and seven bits a byte, by the arithmetic of 64 bits. */
export function encodeLong(value: bigint | number): Buffer {
  const bytes: number[] = [];
  const wide = BigInt(value);
  let rest = BigInt.asUintN(64, (wide << 1n) ^ (wide >> 63n));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
}

const concat = (parts: readonly Uint8Array[]): Buffer => Buffer.concat(parts);
const withLength = (bytes: Uint8Array): Buffer => concat([encodeLong(bytes.length), bytes]);
const bytesOf = (size: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ minLength: size, maxLength: size }).map((bytes) => Buffer.from(bytes));
const string = fc
  .oneof(fc.string(), fc.string({ unit: 'grapheme' }), fc.string({ minLength: 60, maxLength: 90 }))
  .map((text) => withLength(Buffer.from(text)));

/** Encodings of values of a schema, blocks in all the forms that Avro has. */
export function encodedValue(schema: Schema): fc.Arbitrary<Buffer> {
  if (typeof schema === 'string') return encodedPrimitive(schema);
  if (!('type' in schema)) {
    const branches = schema.map((branch, index) =>
      encodedValue(branch).map((bytes) => concat([encodeLong(index), bytes])),
    );
    return fc.oneof(...branches);
  }
  switch (schema.type) {
    case 'fixed':
      return bytesOf(schema.size);
    case 'enum':
      return fc.integer({ min: 0, max: schema.symbols.length - 1 }).map(encodeLong);
    case 'array':
      return blocks(encodedValue(schema.items));
    case 'map':
      return blocks(fc.tuple(string, encodedValue(schema.values)).map(concat));
    case 'record':
      return fc.tuple(...schema.fields.map((field) => encodedValue(field.type))).map(concat);
  }
}

function encodedPrimitive(schema: (typeof PRIMITIVES)[number]): fc.Arbitrary<Buffer> {
  switch (schema) {
    case 'null':
      return fc.constant(Buffer.alloc(0));
    case 'boolean':
      return fc.constantFrom(0, 1).map((byte) => Buffer.of(byte));
    case 'int':
      return fc.integer().map(encodeLong);
    case 'long':
      return fc.oneof(fc.integer(), fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n)).map(encodeLong);
    case 'float':
      return bytesOf(4);
    case 'double':
      return bytesOf(8);
    case 'bytes':
      return fc.uint8Array({ maxLength: 80 }).map(withLength);
    case 'string':
      return string;
  }
}

function blocks(item: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> {
  const block = fc.record({ items: fc.array(item, { minLength: 1, maxLength: 4 }), isSized: fc.boolean() });
  return fc.array(block, { maxLength: 3 }).map((all) => {
    const written = all.map(({ items, isSized }) => {
      const body = concat(items);
      const head = isSized
        ? [encodeLong(-items.length), encodeLong(body.length)]
        : [encodeLong(items.length)];
      return concat([...head, body]);
    });
    return concat([...written, Buffer.of(0)]);
  });
}

/** The bytes with one thing done to them: a byte replaced, a bit flipped, a piece cut out, bytes put in. */
export function mutated(bytes: Buffer): fc.Arbitrary<Buffer> {
  const position = fc.nat(Math.max(0, bytes.length - 1));
  return fc.oneof(
    fc.tuple(position, fc.nat(255)).map(([at, byte]) => splice(bytes, at, at + 1, [byte])),
    fc
      .tuple(position, fc.nat(7))
      .map(([at, bit]) => splice(bytes, at, at + 1, [(bytes[at] ?? 0) ^ (1 << bit)])),
    position.map((at) => bytes.subarray(0, at)),
    fc.tuple(position, fc.nat(4)).map(([at, size]) => splice(bytes, at, at + size, [])),
    fc
      .tuple(
        position,
        fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 12 }), fc.constant(Array(9).fill(0xff))),
      )
      .map(([at, more]) => splice(bytes, at, at, [...more])),
    fc.uint8Array({ minLength: 1, maxLength: 3 }).map((more) => concat([bytes, more])),
  );
}

function splice(bytes: Buffer, from: number, to: number, put: readonly number[]): Buffer {
  return concat([bytes.subarray(0, from), Buffer.from(put), bytes.subarray(to)]);
}
