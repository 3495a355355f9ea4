/** Days of events of many users, made by ClickHouse itself: some users get many messages, most get few. */
import type { LedgerDatabase } from '../helpers/ledger-database.ts';

export interface ColdLoad {
  readonly days: number;
  readonly eventsPerDay: number;
  readonly users: number;
}

export const TENANT = 'aurora-shop';
export const DAY_MS = 86_400_000;
export const FIRST_DAY = Date.UTC(2026, 3, 20);
const TOPIC_ID = '0123456789abcdef0123456789abcdef';
export const TOPIC = { topicId: TOPIC_ID, partitions: [0, 1, 2, 3] };

/** `2026-04-20` for 0. */
export const dayText = (index: number) => new Date(FIRST_DAY + index * DAY_MS).toISOString().slice(0, 10);

/**
 * Of event `number` of all: four events are one message. The share of a user falls with the power of -1/3 of the rank;
 * names are scattered over the ranks.
 */
const RANK = `toUInt64(floor({users:UInt32} * pow(cityHash64(intDiv(number, 4)) / 18446744073709551616., 1.5)))`;
const USER = `concat('u-', leftPad(toString((${RANK} * 7919) % {users:UInt32}), 7, '0'))`;

const parametersOf = ({ eventsPerDay, users }: ColdLoad) => ({ eventsPerDay, users });

export async function insertDay(ledger: LedgerDatabase, load: ColdLoad, day: number): Promise<void> {
  await ledger.client.command({
    query: `
      INSERT INTO events (tenant_id, user_id, occurred_at, message_id, type, event_id, kind, campaign_id, channel, variant, reason,
        provider, link, user_agent, is_machine, value, attributes, source, offset, recorded_at)
      WITH
        number % 4 AS step,
        ['SENT', 'DELIVERED', 'OPENED', 'CLICKED'][step + 1] AS type,
        intDiv(number, 4) AS message,
        cityHash64(message, 'time') % 80000000 + step * 1000000 AS time,
        fromUnixTimestamp64Milli({start:Int64} + toInt64(time)) AS at,
        step < 2 AS is_delivery
      SELECT '${TENANT}', ${USER}, at, concat('msg-', lower(hex(cityHash64(message)))), type,
        concat('evt-', lower(hex(sipHash128(number)))), if(is_delivery, 'delivery', 'feedback'),
        concat('campaign-', toString({day:UInt32} % 40)), 'EMAIL', if(is_delivery, ['A', 'B'][message % 2 + 1], NULL), NULL,
        if(is_delivery, 'postbox', NULL), if(step = 3, concat('https://www.example.com/offers/', lower(hex(cityHash64(number % 5000)))), NULL),
        if(is_delivery, NULL, concat('Mozilla/5.0 (agent ', toString(message % 300), ')')), false, NULL,
        map('region', ['north', 'south', 'east', 'west'][message % 4 + 1]),
        concat('${TOPIC_ID}/', toString(${RANK} % 4)), number, at + INTERVAL 2 SECOND
      FROM numbers({day:UInt64} * {eventsPerDay:UInt64}, {eventsPerDay:UInt64})`,
    query_params: { ...parametersOf(load), day, start: FIRST_DAY + day * DAY_MS },
  });
}

export interface LoadUser {
  readonly userId: string;
  readonly events: number;
}

/** Counted from how they are made, not from where they are stored. */
export async function pickUsers(
  ledger: LedgerDatabase,
  load: ColdLoad,
): Promise<{ readonly median: LoadUser; readonly busiest: LoadUser }> {
  const rows = await ledger.rows<{ user: string; events: string }>(
    `SELECT ${USER} AS user, toString(count()) AS events FROM numbers({all:UInt64}) GROUP BY user ORDER BY count() DESC, user`,
    { ...parametersOf(load), all: load.days * load.eventsPerDay },
  );
  const [busiest, median] = [rows[0], rows[Math.floor(rows.length / 2)]].map((row) => ({
    userId: row?.user ?? '',
    events: Number(row?.events),
  }));
  if (busiest === undefined || median === undefined) throw new Error('nobody has any events');
  return { median, busiest };
}
