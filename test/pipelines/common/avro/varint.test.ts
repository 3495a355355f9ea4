import avsc from 'avsc';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { longSize, readInt, readLong, writeLong } from '../../../../pipelines/common/avro/varint.ts';

const LONG = avsc.Type.forSchema('long');
const safe = fc.oneof(fc.maxSafeInteger(), fc.integer(), fc.integer({ min: -200, max: 200 }));

function zigzag(value: bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return [...bytes, Number(rest)];
}

describe('varint', () => {
  it('writes every safe integer as the arithmetic of 64 bits does, and reads it back', () => {
    fc.assert(
      fc.property(safe, (value) => {
        const target = Buffer.alloc(12, 0xff);
        const end = writeLong(target, 1, value);
        expect([...target.subarray(1, end)]).toEqual(zigzag(BigInt(value)));
        expect(longSize(value)).toBe(end - 1);
        const cursor = { position: 1 };
        expect(readLong(target, cursor, end)).toBe(value === 0 ? 0 : value);
        expect(cursor.position).toBe(end);
      }),
      { examples: [[0x3fff_ffff], [0x4000_0000], [-0x4000_0000], [-0x4000_0001], [Number.MIN_SAFE_INTEGER]] },
    );
  });

  it('agrees with avsc where avsc can', () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 51), max: 2 ** 51 }), (value) => {
        const bytes = LONG.toBuffer(value);
        expect(readLong(bytes, { position: 0 }, bytes.length)).toBe(value);
      }),
    );
  });

  it('reads all of 64 bits with the right sign', () => {
    fc.assert(
      fc.property(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), (value) => {
        const bytes = Uint8Array.from(zigzag(value));
        const read = readLong(bytes, { position: 0 }, bytes.length);
        expect(Math.abs(read - Number(value))).toBeLessThanOrEqual(2 ** 11);
        expect(read < 0).toBe(value < 0n);
      }),
      { examples: [[-(2n ** 63n)], [2n ** 63n - 1n]] },
    );
  });

  it('reads ints that fit into 32 bits and no others', () => {
    fc.assert(
      fc.property(fc.bigInt(-(2n ** 34n), 2n ** 34n), (value) => {
        const bytes = Uint8Array.from(zigzag(value));
        const fits = value >= -(2n ** 31n) && value < 2n ** 31n;
        expect(readInt(bytes, { position: 0 }, bytes.length)).toBe(fits ? Number(value) : Number.NaN);
      }),
      { examples: [[-(2n ** 31n)], [2n ** 31n - 1n], [2n ** 31n], [0n]] },
    );
  });

  it.each([
    ['nothing', []],
    ['an end in the middle', [0x80, 0x80]],
    ['more than ten bytes', [...Array(10).fill(0x80), 0]],
    ['more than 64 bits', [...Array(9).fill(0xff), 2]],
  ])('refuses %s', (_what, bytes) => {
    expect(readLong(Uint8Array.from(bytes), { position: 0 }, bytes.length)).toBeNaN();
    expect(readInt(Uint8Array.from(bytes), { position: 0 }, bytes.length)).toBeNaN();
  });

  it('takes numbers with needless bytes, as Avro readers do', () => {
    expect(readLong(Uint8Array.of(0x82, 0x80, 0), { position: 0 }, 3)).toBe(1);
    expect(readInt(Uint8Array.of(0x82, 0x80, 0), { position: 0 }, 3)).toBe(1);
  });
});
