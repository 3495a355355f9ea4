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

/**
 * Those with an event in `events` that is older than the limit stay: it is not in the cold tier yet, or was brought back.
 *
 * The set is written down first. A message that gets an event meanwhile loses what is older than the limit all the same,
 * as if the event had come afterwards.
 * @param last the last day whose messages go
 * @returns messages removed
 * @throws {Outage}
 */
export async function letMessagesGo(client: ClickHouseClient, last: string): Promise<number> {
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
     WHERE message_hash NOT IN (SELECT ${HASH} FROM events WHERE ${BEFORE})`,
    { cutoff },
  );
  // Its copies may name several campaigns, and one of them be younger.
  await command(
    client,
    `ALTER TABLE messages_let_go DELETE WHERE message_hash IN
     (SELECT ${HASH} FROM message_events WHERE NOT ${BEFORE} AND ${HASH} IN (${SET}))`,
    { cutoff },
  );
  const [[count, known] = ['0', '0']] = await selectRows<readonly [string, string]>(
    client,
    'SELECT toString((SELECT count() FROM messages_let_go FINAL)), toString((SELECT count() FROM message_campaigns))',
  );
  faultPoint('messages-chosen', 'retention');
  if (Number(count) * WORTHWHILE < Number(known)) {
    await command(client, 'TRUNCATE TABLE messages_let_go');
    return 0;
  }
  if (count === '0') return 0;
  await command(client, `ALTER TABLE message_events DELETE WHERE ${BEFORE} AND ${HASH} IN (${SET})`, {
    cutoff,
  });
  faultPoint('messages-deleted', 'retention');
  await forgetCampaigns(client);
  return Number(count);
}

/** Of messages in the set that have no events any more; the set is empty afterwards. */
async function forgetCampaigns(client: ClickHouseClient): Promise<void> {
  const [[count] = ['0']] = await selectRows<readonly [string]>(
    client,
    'SELECT toString(count()) FROM messages_let_go',
  );
  if (count === '0') return;
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
