/** From a user's messages, profile versions and campaigns to the records of a report. Pure: reads nothing, knows no clock. */
import { emptyObject, isJsonObject, type JsonObject, parseJson } from '../profiles/fold/json-value.ts';
import { mergePatchBetween } from '../profiles/fold/merge-patch.ts';
import type { Message, ReportEvent, StagedEvents } from './event-stage.ts';
import { type ProfileAt, type ProfileHistory, profileAt } from './profile-timeline.ts';
import type { DeliveryEntry, FeedbackEntry, ProfileRef, ReportedVersion, StreamedRecord } from './report.ts';

export interface ReportCampaign {
  readonly name: string;
  readonly channel: string;
  readonly subject: string | null;
}

export interface AssembleOptions {
  readonly history: ProfileHistory;
  readonly campaigns: ReadonlyMap<string, ReportCampaign>;
}

type FoundVersion = Extract<ProfileAt, { status: 'found' }>['version'];

/** Makes each record once it is asked for; of the versions that the records and their entries name, as far as they were read, it keeps count. */
export class Assembler {
  readonly #history: ProfileHistory;
  readonly #campaigns: AssembleOptions['campaigns'];
  readonly #named = new Map<number, FoundVersion>();
  readonly #attributes = new Map<number, JsonObject>();
  #previous: JsonObject | null = null;

  constructor({ history, campaigns }: AssembleOptions) {
    this.#history = history;
    this.#campaigns = campaigns;
  }

  /** The next message's, in the order in which they were sent. */
  record({ send, delivery, feedback }: Message): StreamedRecord {
    const at = profileAt(this.#history, send.occurredAt);
    const attributes = this.#attributesOf(at);
    const campaign = this.#campaigns.get(send.campaignId);
    const previous = this.#previous;
    this.#previous = attributes;
    return {
      message_id: send.messageId,
      sent_at: isoTime(send.occurredAt),
      variant: send.variant,
      campaign: {
        campaign_id: send.campaignId,
        name: campaign?.name ?? null,
        channel: send.channel,
        subject: campaign?.subject ?? null,
      },
      delivery: entriesOf(delivery, (event) => this.#deliveryEntry(event)),
      feedback: entriesOf(feedback, (event) => this.#feedbackEntry(event)),
      profile: this.#refOf(at),
      changed_since_previous: previous === null ? null : mergePatchBetween(previous, attributes),
    };
  }

  /** Every version that was named so far, once, oldest first. */
  namedVersions(): ReportedVersion[] {
    return [...this.#named.values()]
      .sort((a, b) => a.validFrom - b.validFrom)
      .map((version) => this.versionOf(version));
  }

  versionOf(version: FoundVersion): ReportedVersion {
    return {
      version: version.version,
      valid_from: isoTime(version.validFrom),
      valid_to: version.validTo === null ? null : isoTime(version.validTo),
      attributes: this.#attributesOf({ status: 'found', version }),
    };
  }

  #refOf(at: ProfileAt): ProfileRef {
    if (at.status === 'found') this.#named.set(at.version.validFrom, at.version);
    return refOf(at);
  }

  #refAt(instant: number): ProfileRef {
    return this.#refOf(profileAt(this.#history, instant));
  }

  #attributesOf(at: ProfileAt): JsonObject {
    if (at.status !== 'found') return emptyObject();
    const { validFrom, attributes } = at.version;
    const known = this.#attributes.get(validFrom);
    if (known !== undefined) return known;
    const value = parseJson(attributes);
    const parsed = isJsonObject(value) ? value : emptyObject();
    this.#attributes.set(validFrom, parsed);
    return parsed;
  }

  #deliveryEntry(event: ReportEvent): DeliveryEntry {
    return {
      event_id: event.eventId,
      type: event.type,
      occurred_at: isoTime(event.occurredAt),
      reason: event.reason,
      provider: event.provider,
      profile: this.#refAt(event.occurredAt),
    };
  }

  #feedbackEntry(event: ReportEvent): FeedbackEntry {
    return {
      event_id: event.eventId,
      type: event.type,
      occurred_at: isoTime(event.occurredAt),
      link: event.link,
      is_machine: event.isMachine,
      value: event.value,
      user_agent: event.userAgent,
      profile: this.#refAt(event.occurredAt),
    };
  }
}

/** Of a list a list, else each made when it is read. */
function entriesOf<Entry>(events: StagedEvents, entryOf: (event: ReportEvent) => Entry): Iterable<Entry> {
  if (Array.isArray(events)) return events.map(entryOf);
  return {
    *[Symbol.iterator]() {
      for (const event of events) yield entryOf(event);
    },
  };
}

export function refOf(at: ProfileAt): ProfileRef {
  if (at.status !== 'found') return { status: at.status, version: null, valid_from: null };
  return { status: 'found', version: at.version.version, valid_from: isoTime(at.version.validFrom) };
}

function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
