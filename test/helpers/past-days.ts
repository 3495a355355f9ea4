/** Events of past days, as a ledger would have got them: for tests of what becomes of old ones. */
import type { Config } from '../../config/schema.ts';
import { topicNames } from '../../config/topics.ts';
import { createContainer } from '../../pipelines/common/blob/container.ts';
import { systemClock } from '../../pipelines/common/clock.ts';
import { createLogger } from '../../pipelines/common/logger.ts';
import type { RetentionResult } from '../../pipelines/retention/run.ts';
import { runRetentionOnce } from '../../pipelines/retention/run-once.ts';
import type { Sent } from './ledger-harness.ts';
import { delivery, feedback } from './ledger-values.ts';
import type { WholeLedger } from './whole-ledger.ts';

export const DAY_MS = 86_400_000;
const TODAY = Math.floor(Date.now() / DAY_MS) * DAY_MS;

/** Noon of the day so many days ago. */
export const noonOf = (age: number) => TODAY - age * DAY_MS + DAY_MS / 2;
export const dayText = (age: number) => new Date(noonOf(age)).toISOString().slice(0, 10);

export const USERS = ['ann', 'bob', 'cid', 'dee', 'eve'];

/** A message to each user on each day, and what came of it, on the same day and on the next. */
export async function produceDays(
  { harness }: WholeLedger,
  ages: readonly number[],
  { tag = '' }: { tag?: string } = {},
): Promise<void> {
  const deliveries: Sent[] = [];
  const feedbacks: Sent[] = [];
  for (const age of ages) {
    for (const user_id of USERS) {
      const message_id = `m-${age}-${user_id}${tag}`;
      const key = `acme/${user_id}`;
      const sent = delivery({ event_id: `d-${message_id}`, user_id, message_id, occurred_at: noonOf(age) });
      deliveries.push({ key, value: harness.encode('delivery', sent) });
      for (const later of [60_000, DAY_MS]) {
        if (age === 0 && later === DAY_MS) continue;
        const event_id = `f-${message_id}-${later}`;
        const opened = feedback({ event_id, user_id, message_id, occurred_at: noonOf(age) + later });
        feedbacks.push({ key, value: harness.encode('feedback', opened) });
      }
    }
  }
  await harness.produce('delivery', deliveries);
  await harness.produce('feedback', feedbacks);
}

export type RetentionSettings = Partial<Config['retention']>;

/** As `retention run` does, with other settings than the ledger's. */
export function runWith({ config }: WholeLedger, settings: RetentionSettings): Promise<RetentionResult> {
  const logger = createLogger({ level: process.env.LEDGER_TEST_LOG ?? 'silent', format: 'json' });
  return runRetentionOnce(
    { config: withRetention(config, settings), logger, clock: systemClock },
    { waitMs: 0, retries: 0 },
  );
}

export function withRetention(config: Config, settings: RetentionSettings): Config {
  return { ...config, retention: { ...config.retention, ...settings } };
}

/** How many rows each day has, overruled copies and all. */
export async function rowsByDay(ledger: WholeLedger): Promise<Record<string, number>> {
  const rows = await ledger.rows<{ day: string; rows: string }>(
    'SELECT toString(toDate(occurred_at)) AS day, toString(uniqExact(source, offset)) AS rows FROM events GROUP BY day ORDER BY day',
  );
  return Object.fromEntries(rows.map(({ day, rows: count }) => [day, Number(count)]));
}

/** Paths of the topic's segments, without the prefix. */
export async function segmentsOf({ config }: WholeLedger, role: 'delivery' | 'feedback'): Promise<string[]> {
  const container = createContainer(config);
  const paths: string[] = [];
  const prefix = `${config.blob.prefix}raw/${topicNames(config)[role]}/`;
  for await (const { name } of container.listBlobsFlat({ prefix }))
    paths.push(name.slice(config.blob.prefix.length));
  return paths;
}
