/** Tables for people at a terminal: a head, aligned columns, no lines between rows. The colours are those of standard output unless told otherwise. */
import Table from 'cli-table3';
import wrapAnsi from 'wrap-ansi';
import { colors } from './colors.ts';

export interface Column {
  readonly head: string;
  readonly align?: 'left' | 'right';
  /** Characters; longer text is wrapped. Without one the column is as wide as its widest cell. */
  readonly width?: number;
}

const noBorders = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: ' ',
} as const;

/** Between columns. */
const PADDING = 1;

export function textTable(
  columns: readonly Column[],
  rows: readonly (readonly (string | number)[])[],
  { bold } = colors,
): string {
  const table = new Table({
    head: columns.map(({ head }) => bold(head)),
    colAligns: columns.map(({ align = 'left' }) => align),
    colWidths: columns.map(({ width }) => width ?? null),
    chars: noBorders,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': PADDING },
  });
  for (const row of rows) table.push(...linesOf(row, columns));
  return table.toString();
}

/**
 * A row of the table for each line of text: of a cell with some hundred lines it draws each in a time that grows with the
 * square of all its text.
 */
function linesOf(row: readonly (string | number)[], columns: readonly Column[]): string[][] {
  const cells = row.map((cell, index) => wrapped(String(cell), columns[index]?.width).split('\n'));
  const height = Math.max(...cells.map(({ length }) => length));
  return Array.from({ length: height }, (_, line) => cells.map((cell) => cell[line] ?? ''));
}

function wrapped(text: string, width: number | undefined): string {
  return width === undefined ? text : wrapAnsi(text, width - PADDING, { hard: true });
}
