/** Numbers and times as people read them. Pure. */
import type { FigureName, RateName } from '../figures.ts';

export const FIGURE_TITLES: Readonly<Record<FigureName, string>> = {
  messages: 'Messages',
  recipients: 'Recipients',
  sent: 'Sent',
  delivered: 'Delivered',
  bounced: 'Bounced',
  dropped: 'Dropped',
  recipients_delivered: 'Recipients delivered to',
  opens: 'Opens',
  unique_opens: 'People who opened',
  machine_opens: 'Opens by machines',
  clicks: 'Clicks',
  unique_clicks: 'People who clicked',
  machine_clicks: 'Clicks by machines',
  replies: 'People who replied',
  unsubscribes: 'People who unsubscribed',
  complaints: 'People who complained',
  conversions: 'Conversions',
  unique_conversions: 'People who converted',
  conversion_value: 'Value of conversions',
};

export const RATE_TITLES: Readonly<Record<RateName, string>> = {
  delivery_rate: 'Delivery rate',
  bounce_rate: 'Bounce rate',
  drop_rate: 'Drop rate',
  open_rate: 'Open rate',
  click_rate: 'Click rate',
  click_to_open_rate: 'Click-to-open rate',
  reply_rate: 'Reply rate',
  unsubscribe_rate: 'Unsubscribe rate',
  complaint_rate: 'Complaint rate',
  conversion_rate: 'Conversion rate',
};

const whole = new Intl.NumberFormat('en');
const money = new Intl.NumberFormat('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 });

export function countText(count: number): string {
  return whole.format(count);
}

/** In the unit that the tenant chose: none is named. */
export function valueText(value: number | null): string {
  return value === null ? 'not a number' : money.format(value);
}

export function figureText(name: FigureName, value: number | null): string {
  return name === 'conversion_value' ? valueText(value) : countText(value ?? 0);
}

/** A part of nothing is no number. */
export function rateText(rate: number | null): string {
  return rate === null ? '–' : `${(100 * rate).toFixed(rate !== 0 && Math.abs(rate) < 0.01 ? 2 : 1)} %`;
}

/** `2026-08-11 09:00` of an instant in ISO 8601, UTC. */
export function minuteText(time: string): string {
  const [date = '', clock = ''] = time.split('T');
  return `${date} ${clock.slice(0, 5)}`;
}

export function rangeText(from: string | null, to: string | null): string {
  if (from === null && to === null) return 'all time';
  return `sent from ${from === null ? 'the beginning' : minuteText(from)} to ${to === null ? 'now' : minuteText(to)}`;
}

/** What a reader must know before anything else; null: nothing. */
export function partialText(completeFrom: string | null, isPartial: boolean | null): string | null {
  if (completeFrom === null || isPartial === false) return null;
  const since = `messages are kept whole from ${minuteText(completeFrom)} on`;
  return isPartial === true
    ? `This report may lack messages: ${since}, and the campaign is older.`
    : `This report may lack messages: ${since}, and nothing tells when the campaign began.`;
}
