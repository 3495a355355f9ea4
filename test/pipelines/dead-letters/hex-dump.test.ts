import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hexDump } from '../../../pipelines/dead-letters/hex-dump.ts';

test('shows the rows around a byte with a mark under it', () => {
  const data = Buffer.from('0123456789abcdef-23456789ABCDEF\n\xff', 'latin1');
  expect(hexDump(data, { at: 30 })).toBe(
    [
      '00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66   0123456789abcdef',
      '00000010  2d 32 33 34 35 36 37 38  39 41 42 43 44 45 46 0a   -23456789ABCDEF.',
      '                                                     ^^ byte 30',
      '00000020  ff                                                 .',
    ].join('\n'),
  );
});

test('the mark stands under the digits of its byte, wherever that is', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.nat(), (bytes, number) => {
      const data = Buffer.from(bytes);
      const at = number % data.length;
      const lines = hexDump(data, { at }).split('\n');
      const marked = lines.findIndex((line) => line.includes('^^'));
      const column = lines[marked]?.indexOf('^^') ?? -1;
      const digits = lines[marked - 1]?.slice(column, column + 2);
      expect(digits).toBe(data[at]?.toString(16).padStart(2, '0'));
    }),
  );
});

test('a byte behind the last is the end, also of nothing', () => {
  expect(hexDump(Buffer.from('ab'), { at: 2 })).toMatch(/^0{8} {2}61 62 .*\n {16}\^\^ byte 2, the end$/);
  expect(hexDump(Buffer.alloc(0), { at: 0 })).toBe('00000000\n          ^^ byte 0, the end');
  expect(hexDump(Buffer.alloc(16), { at: 16 }).split('\n').at(-1)).toBe('          ^^ byte 16, the end');
});
