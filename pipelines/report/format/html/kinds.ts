/** What an interaction is on the page: the mark that stands for it, and the name under which the filter finds it. */
import type { DeliveryEntry, FeedbackEntry, ReportRecord } from '../../report.ts';
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

/** What came of a message, each kind once, in the order of their first time; what a later state makes plain is left out. */
export function kindsOf({ delivery, feedback }: ReportRecord): Kind[] {
  const kinds = new Map<string, Kind>();
  const add = (kind: Omit<Kind, 'count'>): void => {
    const key = `${kind.group} ${kind.text}`;
    kinds.set(key, { ...kind, count: (kinds.get(key)?.count ?? 0) + 1 });
  };
  const hasEnded = delivery.some(({ type }) => !['QUEUED', 'SENT'].includes(type));
  for (const entry of delivery) {
    if (entry.type === 'QUEUED' && delivery.length > 1) continue;
    if (entry.type === 'SENT' && hasEnded) continue;
    add({ group: 'delivery', text: typeText(entry.type), mark: deliveryMark(entry) });
  }
  for (const entry of feedback)
    add({ group: 'reaction', text: typeText(entry.type, entry.is_machine), mark: feedbackMark(entry) });
  return [...kinds.values()];
}

/** What was queued and dropped, or only heard of, was not, as far as the report knows. */
export function isSent({ delivery }: ReportRecord): boolean {
  return delivery.some(({ type }) => type === 'SENT');
}

export function hasPersonReacted({ feedback }: ReportRecord): boolean {
  return feedback.some(({ is_machine }) => !is_machine);
}
