/**
 * Messages leave whole: when the last of their events is older than they are kept. What came of a message is computed from
 * `message_events`, so a message that lost some of its events would tell something else than what happened.
 */
import type { ClickHouseClient } from '@clickhouse/client';
import { asOutage } from '../common/clickhouse/client.ts';
import { selectRows } from '../common/clickhouse/select.ts';
import { faultPoint } from '../common/fault-points.ts';
import { DAY_MS, startOf } from './days.ts';

const HASH = 'cityHash64(tenant_id, user_id, message_id)';
const SET = 'SELECT message_hash FROM messages_let_go';
/** Parts of the table are written anew: not for less than a hundredth of the messages. With two years, that is weekly. */
const WORTHWHILE = 100;
const BEFORE = "occurred_at < fromUnixTimestamp64Milli({cutoff:Int64}, 'UTC')";

/** What ClickHouse holds of a set that it deletes by: 32 bytes a message at most. */
const MESSAGES_AT_ONCE = 16_000_000;

/** One pass: a mutation of the whole table. */
export interface MessagesPass {
  /** That were removed. */
  readonly messages: number;
  /** False: more are due than one pass takes, and another one goes on. */
  readonly isAll: boolean;
}

/**
 * Those with an event in `events` that is older than the limit stay: it is not in the cold tier yet, or was brought back.
 *
 * The set is written down first. A message that gets an event meanwhile loses what is older than the limit all the same,
 * as if the event had come afterwards.
 * @param last the last day whose messages go
 * @throws {Outage}
 */
export async function letSomeMessagesGo(
  client: ClickHouseClient,
  last: string,
  { messagesAtOnce = MESSAGES_AT_ONCE }: { readonly messagesAtOnce?: number } = {},
): Promise<MessagesPass> {
  const cutoff = startOf(last) + DAY_MS;
  // What an earlier run did not come to.
  await forgetCampaigns(client);
  await command(
    client,
    `INSERT INTO messages_let_go
     SELECT DISTINCT message_hash FROM
     (
       SELECT ${HASH} AS message_hash FROM message_events
       GROUP BY tenant_id, campaign_id, user_id, message_id
       HAVING max(occurred_at) < fromUnixTimestamp64Milli({cutoff:Int64}, 'UTC')
       SETTINGS optimize_aggregation_in_order = 1
     )
     WHERE message_hash NOT IN (SELECT ${HASH} FROM events WHERE ${BEFORE})
     LIMIT {most:UInt64}`,
    { cutoff, most: messagesAtOnce },
  );
  const chosen = await count(client, 'SELECT toString(count()) FROM messages_let_go FINAL');
  // Its copies may name several campaigns, and one of them be younger.
  await command(
    client,
    `ALTER TABLE messages_let_go DELETE WHERE message_hash IN
     (SELECT ${HASH} FROM message_events WHERE NOT ${BEFORE} AND ${HASH} IN (${SET}))`,
    { cutoff },
  );
  const messages = await count(client, 'SELECT toString(count()) FROM messages_let_go FINAL');
  const known = await count(client, 'SELECT toString(count()) FROM message_campaigns');
  faultPoint('messages-chosen', 'retention');
  // A pass that is full is worth while, however many messages there are.
  const isFull = chosen >= messagesAtOnce;
  if (!isFull && messages * WORTHWHILE < known) {
    await command(client, 'TRUNCATE TABLE messages_let_go');
    return { messages: 0, isAll: true };
  }
  // Nothing but younger copies: the next pass would find the same.
  if (messages === 0) return { messages, isAll: true };
  await command(client, `ALTER TABLE message_events DELETE WHERE ${BEFORE} AND ${HASH} IN (${SET})`, {
    cutoff,
  });
  faultPoint('messages-deleted', 'retention');
  await forgetCampaigns(client);
  return { messages, isAll: !isFull };
}

async function count(client: ClickHouseClient, query: string): Promise<number> {
  const [[text] = ['0']] = await selectRows<readonly [string]>(client, query);
  return Number(text);
}

/** Of messages in the set that have no events any more; the set is empty afterwards. */
async function forgetCampaigns(client: ClickHouseClient): Promise<void> {
  if ((await count(client, 'SELECT toString(count()) FROM messages_let_go')) === 0) return;
  await command(
    client,
    `ALTER TABLE message_campaigns DELETE WHERE message_hash IN (${SET})
     AND message_hash NOT IN (SELECT ${HASH} FROM message_events WHERE ${HASH} IN (${SET}))`,
  );
  await command(client, 'TRUNCATE TABLE messages_let_go');
}

async function command(
  client: ClickHouseClient,
  query: string,
  query_params: Record<string, unknown> = {},
): Promise<void> {
  try {
    await client.command({
      query,
      query_params,
      // A question inside of a mutation is refused on replicated tables: replicas might answer it differently. Its set
      // is written down, and waited for.
      clickhouse_settings: { mutations_sync: '2', allow_nondeterministic_mutations: 1 },
    });
  } catch (error) {
    throw asOutage(error);
  }
}
