/** The first pass over the records: what the picture and the filters show of all of them. It keeps counts, no record. */
import type { StreamedRecord } from '../../report.ts';
import {
  deliveryMark,
  feedbackMark,
  type Kind,
  type Mark,
  NO_REACTION,
  type Outcome,
  outcomeOf,
} from './kinds.ts';
import { joined, type Outside, TimeBins } from './time-bins.ts';

/** Each a line of bars or marks in a campaign's lane: messages, with and without a SENT event, and what came of them. */
type Series = Mark | (typeof BARS)[number];

export const BARS = ['sent', 'unsent'] as const;

export interface SurveyedCampaign {
  readonly id: string;
  readonly name: string | null;
  readonly channel: string;
  messages: number;
  /** Of the messages, those that have a SENT event. */
  sent: number;
  /** Of people. */
  reactions: number;
}

/** One choice of a filter. */
export interface Choice {
  readonly index: number;
  readonly group: Kind['group'];
  readonly text: string;
  count: number;
}

export class Survey {
  readonly bins = new TimeBins();
  /** In the order of their first message. */
  readonly campaigns: SurveyedCampaign[] = [];
  readonly #campaignIndex = new Map<string, number>();
  readonly #channels = new Map<string, Choice>();
  readonly #kinds = new Map<string, Choice>();
  readonly marks = new Set<Mark>();
  /** Messages. */
  count = 0;
  /** Of the messages, those that have a SENT event. */
  sent = 0;

  add(record: StreamedRecord): void {
    const outcome = outcomeOf(record);
    const { kinds, isSent, reactions } = outcome;
    this.count += 1;
    if (isSent) this.sent += 1;
    const index = this.#addCampaign(record, outcome);
    choose(this.#channels, { group: 'delivery', text: record.campaign.channel });
    for (const kind of kinds) choose(this.#kinds, kind);
    if (reactions === 0) choose(this.#kinds, { group: 'reaction', text: NO_REACTION });
    this.bins.add(seriesOf(index, isSent ? 'sent' : 'unsent'), Date.parse(record.sent_at), this.count);
    for (const entry of record.delivery) this.#addMark(index, deliveryMark(entry), entry.occurred_at);
    for (const entry of record.feedback) this.#addMark(index, feedbackMark(entry), entry.occurred_at);
  }

  campaignOf({ campaign }: StreamedRecord): number {
    return this.#campaignIndex.get(campaign.campaign_id) ?? 0;
  }

  channelOf({ campaign }: StreamedRecord): number {
    return this.#channels.get(keyOf({ group: 'delivery', text: campaign.channel }))?.index ?? 0;
  }

  /** Under which a message is found. */
  kindsOf({ kinds, reactions }: Outcome): number[] {
    const own: readonly Pick<Kind, 'group' | 'text'>[] =
      reactions > 0 ? kinds : [...kinds, { group: 'reaction', text: NO_REACTION }];
    return own.flatMap((kind) => this.#kinds.get(keyOf(kind))?.index ?? []);
  }

  /** Most frequent first. */
  get channels(): Choice[] {
    return byCount(this.#channels);
  }

  get kinds(): Choice[] {
    return byCount(this.#kinds);
  }

  /** Of some series of all campaigns, or of one. */
  outside(series: readonly Series[], campaign?: number): Outside {
    const campaigns = campaign === undefined ? [...this.campaigns.keys()] : [campaign];
    const all = campaigns.flatMap((one) => series.map((name) => this.bins.outside(seriesOf(one, name))));
    return {
      before: joined(all.flatMap(({ before }) => before ?? [])),
      after: joined(all.flatMap(({ after }) => after ?? [])),
    };
  }

  #addCampaign({ campaign }: StreamedRecord, { isSent, reactions }: Outcome): number {
    const { campaign_id: id, name, channel } = campaign;
    const index = this.#campaignIndex.get(id) ?? this.campaigns.length;
    this.#campaignIndex.set(id, index);
    const known = this.campaigns[index] ?? { id, name, channel, messages: 0, sent: 0, reactions: 0 };
    this.campaigns[index] = known;
    known.messages += 1;
    if (isSent) known.sent += 1;
    known.reactions += reactions;
    return index;
  }

  #addMark(campaign: number, mark: Mark | null, time: string): void {
    if (mark === null) return;
    this.marks.add(mark);
    this.bins.add(seriesOf(campaign, mark), Date.parse(time), this.count);
  }
}

export function seriesOf(campaign: number, series: Series): string {
  return `${campaign} ${series}`;
}

function keyOf({ group, text }: Pick<Kind, 'group' | 'text'>): string {
  return `${group} ${text}`;
}

function choose(choices: Map<string, Choice>, { group, text }: Pick<Kind, 'group' | 'text'>): void {
  const key = keyOf({ group, text });
  const known = choices.get(key) ?? { index: choices.size, group, text, count: 0 };
  known.count += 1;
  choices.set(key, known);
}

function byCount(choices: ReadonlyMap<string, Choice>): Choice[] {
  return [...choices.values()].sort((a, b) => b.count - a.count);
}
