/** How times, delays, kinds and profiles are called on the page. All times are UTC. */
import type { ProfileRef } from '../../report.ts';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const WHOLE_MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];
const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

/** `11 Aug 2026` */
export function dayText(iso: string): string {
  const date = new Date(iso);
  return `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
}

/** `Tue 11 Aug` */
export function weekdayText(iso: string): string {
  const date = new Date(iso);
  return `${WEEKDAYS[date.getUTCDay()]} ${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
}

/** `August 2026` */
export function monthText(iso: string): string {
  const date = new Date(iso);
  return `${WHOLE_MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
}

/** `09:14` */
export function minuteText(iso: string): string {
  return new Date(iso).toISOString().slice(-13, -8);
}

/** `11 Aug 2026, 09:14` */
export function dayAndMinute(iso: string): string {
  return `${dayText(iso)}, ${minuteText(iso)}`;
}

/** `11 Aug 2026, 09:14:02.120` */
export function exactTime(iso: string): string {
  return `${dayText(iso)}, ${new Date(iso).toISOString().slice(-13, -1)}`;
}

/** As exact as it has to be: `11 Aug 2026, 09:14` where it is a whole minute. */
export function plainTime(iso: string): string {
  return Date.parse(iso) % 60_000 === 0 ? dayAndMinute(iso) : exactTime(iso);
}

/** How long after another time, or before it, in the units that a person would say: `3 h 26 min later`. */
export function delayText(from: string, to: string): string {
  const milliseconds = Date.parse(to) - Date.parse(from);
  if (milliseconds === 0) return 'at once';
  return `${distance(Math.abs(milliseconds))} ${milliseconds < 0 ? 'before' : 'later'}`;
}

function distance(milliseconds: number): string {
  if (milliseconds < 1000) return `${milliseconds} ms`;
  const seconds = Math.floor(milliseconds / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return inTwo(seconds, 60, ['min', 's']);
  if (seconds < 86_400) return inTwo(Math.floor(seconds / 60), 60, ['h', 'min']);
  return inTwo(Math.floor(seconds / 3600), 24, ['d', 'h']);
}

function inTwo(amount: number, per: number, [large, small]: readonly [string, string]): string {
  const rest = amount % per;
  return `${Math.floor(amount / per)} ${large}${rest === 0 ? '' : ` ${rest} ${small}`}`;
}

const CHANNELS: ReadonlyMap<string, string> = new Map([
  ['EMAIL', 'Email'],
  ['SMS', 'SMS'],
  ['PUSH', 'Push'],
  ['WEB', 'Web'],
  ['IN_APP', 'In-app'],
  ['SOCIAL', 'Social'],
  ['DIRECT_MAIL', 'Direct mail'],
  ['WEBHOOK', 'Webhook'],
  ['UNKNOWN', 'Unknown channel'],
]);

/** A newer producer's channel is called as it calls it. */
export function channelText(channel: string): string {
  return CHANNELS.get(channel) ?? channel;
}

const TYPES: ReadonlyMap<string, string> = new Map(
  [
    'Queued',
    'Sent',
    'Delivered',
    'Deferred',
    'Bounced',
    'Dropped',
    'Opened',
    'Clicked',
    'Replied',
    'Forwarded',
    'Deleted',
    'Blocked',
    'Unsubscribed',
    'Complained',
    'Converted',
    'Unknown',
  ].map((text) => [text.toUpperCase(), text]),
);

export function typeText(type: string, isMachine = false): string {
  return `${TYPES.get(type) ?? type}${isMachine ? ' by a machine' : ''}`;
}

/** `v3`, or why there is none. */
export function profileText({ status, version }: ProfileRef): string {
  if (status === 'found') return `v${version}`;
  if (status === 'none_yet') return 'no profile yet';
  return status === 'deleted' ? 'profile deleted' : 'no longer kept';
}

/** `1 message`, `2,000 messages` */
export function countText(count: number, [one, many]: readonly [string, string]): string {
  return `${numberText(count)} ${count === 1 ? one : many}`;
}

export function numberText(count: number): string {
  return count.toLocaleString('en-US');
}
