/** From a user's events, profile versions and campaigns to the records of a report. Pure: reads nothing, knows no clock. */
import type { ProfileVersion } from '../profiles/fold/fold-profile.ts';
import { emptyObject, isJsonObject, type JsonObject, parseJson } from '../profiles/fold/json-value.ts';
import { mergePatchBetween } from '../profiles/fold/merge-patch.ts';
import { type ProfileAt, profileAt } from './profile-timeline.ts';
import type {
  DeliveryEntry,
  FeedbackEntry,
  ProfileRef,
  ReportedVersion,
  ReportRecord,
  UserReport,
} from './report.ts';

/** One stored event of the user. Times in milliseconds since the epoch. */
export interface ReportEvent {
  readonly kind: 'delivery' | 'feedback';
  readonly eventId: string;
  readonly messageId: string;
  readonly campaignId: string;
  readonly channel: string;
  readonly type: string;
  readonly occurredAt: number;
  readonly variant: string | null;
  readonly reason: string | null;
  readonly provider: string | null;
  readonly link: string | null;
  readonly userAgent: string | null;
  readonly isMachine: boolean;
  readonly value: number | null;
  readonly recordedAt: number;
  readonly topicId: string;
  readonly partition: number;
  readonly offset: number;
}

export interface ReportCampaign {
  readonly name: string;
  readonly channel: string;
  readonly subject: string | null;
}

/** Milliseconds since the epoch, `[from, to)` by sent_at; null is open. */
export interface ReportRange {
  readonly from: number | null;
  readonly to: number | null;
}

export interface ReportInput {
  readonly events: readonly ReportEvent[];
  readonly versions: readonly ProfileVersion[];
  readonly campaigns: ReadonlyMap<string, ReportCampaign>;
  readonly range: ReportRange;
}

export type ReportBody = Pick<UserReport, 'records' | 'profile_versions'>;

function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function compareRecorded(a: ReportEvent, b: ReportEvent): number {
  return (
    a.recordedAt - b.recordedAt ||
    compareText(a.topicId, b.topicId) ||
    a.partition - b.partition ||
    a.offset - b.offset
  );
}

function compareOccurred(a: ReportEvent, b: ReportEvent): number {
  return a.occurredAt - b.occurredAt || compareRecorded(a, b) || compareText(a.eventId, b.eventId);
}

/** One event for each identity (message, type, event id; tenant and user are given): of several copies the first recorded. */
export function firstRecordedEvents(events: readonly ReportEvent[]): ReportEvent[] {
  const first = new Map<string, ReportEvent>();
  for (const event of events) {
    const identity = JSON.stringify([event.messageId, event.type, event.eventId]);
    const known = first.get(identity);
    if (known === undefined || compareRecorded(event, known) < 0) first.set(identity, event);
  }
  return [...first.values()];
}

/** The event that says when a message was sent: the earliest SENT, else the earliest delivery event, else the earliest feedback. */
function sendEvent(inOrder: readonly ReportEvent[]): ReportEvent | undefined {
  return (
    inOrder.find((event) => event.kind === 'delivery' && event.type === 'SENT') ??
    inOrder.find((event) => event.kind === 'delivery') ??
    inOrder[0]
  );
}

function attributesOf(at: ProfileAt): JsonObject {
  if (at.status !== 'found') return emptyObject();
  const value = parseJson(at.version.attributes);
  return isJsonObject(value) ? value : emptyObject();
}

interface Message {
  readonly send: ReportEvent;
  readonly events: readonly ReportEvent[];
}

function messagesInRange(events: readonly ReportEvent[], range: ReportRange): Message[] {
  const byMessage = Map.groupBy(firstRecordedEvents(events), (event) => event.messageId);
  const messages: Message[] = [];
  for (const group of byMessage.values()) {
    const inOrder = group.sort(compareOccurred);
    const send = sendEvent(inOrder);
    if (send === undefined) continue;
    if (range.from !== null && send.occurredAt < range.from) continue;
    if (range.to !== null && send.occurredAt >= range.to) continue;
    messages.push({ send, events: inOrder });
  }
  return messages.sort(
    (a, b) => a.send.occurredAt - b.send.occurredAt || compareText(a.send.messageId, b.send.messageId),
  );
}

/** Records oldest first (by sent_at, then message id), each with all its events, also those after the range. */
export function assembleReport({ events, versions, campaigns, range }: ReportInput): ReportBody {
  const named = new Map<number, ProfileVersion>();
  const refOf = (at: ProfileAt): ProfileRef => {
    if (at.status !== 'found') return { status: at.status, version: null, valid_from: null };
    named.set(at.version.validFrom, at.version);
    return { status: 'found', version: at.version.version, valid_from: isoTime(at.version.validFrom) };
  };
  const refAt = (instant: number): ProfileRef => refOf(profileAt(versions, instant));

  const deliveryEntry = (event: ReportEvent): DeliveryEntry => ({
    event_id: event.eventId,
    type: event.type,
    occurred_at: isoTime(event.occurredAt),
    reason: event.reason,
    provider: event.provider,
    profile: refAt(event.occurredAt),
  });
  const feedbackEntry = (event: ReportEvent): FeedbackEntry => ({
    event_id: event.eventId,
    type: event.type,
    occurred_at: isoTime(event.occurredAt),
    link: event.link,
    is_machine: event.isMachine,
    value: event.value,
    user_agent: event.userAgent,
    profile: refAt(event.occurredAt),
  });

  const records: ReportRecord[] = [];
  let previous: JsonObject | null = null;
  for (const { send, events: inOrder } of messagesInRange(events, range)) {
    const at = profileAt(versions, send.occurredAt);
    const attributes = attributesOf(at);
    const campaign = campaigns.get(send.campaignId);
    records.push({
      message_id: send.messageId,
      sent_at: isoTime(send.occurredAt),
      variant: send.variant,
      campaign: {
        campaign_id: send.campaignId,
        name: campaign?.name ?? null,
        channel: send.channel,
        subject: campaign?.subject ?? null,
      },
      delivery: inOrder.filter((event) => event.kind === 'delivery').map(deliveryEntry),
      feedback: inOrder.filter((event) => event.kind === 'feedback').map(feedbackEntry),
      profile: refOf(at),
      changed_since_previous: previous === null ? null : mergePatchBetween(previous, attributes),
    });
    previous = attributes;
  }

  const profileVersions = [...named.values()]
    .sort((a, b) => a.validFrom - b.validFrom)
    .map(
      (version): ReportedVersion => ({
        version: version.version,
        valid_from: isoTime(version.validFrom),
        valid_to: version.validTo === null ? null : isoTime(version.validTo),
        attributes: attributesOf({ status: 'found', version }),
      }),
    );
  return { records, profile_versions: profileVersions };
}
