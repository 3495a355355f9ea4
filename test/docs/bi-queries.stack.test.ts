/** The queries of docs/bi.md as they stand there, on a world that went through the pipelines; DuckDB counts the produced events. */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { produceWorld } from '../../deploy/local/world/produce-world.ts';
import { simulateWorld } from '../../deploy/local/world/simulate.ts';
import type { ProfileValue } from '../../deploy/local/world/world-record.ts';
import { ledgerCommand } from '../helpers/pipeline-child.ts';
import { type OracleChange, oracleVersions } from '../helpers/profile-oracle.ts';
import { WholeLedger } from '../helpers/whole-ledger.ts';

const WORLD = { seed: 25, events: 6_000, until: Date.UTC(2026, 9, 1) };

/** By their headings. */
const queries = new Map(
  readFileSync(new URL('../../docs/bi.md', import.meta.url), 'utf8')
    .matchAll(/^### (.+)\n[\s\S]*?```sql\n([\s\S]*?)```/gm)
    .map(([, heading = '', sql = '']) => [heading, sql] as const),
);

/**
 * The same answers in DuckDB's SQL over `events` (each once), `versions` (of the brute-force oracle; `at_ms` and the like in
 * milliseconds) and `campaigns`; with no view of ours, and no ASOF JOIN.
 */
const REACHED = `
  message AS (
    SELECT campaign_id, user_id, message_id,
           bool_or(type = 'SENT') AS is_sent, bool_or(type = 'DELIVERED') AS is_delivered, bool_or(type = 'BOUNCED') AS is_bounced,
           bool_or(type = 'OPENED' AND NOT is_machine) AS is_opened, bool_or(type = 'CLICKED' AND NOT is_machine) AS is_clicked,
           count(*) FILTER (type = 'OPENED' AND is_machine) AS machine,
           coalesce(min(at_ms) FILTER (type = 'SENT'), min(at_ms) FILTER (kind = 'delivery'), min(at_ms)) AS sent_ms
    FROM events WHERE tenant_id = 'aurora-shop' GROUP BY ALL
  )`;
const PLAN = (user: string, at: string) => `coalesce((
    SELECT CASE WHEN v.status = 'found' THEN coalesce(v.attributes->>'$.plan', '') ELSE 'deleted' END
    FROM versions v
    WHERE v.tenant_id = 'aurora-shop' AND v.user_id = ${user} AND v.from_ms <= ${at} AND (v.to_ms IS NULL OR ${at} < v.to_ms)), 'none_yet')`;

const ORACLES: Readonly<Record<string, string>> = {
  'Campaign results with honest rates': `
    WITH ${REACHED}, counts AS (
      SELECT campaign_id,
             count(*) FILTER (is_sent) AS messages_sent, count(*) FILTER (is_sent AND is_delivered) AS messages_delivered,
             count(DISTINCT user_id) FILTER (is_delivered) AS people_reached,
             count(DISTINCT user_id) FILTER (is_delivered AND is_opened) AS people_who_opened,
             count(DISTINCT user_id) FILTER (is_delivered AND is_clicked) AS people_who_clicked,
             sum(machine) AS opens_by_machines
      FROM message GROUP BY campaign_id)
    SELECT campaign_id, messages_sent, messages_delivered,
           CASE WHEN messages_sent > 0 THEN messages_delivered::DOUBLE / messages_sent END AS delivery_rate, people_reached, people_who_opened,
           CASE WHEN people_reached > 0 THEN people_who_opened::DOUBLE / people_reached END AS open_rate, people_who_clicked,
           CASE WHEN people_reached > 0 THEN people_who_clicked::DOUBLE / people_reached END AS click_rate, opens_by_machines::BIGINT AS opens_by_machines
    FROM counts ORDER BY campaign_id`,

  'Campaign totals': `
    SELECT c.campaign_id, c.name, c.channel, count(DISTINCT user_id) AS recipients,
           count(DISTINCT message_id) FILTER (type = 'SENT') AS sent, count(DISTINCT message_id) FILTER (type = 'DELIVERED') AS delivered,
           count(DISTINCT message_id) FILTER (type = 'BOUNCED') AS bounced,
           count(DISTINCT user_id) FILTER (type = 'OPENED' AND NOT is_machine) AS unique_opens,
           count(*) FILTER (type = 'OPENED' AND is_machine) AS machine_opens,
           count(DISTINCT user_id) FILTER (type = 'CLICKED' AND NOT is_machine) AS unique_clicks,
           count(DISTINCT user_id) FILTER (type = 'UNSUBSCRIBED') AS unsubscribes, count(*) FILTER (type = 'CONVERTED') AS conversions
    FROM campaigns c LEFT JOIN events e USING (tenant_id, campaign_id)
    WHERE tenant_id = 'aurora-shop' GROUP BY ALL ORDER BY c.campaign_id`,

  'Opens by hour': `
    SELECT strftime(make_timestamp(at_ms // 3600000 * 3600000000), '%Y-%m-%d %H:00:00.000') AS hour, count(*) FILTER (NOT is_machine) AS opens,
           count(DISTINCT user_id) FILTER (NOT is_machine) AS unique_opens, count(*) FILTER (is_machine) AS machine_opens
    FROM events WHERE tenant_id = 'aurora-shop' AND campaign_id = 'summer-sale' AND type = 'OPENED' GROUP BY hour ORDER BY hour`,

  // All of the world's sixty days are summer time.
  'The hour of the day at which people open': `
    SELECT (at_ms // 3600000 + 2) % 24 AS hour_of_day, count(*) AS opens, count(DISTINCT user_id) AS people
    FROM events WHERE tenant_id = 'aurora-shop' AND type = 'OPENED' AND NOT is_machine GROUP BY hour_of_day ORDER BY hour_of_day`,

  'Plan when the message was sent': `
    WITH ${REACHED}
    SELECT ${PLAN('m.user_id', 'm.sent_ms')} AS plan_then, count(*) AS messages_clicked, count(DISTINCT user_id) AS people
    FROM message m WHERE is_clicked GROUP BY plan_then ORDER BY plan_then`,

  'Plan at the moment of the click': `
    SELECT ${PLAN('e.user_id', 'e.at_ms')} AS plan_at_click, count(*) AS clicks, count(DISTINCT user_id) AS people
    FROM events e WHERE tenant_id = 'aurora-shop' AND type = 'CLICKED' AND NOT is_machine GROUP BY plan_at_click ORDER BY plan_at_click`,

  'An attribute at send time beside today': `
    WITH ${REACHED}
    SELECT ${PLAN('m.user_id', 'm.sent_ms')} AS plan_then, ${PLAN('m.user_id', '9e15::BIGINT')} AS plan_today,
           count(DISTINCT user_id) AS recipients, count(DISTINCT user_id) FILTER (is_opened) AS openers
    FROM message m WHERE campaign_id = 'summer-sale' GROUP BY plan_then, plan_today ORDER BY plan_then, plan_today`,

  // 1970-01-05, day 4, was a Monday.
  'Retention by cohort': `
    WITH ${REACHED},
    cohorts AS (SELECT user_id, (min(sent_ms) // 86400000 - 4) // 7 AS monday FROM message GROUP BY user_id),
    sizes AS (SELECT monday, count(*) AS people FROM cohorts GROUP BY monday)
    SELECT strftime(make_timestamp((monday * 7 + 4) * 86400000000), '%Y-%m-%d') AS cohort,
           people, (at_ms // 86400000 - 4) // 7 - monday AS week,
           count(DISTINCT user_id) AS opened, count(DISTINCT user_id)::DOUBLE / people AS share
    FROM events e JOIN cohorts USING (user_id) JOIN sizes USING (monday)
    WHERE tenant_id = 'aurora-shop' AND type = 'OPENED' AND NOT is_machine
    GROUP BY monday, people, week ORDER BY cohort, week`,

  "A user's history": `
    SELECT strftime(make_timestamp(at_ms * 1000), '%Y-%m-%d %H:%M:%S.%g') AS occurred_at, campaign_id, type, link, is_machine,
           coalesce((SELECT v.version FROM versions v WHERE v.tenant_id = e.tenant_id AND v.user_id = e.user_id
             AND v.from_ms <= e.at_ms AND (v.to_ms IS NULL OR e.at_ms < v.to_ms)), 0) AS version, ${PLAN('e.user_id', 'e.at_ms')} AS plan
    FROM events e WHERE tenant_id = 'aurora-shop' AND user_id = 'u-000026' ORDER BY at_ms, event_id`,
};

let ledger: WholeLedger;
let duckdb: DuckDBConnection;

beforeAll(async () => {
  ledger = await WholeLedger.create(inject('configFile'), {
    prepare: async (configFile) => {
      const migrated = await ledgerCommand(['migrate', '--config', configFile]);
      expect(migrated.exitCode, migrated.stderr).toBe(0);
    },
  });
  await produceWorld({ config: ledger.config, malformed: 0, ...WORLD });
  const running = ledger.start(['tracking', 'profiles']);
  duckdb = await (await DuckDBInstance.create()).connect();
  await loadWorld();
  await ledger.caughtUp(['tracking', 'profiles']);
  expect(await running.stop()).toEqual({ code: 0, signal: null });
});

afterAll(async () => {
  duckdb?.closeSync();
  await ledger?.[Symbol.asyncDispose]();
});

/** The world again out of its seed, without Kafka. */
async function loadWorld(): Promise<void> {
  const events: object[] = [];
  const campaigns = new Map<string, object>();
  const changes: (ProfileValue & Pick<OracleChange, 'record'>)[] = [];
  for (const { topic, value, isCopy } of simulateWorld(WORLD)) {
    if (isCopy) continue;
    if (topic === 'definitions') {
      const { tenant_id, campaign_id, name, channel } = value;
      campaigns.set(`${tenant_id}/${campaign_id}`, { tenant_id, campaign_id, name, channel });
    } else if (topic === 'profiles') {
      const place = changes.length;
      changes.push({ ...value, record: { timestamp: place, partition: 0, offset: place } });
    } else {
      const { occurred_at, ...rest } = value;
      events.push({ link: null, is_machine: false, ...rest, kind: topic, at_ms: occurred_at });
    }
  }
  const versions = [
    ...Map.groupBy(changes, ({ tenant_id, user_id }) => JSON.stringify([tenant_id, user_id])),
  ].flatMap(([user, ofUser]) => {
    const [tenant_id, user_id] = JSON.parse(user) as [string, string];
    return oracleVersions(ofUser).map(({ version, valid_from, valid_to, status, attributes }) => {
      return { tenant_id, user_id, version, from_ms: valid_from, to_ms: valid_to, status, attributes };
    });
  });
  const event =
    "{tenant_id: 'VARCHAR', campaign_id: 'VARCHAR', user_id: 'VARCHAR', message_id: 'VARCHAR', event_id: 'VARCHAR', kind: 'VARCHAR', type: 'VARCHAR', at_ms: 'BIGINT', is_machine: 'BOOLEAN', link: 'VARCHAR'}";
  const version =
    "{tenant_id: 'VARCHAR', user_id: 'VARCHAR', version: 'INTEGER', from_ms: 'BIGINT', to_ms: 'BIGINT', status: 'VARCHAR', attributes: 'JSON'}";
  const campaign = "{tenant_id: 'VARCHAR', campaign_id: 'VARCHAR', name: 'VARCHAR', channel: 'VARCHAR'}";
  for (const [table, rows, columns] of [
    ['events', events, event],
    ['versions', versions, version],
    ['campaigns', [...campaigns.values()], campaign],
  ] as const) {
    const file = join(ledger.folder, `${table}.ndjson`);
    await writeFile(file, rows.map((row) => JSON.stringify(row)).join('\n'));
    await duckdb.run(
      `CREATE TABLE ${table} AS SELECT * FROM read_json('${file}', format = 'newline_delimited', columns = ${columns})`,
    );
  }
}

/** Ratios to twelve digits: two engines divide alike, and print otherwise. */
function plain(rows: readonly Record<string, unknown>[]): unknown[] {
  return rows.map((row) =>
    Object.entries(row).map(([name, value]) => {
      if (typeof value === 'bigint') return [name, Number(value)];
      return [name, typeof value === 'number' ? Number(value.toPrecision(12)) : value];
    }),
  );
}

test('there is an independent answer to every query of the page', () => {
  expect([...queries.keys()]).toEqual(Object.keys(ORACLES));
});

test.each([...queries])('%s', async (heading, sql) => {
  const rows = await ledger.rows(sql.replaceAll('ledger_bi.', '{bi}.'));
  const answer = await duckdb.runAndReadAll(ORACLES[heading] ?? '');
  expect(plain(rows)).toEqual(plain(answer.getRowObjects()));
  expect(rows.length).toBeGreaterThan(2);
});

test('the world is one in which the answers differ', async () => {
  const rows = async (heading: string) =>
    ledger.rows((queries.get(heading) ?? '').replaceAll('ledger_bi.', '{bi}.'));
  // Somebody changed plan between the send and today, and between the send and the click.
  const moved = await rows('An attribute at send time beside today');
  expect(moved.some(({ plan_then, plan_today }) => plan_then !== plan_today)).toBe(true);
  const rates = await rows('Campaign results with honest rates');
  for (const { open_rate, click_rate } of rates) {
    expect(Number(open_rate)).toBeLessThanOrEqual(1);
    expect(Number(click_rate)).toBeLessThanOrEqual(1);
  }
});
