/** What an interaction is on the page: the mark that stands for it, and the name under which the filter finds it. */
import type { DeliveryEntry, FeedbackEntry, StreamedRecord } from '../../report.ts';
import { typeText } from './words.ts';

/** In the order in which marks are drawn: what matters more lies above. */
export const MARKS = ['machine', 'other', 'opened', 'clicked', 'converted', 'refused', 'failed'] as const;

export type Mark = (typeof MARKS)[number];

export const MARK_NAMES: Readonly<Record<Mark, string>> = {
  opened: 'opened',
  clicked: 'clicked, replied, forwarded',
  converted: 'converted',
  refused: 'unsubscribed, blocked, deleted, complained',
  failed: 'bounced, dropped',
  machine: 'done by a machine',
  other: 'other',
};

/** In the order in which the legend explains them. */
export const LEGEND: readonly Mark[] = [
  'opened',
  'clicked',
  'converted',
  'refused',
  'failed',
  'machine',
  'other',
];

const FEEDBACK_MARKS: ReadonlyMap<string, Mark> = new Map<string, Mark>([
  ['OPENED', 'opened'],
  ['CLICKED', 'clicked'],
  ['REPLIED', 'clicked'],
  ['FORWARDED', 'clicked'],
  ['CONVERTED', 'converted'],
  ['UNSUBSCRIBED', 'refused'],
  ['BLOCKED', 'refused'],
  ['DELETED', 'refused'],
  ['COMPLAINED', 'refused'],
]);

/** Null: not drawn, as every message has it. */
export function deliveryMark({ type }: Pick<DeliveryEntry, 'type'>): Mark | null {
  return type === 'BOUNCED' || type === 'DROPPED' ? 'failed' : null;
}

export function feedbackMark({ type, is_machine }: Pick<FeedbackEntry, 'type' | 'is_machine'>): Mark {
  return is_machine ? 'machine' : (FEEDBACK_MARKS.get(type) ?? 'other');
}

export const NO_REACTION = 'No reaction of a person';

export interface Kind {
  readonly group: 'reaction' | 'delivery';
  readonly text: string;
  readonly count: number;
  readonly mark: Mark | null;
}

/** What came of a message, in few words. */
export interface Outcome {
  /** Each once, in the order of their first time; what a later state makes plain is left out. */
  readonly kinds: readonly Kind[];
  /** What was queued and dropped, or only heard of, was not, as far as the report knows. */
  readonly isSent: boolean;
  /** Reactions of persons. */
  readonly reactions: number;
  /** Where all deliveries name the same. */
  readonly provider: string | null;
}

/** Reads its entries once. */
export function outcomeOf({ delivery, feedback }: Pick<StreamedRecord, 'delivery' | 'feedback'>): Outcome {
  const types = new Map<string, number>();
  const providers = new Set<string | null>();
  let deliveries = 0;
  for (const { type, provider } of delivery) {
    types.set(type, (types.get(type) ?? 0) + 1);
    if (providers.size < 2) providers.add(provider);
    deliveries += 1;
  }
  const kinds = new Map<string, Kind>();
  const add = (kind: Kind): void => {
    const key = `${kind.group} ${kind.text}`;
    kinds.set(key, { ...kind, count: (kinds.get(key)?.count ?? 0) + kind.count });
  };
  const hasEnded = [...types.keys()].some((type) => !['QUEUED', 'SENT'].includes(type));
  for (const [type, count] of types) {
    if (type === 'QUEUED' && deliveries > 1) continue;
    if (type === 'SENT' && hasEnded) continue;
    add({ group: 'delivery', text: typeText(type), mark: deliveryMark({ type }), count });
  }
  let reactions = 0;
  for (const entry of feedback) {
    const { type, is_machine: isMachine } = entry;
    if (!isMachine) reactions += 1;
    add({ group: 'reaction', text: typeText(type, isMachine), mark: feedbackMark(entry), count: 1 });
  }
  const [provider = null] = providers.size === 1 ? providers : [];
  return { kinds: [...kinds.values()], isSent: types.has('SENT'), reactions, provider };
}
