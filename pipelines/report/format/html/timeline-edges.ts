/** What lies too far away to be in the picture: an arrow at the edge of its lane, and a sentence below. */
import { MARKS } from './kinds.ts';
import { BARS, type Survey } from './survey.ts';
import { type Bin, joined } from './time-bins.ts';
import { countText, dayAndMinute, dayText, numberText } from './words.ts';

const SIDES = ['before', 'after'] as const;

export interface Far {
  readonly side: (typeof SIDES)[number];
  /** `1 event on 1 Sep 2006 is outside of the picture, before it` */
  readonly text: string;
  /** What its link leads to. */
  readonly link: string;
  /** The number of the first record that it is of. */
  readonly record: number;
}

/** Of all campaigns, also of those that have no lane; empty when everything is drawn. */
export function farText(survey: Survey): Far[] {
  const messages = survey.outside(BARS);
  const events = survey.outside(MARKS);
  return SIDES.flatMap((side) => {
    const all = joined([messages[side] ?? [], events[side] ?? []].flat());
    if (all === null) return [];
    const counts = [
      ...countOf(messages[side], ['message', 'messages']),
      ...countOf(events[side], ['event', 'events']),
    ];
    const [first, last] = [all.first, all.last].map((time) => dayText(new Date(time).toISOString()));
    const days = first === last ? `on ${first}` : `from ${first} to ${last}`;
    const verb = all.count === 1 ? 'is' : 'are';
    return {
      side,
      text: `${counts.join(' and ')} ${days} ${verb} outside of the picture, ${side} it`,
      link: all.count === 1 ? 'its message' : 'the first message',
      record: all.record,
    };
  });
}

/** The arrows of a campaign's lane. */
export function farView(survey: Survey, campaign: number) {
  const outside = survey.outside([...BARS, ...MARKS], campaign);
  return SIDES.flatMap((side) => {
    const bin = outside[side];
    return bin === null ? [] : { side, record: bin.record, title: markTitle(bin, `${side} what is drawn`) };
  });
}

export function markTitle({ count, first, last }: Bin, what: string): string {
  const [from, to] = [first, last].map((time) => dayAndMinute(new Date(time).toISOString()));
  return `${count === 1 ? '' : `${numberText(count)} × `}${what}, ${from}${from === to ? '' : ` to ${to}`}`;
}

function countOf(bin: Bin | null, names: readonly [string, string]): string[] {
  return bin === null ? [] : [countText(bin.count, names)];
}
