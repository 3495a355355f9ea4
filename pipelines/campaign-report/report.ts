/** The shape of a campaign's report: what its JSON is (docs/campaign-report.md). */
import type { EventFigures, Figures, RateName, Rates } from './figures.ts';
import type { Group } from './group.ts';

export interface CampaignReport {
  readonly report: CampaignHeader;
  readonly totals: Counted;
  /** By the hour (UTC) of each message's sent_at: all that came of the messages of that hour, whenever it came. */
  readonly send_hours: readonly (Counted & { readonly hour: string })[];
  /** As the view campaign_stats: messages and recipients by the hour of sent_at, everything else by the hour of the event. */
  readonly event_hours: readonly EventHour[];
  readonly breakdown: Breakdown | null;
}

export interface CampaignHeader {
  readonly format: 1;
  readonly program: string;
  readonly tenant_id: string;
  readonly campaign_id: string;
  /** The definition as of now; null when none has arrived. */
  readonly campaign: CampaignDefinition | null;
  /** By sent_at; null is open. */
  readonly from: string | null;
  readonly to: string | null;
  /** The attribute as JSON pointer; null: not broken down. */
  readonly by: string | null;
  readonly generated_at: string;
  /** Messages sent from here on are all there; null: none has ever left. */
  readonly complete_from: string | null;
  /** True: the report may lack messages that have left ClickHouse; null: nobody can say. */
  readonly is_partial: boolean | null;
  readonly first_sent_at: string | null;
  readonly last_sent_at: string | null;
  readonly last_event_at: string | null;
  /** What is above and what is below the line in each rate. */
  readonly rates: Readonly<Record<RateName, { readonly numerator: string; readonly denominator: string }>>;
}

export interface CampaignDefinition {
  readonly name: string;
  readonly channel: string;
  readonly subject: string | null;
  readonly starts_at: string | null;
  readonly ends_at: string | null;
  readonly updated_at: string;
}

export interface Counted {
  readonly figures: Figures;
  readonly rates: Rates;
}

export interface EventHour {
  readonly hour: string;
  readonly figures: Pick<Figures, 'messages' | 'recipients'> & EventFigures;
}

export interface Breakdown {
  /** By the profile that was valid at sent_at. A recipient of several messages may be in several groups. */
  readonly at_send: Side;
  /** The same messages by the profile of their recipients as it is at generated_at. */
  readonly today: Side;
  /** How many recipients were in one group when a message was sent, and are in which one today. */
  readonly flow: readonly Flow[];
  /** Recipients who today are in another group than when one of their messages was sent. */
  readonly changed_recipients: number;
}

export interface Side {
  /** Most recipients first. */
  readonly groups: readonly CountedGroup[];
  /** All groups beyond the limit together; null when there are none. */
  readonly others: (Counted & { readonly groups: number }) | null;
}

export interface CountedGroup extends Group, Counted {}

export interface Flow {
  readonly at_send: Group;
  readonly today: Group;
  readonly recipients: number;
  readonly messages: number;
}
