/** One record as record.eta prints it. */
import type { DeliveryEntry, FeedbackEntry, ProfileRef, ReportRecord } from '../../report.ts';
import { deliveryMark, feedbackMark, kindsOf } from './kinds.ts';
import { changesBetween, type ProfileChange, type ProfileRows } from './profile-rows.ts';
import { webAddress } from './shown-text.ts';
import type { Survey } from './survey.ts';
import {
  channelText,
  delayText,
  exactTime,
  minuteText,
  numberText,
  plainTime,
  profileText,
  typeText,
  weekdayText,
} from './words.ts';

/** Of an interaction whose profile differs: as many changes stand beside it, the others one link away. */
const CHANGES_BESIDE = 4;
/** In the line of a record that is closed. */
const KEYS_IN_LINE = 3;

export interface RecordPlace {
  /** From 1. */
  readonly number: number;
  readonly survey: Survey;
  readonly rows: ProfileRows;
  /** The profile of the record before; null on the first. */
  readonly previous: ProfileRef | null;
}

export function recordView(record: ReportRecord, { number, survey, rows, previous }: RecordPlace) {
  const { campaign, profile } = record;
  const provider = onlyProvider(record);
  const changes = previous === null ? null : changesBetween(rows.at(previous), rows.at(profile));
  const hasOtherProfile = previous !== null && !isSameProfile(previous, profile);
  return {
    number,
    campaign: survey.campaignOf(record),
    channel: survey.channelOf(record),
    kinds: survey.kindsOf(record).join(' '),
    profile: profileView(profile, rows),
    sentAt: record.sent_at,
    day: weekdayText(record.sent_at),
    minute: minuteText(record.sent_at),
    name: campaign.name ?? campaign.campaign_id,
    subject: campaign.subject,
    channelName: channelText(campaign.channel),
    outcome: kindsOf(record).map(({ text, count, mark, group }) => ({
      text: count === 1 ? text : `${text} × ${numberText(count)}`,
      mark,
      group,
    })),
    changedKeys: keysInLine(changes ?? []),
    changes,
    previous: hasOtherProfile ? profileText(previous) : null,
    message: [
      { name: 'Message', text: record.message_id },
      { name: 'Campaign', text: campaign.campaign_id },
      ...(record.variant === null ? [] : [{ name: 'Variant', text: record.variant }]),
      ...(provider === null ? [] : [{ name: 'Provider', text: provider }]),
    ],
    entries: entriesOf(record, { rows, provider }),
  };
}

export type RecordView = ReturnType<typeof recordView>;

/** Said once where all deliveries name the same. */
function onlyProvider({ delivery }: ReportRecord): string | null {
  const providers = new Set(delivery.map(({ provider }) => provider));
  const [only = null] = providers;
  return providers.size === 1 ? only : null;
}

interface EntryContext {
  readonly rows: ProfileRows;
  /** What need not be said again. */
  readonly provider: string | null;
}

function entriesOf(record: ReportRecord, { rows, provider }: EntryContext) {
  const deliveries = record.delivery.map((entry) => ({
    at: entry.occurred_at,
    label: typeText(entry.type),
    mark: deliveryMark(entry),
    isMachine: false,
    facts: facts({ reason: entry.reason, provider: entry.provider === provider ? null : entry.provider }),
    ...when(record, entry),
    profile: otherProfile(record, entry, rows),
  }));
  const feedback = record.feedback.map((entry) => ({
    at: entry.occurred_at,
    label: typeText(entry.type),
    mark: feedbackMark(entry),
    isMachine: entry.is_machine,
    facts: facts({
      link: entry.link,
      value: entry.value === null ? null : String(entry.value),
      with: entry.user_agent,
    }),
    ...when(record, entry),
    profile: otherProfile(record, entry, rows),
  }));
  // A delivery and a reaction at one instant: the delivery came first. Sorting leaves equal ones in their order.
  return [...deliveries, ...feedback].sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
}

function when({ sent_at }: ReportRecord, { occurred_at }: DeliveryEntry | FeedbackEntry) {
  return {
    exact: exactTime(occurred_at),
    delay: occurred_at === sent_at ? null : delayText(sent_at, occurred_at),
  };
}

/** Of a link its address, where it may be followed. */
function facts(values: Readonly<Record<string, string | null>>) {
  return Object.entries(values).flatMap(([name, text]) =>
    text === null ? [] : [{ name, text, address: name === 'link' ? webAddress(text) : null }],
  );
}

/** The profile of an interaction that is not the one of the send, and what had changed between the two. */
function otherProfile(record: ReportRecord, entry: DeliveryEntry | FeedbackEntry, rows: ProfileRows) {
  if (isSameProfile(record.profile, entry.profile)) return null;
  const changes = changesBetween(rows.at(record.profile), rows.at(entry.profile));
  return {
    ...profileView(entry.profile, rows),
    changes: changes.slice(0, CHANGES_BESIDE),
    left: Math.max(0, changes.length - CHANGES_BESIDE),
  };
}

function profileView(ref: ProfileRef, rows: ProfileRows) {
  return {
    text: profileText(ref),
    /** The place of its version in the page. */
    index: rows.indexOf(ref),
    since: ref.valid_from === null ? null : plainTime(ref.valid_from),
  };
}

function isSameProfile(a: ProfileRef, b: ProfileRef): boolean {
  return a.status === b.status && a.valid_from === b.valid_from;
}

function keysInLine(changes: readonly ProfileChange[]) {
  const keys = [...new Set(changes.map(({ path }) => path[0] ?? ''))];
  return { shown: keys.slice(0, KEYS_IN_LINE), left: Math.max(0, keys.length - KEYS_IN_LINE) };
}
