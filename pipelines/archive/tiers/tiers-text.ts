/** What `archive tiers` and `archive rehydrate` did, for people. */
import { colors, errorColors } from '../../common/colors.ts';
import { textTable } from '../../common/text-table.ts';
import type { Amount, TierReport } from './move-tiers.ts';
import { type Priority, REHYDRATION, type Rehydration } from './rehydrate.ts';

const number = new Intl.NumberFormat('en-US');
const HOUR_MS = 3_600_000;
const RIGHT = [
  { head: 'blobs', align: 'right' },
  { head: 'bytes', align: 'right' },
] as const;

/** Goes to standard error when something was done, to standard output otherwise. */
export function reportText({ isApplied, moves, tiers, pending, refused }: TierReport): string {
  const numbers = ({ blobs, bytes }: Amount) => [number.format(blobs), number.format(bytes)];
  const style = isApplied ? errorColors : colors;
  const lines = [
    ...(moves.length === 0
      ? []
      : [
          textTable(
            [{ head: isApplied ? 'moved' : 'would move' }, { head: 'from' }, { head: 'to' }, ...RIGHT],
            moves.map((move) => [move.kind, move.from, move.to, ...numbers(move)]),
            style,
          ),
          '',
        ]),
    textTable(
      [{ head: isApplied ? 'now' : 'is' }, { head: 'in' }, ...RIGHT],
      tiers.map((one) => [one.kind, one.tier ?? 'no tier', ...numbers(one)]),
      style,
    ),
    ...(refused.blobs === 0
      ? []
      : [
          `${number.format(refused.blobs)} ${refused.blobs === 1 ? 'blob was' : 'blobs were'} not moved, for what the account says of each:`,
          ...refused.first.map(({ path, code }) => `  ${path}: ${code}`),
          ...(refused.blobs > refused.first.length ? ['  and so on'] : []),
        ]),
    ...(pending.blobs === 0
      ? []
      : [`${amountText(pending)} of those in Archive on their way back: see docs/access-tiers.md`]),
  ];
  return `${lines.join('\n')}\n`;
}

/** @param now milliseconds */
export function rehydrationText(
  { started, pending, online, missing }: Rehydration,
  { priority, now }: { readonly priority: Priority; readonly now: number },
): string {
  const { hours, takes } = REHYDRATION[priority];
  const at = `${new Date(now + hours * HOUR_MS).toISOString().slice(0, 16)}Z`;
  const isUnderWay = started.blobs + pending.blobs > 0;
  return [
    ...(started.blobs === 0 ? [] : [`${amountText(started)} are being brought back, ${takes}\n`]),
    ...(pending.blobs === 0 ? [] : [`${amountText(pending)} were on their way back already\n`]),
    ...(online.blobs === 0 ? [] : [`${amountText(online)} can be read now\n`]),
    ...missing.map((path) => `there is no blob ${path}\n`),
    ...(isUnderWay ? [`come back at ${at}; the same command says whether all are there\n`] : []),
    ...(started.blobs + pending.blobs + online.blobs + missing.length === 0
      ? ['nothing is in the archive tier\n']
      : []),
  ].join('');
}

function amountText({ blobs, bytes }: Amount): string {
  return `${number.format(blobs)} ${blobs === 1 ? 'blob' : 'blobs'} (${number.format(bytes)} bytes)`;
}
