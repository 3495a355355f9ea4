/** One record as record.eta prints it, with its entries as entries.eta does, some at a time. */
import type { DeliveryEntry, FeedbackEntry, ProfileRef, StreamedRecord } from '../../report.ts';
import { deliveryMark, feedbackMark, outcomeOf } from './kinds.ts';
import { changesBetween, type ProfileChange, type ProfileRows } from './profile-rows.ts';
import { webAddress } from './shown-text.ts';
import type { Survey } from './survey.ts';
import { render } from './templates.ts';
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
/** A piece of text. */
const ENTRIES_AT_ONCE = 200;

export interface RecordPlace {
  /** From 1. */
  readonly number: number;
  readonly survey: Survey;
  readonly rows: ProfileRows;
  /** The profile of the record before; null on the first. */
  readonly previous: ProfileRef | null;
}

/** Text, in one piece unless there are many entries. */
export function* recordHtml(record: StreamedRecord, place: RecordPlace): Generator<string> {
  const { provider, ...view } = recordView(record, place);
  let text = render('record', view);
  let entries: EntryView[] = [];
  for (const entry of entriesOf(record, { rows: place.rows, provider })) {
    entries.push(entry);
    if (entries.length < ENTRIES_AT_ONCE) continue;
    yield text + render('entries', { entries });
    text = '';
    entries = [];
  }
  yield text + render('entries', { entries }) + render('record-end', view);
}

function recordView(record: StreamedRecord, { number, survey, rows, previous }: RecordPlace) {
  const { campaign, profile } = record;
  const outcome = outcomeOf(record);
  const { provider } = outcome;
  const changes = previous === null ? null : changesBetween(rows.at(previous), rows.at(profile));
  const hasOtherProfile = previous !== null && !isSameProfile(previous, profile);
  return {
    number,
    campaign: survey.campaignOf(record),
    channel: survey.channelOf(record),
    kinds: survey.kindsOf(outcome).join(' '),
    profile: profileView(profile, rows),
    sentAt: record.sent_at,
    day: weekdayText(record.sent_at),
    minute: minuteText(record.sent_at),
    name: campaign.name ?? campaign.campaign_id,
    subject: campaign.subject,
    channelName: channelText(campaign.channel),
    outcome: outcome.kinds.map(({ text, count, mark, group }) => ({
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
    /** Said once where all deliveries name the same. */
    provider,
  };
}

interface EntryContext {
  readonly rows: ProfileRows;
  /** What need not be said again. */
  readonly provider: string | null;
}

/** A delivery and a reaction at one instant: the delivery came first. */
function* entriesOf(record: StreamedRecord, context: EntryContext): Generator<EntryView> {
  const feedback = record.feedback[Symbol.iterator]();
  let reaction = feedback.next();
  for (const entry of record.delivery) {
    for (
      ;
      reaction.done !== true && reaction.value.occurred_at < entry.occurred_at;
      reaction = feedback.next()
    )
      yield entryView(record, reaction.value, context);
    yield entryView(record, entry, context);
  }
  for (; reaction.done !== true; reaction = feedback.next()) yield entryView(record, reaction.value, context);
}

type EntryView = ReturnType<typeof entryView>;

function entryView(
  record: StreamedRecord,
  entry: DeliveryEntry | FeedbackEntry,
  { rows, provider }: EntryContext,
) {
  const isFeedback = 'link' in entry;
  return {
    label: typeText(entry.type),
    mark: isFeedback ? feedbackMark(entry) : deliveryMark(entry),
    isMachine: isFeedback && entry.is_machine,
    facts: isFeedback
      ? facts({
          link: entry.link,
          value: entry.value === null ? null : String(entry.value),
          with: entry.user_agent,
        })
      : facts({ reason: entry.reason, provider: entry.provider === provider ? null : entry.provider }),
    ...when(record, entry),
    profile: otherProfile(record, entry, rows),
  };
}

function when({ sent_at }: StreamedRecord, { occurred_at }: DeliveryEntry | FeedbackEntry) {
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
function otherProfile(record: StreamedRecord, entry: DeliveryEntry | FeedbackEntry, rows: ProfileRows) {
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
