import { randomBytes } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { deflate } from '../../../pipelines/archive/deflater.ts';

const SETTINGS = { level: 1, windowBits: 13, memLevel: 9 };

/** Data that shrink and data that do not, from nothing to more than many pieces of output. */
const data = fc
  .array(
    fc.record({
      size: fc.oneof(
        fc.nat(300),
        fc.nat(20_000),
        fc.nat(700_000),
        fc.constantFrom(0, 16_383, 16_384, 131_072, 262_144),
      ),
      isRandom: fc.boolean(),
    }),
    { maxLength: 12 },
  )
  .map((all) =>
    all.map(({ size, isRandom }) => (isRandom ? randomBytes(size) : Buffer.alloc(size, 'campaign'))),
  );

it('gives what zlib gives, whatever was compressed before and beside it', async () => {
  await fc.assert(
    fc.asyncProperty(data, async (inputs) => {
      const outputs = await Promise.all(inputs.map(async (input) => Buffer.concat(await deflate(input))));
      for (const [index, input] of inputs.entries()) {
        const output = outputs[index] ?? Buffer.alloc(0);
        expect(inflateRawSync(output).equals(input)).toBe(true);
        expect(output.equals(deflateRawSync(input, SETTINGS))).toBe(true);
      }
    }),
    { numRuns: 60 },
  );
});

it('gives the same bytes for a few as for the first time, when what was compressed before went on alike', async () => {
  const before = Buffer.alloc(100_000, 'campaign');
  for (let size = 1; size < 40; size += 1) {
    const input = before.subarray(0, size);
    await deflate(before);
    expect(Buffer.concat(await deflate(input)).equals(deflateRawSync(input, SETTINGS))).toBe(true);
  }
});

it('takes a value as large as Kafka can carry', async () => {
  const input = randomBytes(20 * 1024 * 1024);
  expect(inflateRawSync(Buffer.concat(await deflate(input))).equals(input)).toBe(true);
});
