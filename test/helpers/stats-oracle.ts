/** What each hour of each campaign comes to, computed from the events by counting: the slow way, so that it is plainly right. */
import type { EventRow } from './ledger-oracle.ts';

const HOUR_MS = 3_600_000;
const hourOf = (time: number) => Math.floor(time / HOUR_MS) * HOUR_MS;

/** Columns of `campaign_stats` beside tenant, campaign and hour. */
export const STATS_COLUMNS = [
  'messages',
  'recipients',
  'sent',
  'delivered',
  'bounced',
  'opens',
  'unique_opens',
  'machine_opens',
  'clicks',
  'unique_clicks',
  'machine_clicks',
  'unsubscribes',
  'conversions',
  'conversion_value',
] as const;

type Stats = Readonly<Record<(typeof STATS_COLUMNS)[number], number>>;

/** @param events each once. By `[tenant, campaign, hour]`, the hour in milliseconds. */
export function expectedStats(events: readonly EventRow[]): ReadonlyMap<string, Stats> {
  const rows = new Map<string, Stats>();
  const byCampaign = Map.groupBy(events, ({ tenant_id, campaign_id }) =>
    JSON.stringify([tenant_id, campaign_id]),
  );
  for (const [campaign, own] of byCampaign) {
    const messages = [...Map.groupBy(own, messageOf).values()];
    const hours = new Set(
      [...own.map(({ occurred_at }) => occurred_at), ...messages.map(sentAt)].map(hourOf),
    );
    for (const hour of hours) {
      rows.set(JSON.stringify([...(JSON.parse(campaign) as string[]), hour]), {
        ...sends(messages.filter((message) => hourOf(sentAt(message)) === hour)),
        ...outcomes(own.filter(({ occurred_at }) => hourOf(occurred_at) === hour)),
      });
    }
  }
  return rows;
}

const messageOf = ({ user_id, message_id }: EventRow) => JSON.stringify([user_id, message_id]);

function sentAt(message: readonly EventRow[]): number {
  const times = (some: readonly EventRow[]) => some.map(({ occurred_at }) => occurred_at);
  const sends = times(message.filter(({ type }) => type === 'SENT'));
  const deliveries = times(message.filter(({ kind }) => kind === 'delivery'));
  return Math.min(...(sends.length > 0 ? sends : deliveries.length > 0 ? deliveries : times(message)));
}

const distinct = (events: readonly EventRow[], key: (event: EventRow) => string) =>
  new Set(events.map(key)).size;
const userOf = ({ user_id }: EventRow) => user_id;

function sends(messages: readonly (readonly EventRow[])[]): Pick<Stats, 'messages' | 'recipients'> {
  return { messages: messages.length, recipients: distinct(messages.flat(), userOf) };
}

function outcomes(events: readonly EventRow[]): Omit<Stats, 'messages' | 'recipients'> {
  const of = (type: string) => events.filter((event) => event.type === type);
  const byPeople = (some: readonly EventRow[]) => some.filter(({ is_machine }) => is_machine === false);
  const [opens, clicks] = [of('OPENED'), of('CLICKED')];
  return {
    sent: distinct(of('SENT'), messageOf),
    delivered: distinct(of('DELIVERED'), messageOf),
    bounced: distinct(of('BOUNCED'), messageOf),
    opens: byPeople(opens).length,
    unique_opens: distinct(byPeople(opens), userOf),
    machine_opens: opens.length - byPeople(opens).length,
    clicks: byPeople(clicks).length,
    unique_clicks: distinct(byPeople(clicks), userOf),
    machine_clicks: clicks.length - byPeople(clicks).length,
    unsubscribes: distinct(of('UNSUBSCRIBED'), userOf),
    conversions: of('CONVERTED').length,
    conversion_value: roundedSum(of('CONVERTED').map(({ value }) => Number(value ?? 0))),
  };
}

/** A sum of doubles depends on their order in its last digits. */
export function roundedSum(values: readonly number[]): number {
  return Math.round(values.reduce((sum, value) => sum + value, 0) * 1e6) / 1e6;
}
