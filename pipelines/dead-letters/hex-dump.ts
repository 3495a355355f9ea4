/** Bytes for people: the neighbourhood of one byte, with a mark under it. */

const ROW_BYTES = 16;

/**
 * Sixteen bytes a row: offset, hex, text. A mark stands under the byte that `at` names, also when it is the one behind
 * the last.
 * ```
 * 00000010  6d 31 08 75 31 00                                 m1.u1.
 *                    ^^ byte 19
 * ```
 * @param rows rows to show before and after that of `at`
 */
export function hexDump(data: Buffer, { at, rows = 2 }: { at: number; rows?: number }): string {
  const marked = Math.floor(at / ROW_BYTES);
  const last = Math.min(marked + rows, Math.floor(Math.max(data.length - 1, at) / ROW_BYTES));
  const lines: string[] = [];
  for (let row = Math.max(0, marked - rows); row <= last; row += 1) {
    lines.push(hexRow(data, row));
    if (row !== marked) continue;
    const column = OFFSET_WIDTH + columnOf(at % ROW_BYTES);
    lines.push(`${' '.repeat(column)}^^ byte ${at}${at >= data.length ? ', the end' : ''}`);
  }
  return lines.join('\n');
}

/** Eight digits and two blanks. */
const OFFSET_WIDTH = 10;

function hexRow(data: Buffer, row: number): string {
  const from = row * ROW_BYTES;
  const bytes = data.subarray(from, from + ROW_BYTES);
  let hex = '';
  for (const [index, byte] of bytes.entries())
    hex = `${hex.padEnd(columnOf(index))}${byte.toString(16).padStart(2, '0')}`;
  const text = Array.from(bytes, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.'));
  const line = `${from.toString(16).padStart(8, '0')}  ${hex.padEnd(columnOf(ROW_BYTES))}  ${text.join('')}`;
  return line.trimEnd();
}

/** Where a byte's digits begin; a wider gap in the middle helps to count. */
function columnOf(index: number): number {
  return index * 3 + (index >= ROW_BYTES / 2 ? 1 : 0);
}
