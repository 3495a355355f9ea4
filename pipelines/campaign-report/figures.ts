/** What is counted of a campaign, and the rates that are made of it. Pure. */

/**
 * Each figure as SQL over rows of the view `messages` under the name `m`: word for word what `campaign_results` says.
 * `recipients_delivered` and `unique_conversions`, which rates need, are not in it.
 */
const FIGURE_SQL = {
  messages: 'count()',
  recipients: 'uniqExact(m.user_id)',
  sent: 'countIf(m.sent > 0)',
  delivered: 'countIf(m.delivered > 0)',
  recipients_delivered: 'uniqExactIf(m.user_id, m.delivered > 0)',
  bounced: 'countIf(m.bounced > 0)',
  dropped: 'countIf(m.dropped > 0)',
  opens: 'sum(m.opened)',
  unique_opens: 'uniqExactIf(m.user_id, m.opened > 0)',
  machine_opens: 'sum(m.machine_opened)',
  clicks: 'sum(m.clicked)',
  unique_clicks: 'uniqExactIf(m.user_id, m.clicked > 0)',
  machine_clicks: 'sum(m.machine_clicked)',
  replies: 'uniqExactIf(m.user_id, m.replied > 0)',
  unsubscribes: 'uniqExactIf(m.user_id, m.unsubscribed > 0)',
  complaints: 'uniqExactIf(m.user_id, m.complained > 0)',
  conversions: 'sum(m.converted)',
  unique_conversions: 'uniqExactIf(m.user_id, m.converted > 0)',
  conversion_value: 'sum(m.conversion_value)',
} as const;

/** The same by the hour of the event itself, over rows of `first_message_events`: word for word as in `campaign_stats`. */
const EVENT_FIGURE_SQL = {
  sent: "uniqExactIf((user_id, message_id), type = 'SENT')",
  delivered: "uniqExactIf((user_id, message_id), type = 'DELIVERED')",
  bounced: "uniqExactIf((user_id, message_id), type = 'BOUNCED')",
  dropped: "uniqExactIf((user_id, message_id), type = 'DROPPED')",
  opens: "countIf(type = 'OPENED' AND NOT is_machine)",
  unique_opens: "uniqExactIf(user_id, type = 'OPENED' AND NOT is_machine)",
  machine_opens: "countIf(type = 'OPENED' AND is_machine)",
  clicks: "countIf(type = 'CLICKED' AND NOT is_machine)",
  unique_clicks: "uniqExactIf(user_id, type = 'CLICKED' AND NOT is_machine)",
  machine_clicks: "countIf(type = 'CLICKED' AND is_machine)",
  replies: "uniqExactIf(user_id, type = 'REPLIED')",
  unsubscribes: "uniqExactIf(user_id, type = 'UNSUBSCRIBED')",
  complaints: "uniqExactIf(user_id, type = 'COMPLAINED')",
  conversions: "countIf(type = 'CONVERTED')",
  conversion_value: "ifNull(sumIf(value, type = 'CONVERTED'), 0)",
} as const;

export type FigureName = keyof typeof FIGURE_SQL;
export type EventFigureName = keyof typeof EVENT_FIGURE_SQL;

export const FIGURE_NAMES = Object.keys(FIGURE_SQL) as readonly FigureName[];
export const EVENT_FIGURE_NAMES = Object.keys(EVENT_FIGURE_SQL) as readonly EventFigureName[];

/** `conversion_value` is null where a producer sent what is no number. */
export type Figures = Readonly<Record<Exclude<FigureName, 'conversion_value'>, number>> & {
  readonly conversion_value: number | null;
};
export type EventFigures = Pick<Figures, EventFigureName>;

/** Columns under names of their own: `messages.sent` is something else than `sent` of a campaign. */
export const FIGURE_COLUMNS = columns(FIGURE_SQL);
export const EVENT_FIGURE_COLUMNS = columns(EVENT_FIGURE_SQL);

function columns(sql: Readonly<Record<string, string>>): string {
  return Object.entries(sql)
    .map(([name, expression]) => `${expression} AS ${columnOf(name)}`)
    .join(',\n       ');
}

function columnOf(name: string): string {
  return `figure_${name}`;
}

/** A row as ClickHouse sends it: 64-bit numbers as text. */
export type Row = Readonly<Record<string, string | number | null>>;

function numberIn(row: Row, name: string): number {
  return Number(row[columnOf(name)] ?? 0);
}

function valueIn(row: Row): Pick<Figures, 'conversion_value'> {
  const value = row[columnOf('conversion_value')];
  return { conversion_value: value === null ? null : Number(value ?? 0) };
}

export function figuresIn(row: Row): Figures {
  return { ...namedIn(row, FIGURE_NAMES), ...valueIn(row) };
}

export function eventFiguresIn(row: Row): EventFigures {
  return { ...namedIn(row, EVENT_FIGURE_NAMES), ...valueIn(row) };
}

function namedIn<Name extends FigureName>(row: Row, names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, numberIn(row, name)])) as Record<Name, number>;
}

export const NO_FIGURES: Figures = figuresIn({});

interface RateDefinition {
  readonly numerator: Exclude<FigureName, 'conversion_value'>;
  readonly denominator: Exclude<FigureName, 'conversion_value'>;
}

/** People are held against people who were reached, messages against messages. */
export const RATES = {
  delivery_rate: { numerator: 'delivered', denominator: 'sent' },
  bounce_rate: { numerator: 'bounced', denominator: 'sent' },
  drop_rate: { numerator: 'dropped', denominator: 'messages' },
  open_rate: { numerator: 'unique_opens', denominator: 'recipients_delivered' },
  click_rate: { numerator: 'unique_clicks', denominator: 'recipients_delivered' },
  click_to_open_rate: { numerator: 'unique_clicks', denominator: 'unique_opens' },
  reply_rate: { numerator: 'replies', denominator: 'recipients_delivered' },
  unsubscribe_rate: { numerator: 'unsubscribes', denominator: 'recipients_delivered' },
  complaint_rate: { numerator: 'complaints', denominator: 'recipients_delivered' },
  conversion_rate: { numerator: 'unique_conversions', denominator: 'recipients_delivered' },
} as const satisfies Record<string, RateDefinition>;

export type RateName = keyof typeof RATES;
export const RATE_NAMES = Object.keys(RATES) as readonly RateName[];

/** Null where nothing stands below the line: nobody can say what part of nothing it was. */
export type Rates = Readonly<Record<RateName, number | null>>;

export function ratesOf(figures: Figures): Rates {
  return Object.fromEntries(
    RATE_NAMES.map((name) => {
      const { numerator, denominator } = RATES[name];
      return [name, figures[denominator] === 0 ? null : figures[numerator] / figures[denominator]];
    }),
  ) as Record<RateName, number | null>;
}
