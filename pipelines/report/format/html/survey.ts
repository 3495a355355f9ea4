/** The first pass over the records: what the picture and the filters show of all of them. It keeps counts, no record. */
import type { ReportRecord } from '../../report.ts';
import {
  deliveryMark,
  feedbackMark,
  hasPersonReacted,
  type Kind,
  kindsOf,
  type Mark,
  NO_REACTION,
} from './kinds.ts';
import { TimeBins } from './time-bins.ts';

export interface SurveyedCampaign {
  readonly id: string;
  readonly name: string | null;
  readonly channel: string;
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

  add(record: ReportRecord): void {
    this.count += 1;
    const index = this.#addCampaign(record);
    const isReactedTo = hasPersonReacted(record);
    choose(this.#channels, { group: 'delivery', text: record.campaign.channel });
    for (const kind of kindsOf(record)) choose(this.#kinds, kind);
    if (!isReactedTo) choose(this.#kinds, { group: 'reaction', text: NO_REACTION });
    this.bins.add(seriesOf(index, 'sent'), Date.parse(record.sent_at), this.count);
    for (const entry of record.delivery) this.#addMark(index, deliveryMark(entry), entry.occurred_at);
    for (const entry of record.feedback) this.#addMark(index, feedbackMark(entry), entry.occurred_at);
  }

  campaignOf({ campaign }: ReportRecord): number {
    return this.#campaignIndex.get(campaign.campaign_id) ?? 0;
  }

  channelOf({ campaign }: ReportRecord): number {
    return this.#channels.get(keyOf({ group: 'delivery', text: campaign.channel }))?.index ?? 0;
  }

  kindsOf(record: ReportRecord): number[] {
    const kinds: readonly Pick<Kind, 'group' | 'text'>[] = hasPersonReacted(record)
      ? kindsOf(record)
      : [...kindsOf(record), { group: 'reaction', text: NO_REACTION }];
    return kinds.flatMap((kind) => this.#kinds.get(keyOf(kind))?.index ?? []);
  }

  /** Most frequent first. */
  get channels(): Choice[] {
    return byCount(this.#channels);
  }

  get kinds(): Choice[] {
    return byCount(this.#kinds);
  }

  #addCampaign({ campaign, feedback }: ReportRecord): number {
    const { campaign_id: id, name, channel } = campaign;
    const index = this.#campaignIndex.get(id) ?? this.campaigns.length;
    this.#campaignIndex.set(id, index);
    const known = this.campaigns[index] ?? { id, name, channel, sent: 0, reactions: 0 };
    this.campaigns[index] = known;
    known.sent += 1;
    known.reactions += feedback.filter(({ is_machine }) => !is_machine).length;
    return index;
  }

  #addMark(campaign: number, mark: Mark | null, time: string): void {
    if (mark === null) return;
    this.marks.add(mark);
    this.bins.add(seriesOf(campaign, mark), Date.parse(time), this.count);
  }
}

export function seriesOf(campaign: number, mark: Mark | 'sent'): string {
  return `${campaign} ${mark}`;
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
