/** Each group with what was counted of it at the send and today. Pure. */
import { type Group, groupLabel, OTHERS } from '../group.ts';
import type { Breakdown, Counted } from '../report.ts';

export interface Pair {
  readonly group: Group;
  /** Undefined: nobody was in it, or it is among the others. */
  readonly atSend: Counted | undefined;
  readonly today: Counted | undefined;
}

/** In the order of the groups at the send; those that there are today alone follow, the others are last. */
export function pairsOf({ at_send, today }: Pick<Breakdown, 'at_send' | 'today'>): Pair[] {
  const ofToday = new Map(today.groups.map((group) => [groupLabel(group), group]));
  const seen = new Set(at_send.groups.map(groupLabel));
  const pairs: Pair[] = [
    ...at_send.groups.map((group) => ({ group, atSend: group, today: ofToday.get(groupLabel(group)) })),
    ...today.groups
      .filter((group) => !seen.has(groupLabel(group)))
      .map((group) => ({ group, atSend: undefined, today: group })),
  ];
  if (at_send.others === null && today.others === null) return pairs;
  return [...pairs, { group: OTHERS, atSend: at_send.others ?? undefined, today: today.others ?? undefined }];
}
