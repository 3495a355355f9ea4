/** Tables for people at a terminal: a head, aligned columns, no lines between rows. The colours are those of standard output unless told otherwise. */
import Table from 'cli-table3';
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
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 1 },
    wordWrap: true,
    wrapOnWordBoundary: false,
  });
  table.push(...rows.map((row) => row.map(String)));
  return table.toString();
}
