/** The campaign's report on the real engine: against brute force, DuckDB's ASOF JOIN, and the views that BI tools see. */
import { DuckDBInstance } from '@duckdb/node-api';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { parseAttributePath } from '../../../pipelines/campaign-report/attribute-path.ts';
import {
  type CampaignReportResult,
  makeCampaignReport,
} from '../../../pipelines/campaign-report/make-report.ts';
import type { Breakdown } from '../../../pipelines/campaign-report/report.ts';
import { LedgerDatabase } from '../../helpers/ledger-database.ts';
import { expectedStats, time } from '../../schemas/clickhouse/event-model.ts';
import {
  breakdownOf,
  comparable,
  eventRow,
  figuresOf,
  messagesOf,
  PROFILES,
  type Question,
  START,
  sentAt,
  versionRows,
  worlds,
} from './campaign-model.ts';
import { asJson, expectAsPublished } from './published-schema.ts';

const TABLES = ['events', 'message_events', 'message_campaigns', 'profile_versions', 'campaigns'];
const LATER = START + 100 * 86_400_000;

let ledger: LedgerDatabase;
beforeAll(async () => {
  ledger = await LedgerDatabase.create(inject('configFile'));
});
afterAll(async () => ledger[Symbol.asyncDispose]());

const clear = async () => {
  for (const table of TABLES) await ledger.client.command({ query: `TRUNCATE TABLE ${table}` });
};

function report(
  { tenantId, campaignId, from, to, now }: Question,
  by: string | null = null,
): Promise<CampaignReportResult> {
  return makeCampaignReport(
    { clickhouse: ledger.client, database: ledger.database, readKeptSince: async () => null },
    {
      tenantId,
      campaignId,
      range: { from, to },
      by: by === null ? null : parseAttributePath('--by', by),
      generatedAt: now,
    },
  );
}

const whole = (tenantId: string, campaignId: string, now = LATER): Question => ({
  tenantId,
  campaignId,
  from: null,
  to: null,
  now,
});

function breakdownIn({ report: { breakdown } }: CampaignReportResult): Breakdown {
  if (breakdown === null) throw new Error('the report is not broken down');
  return breakdown;
}

const hourSent = (message: Parameters<typeof sentAt>[0]) =>
  Math.floor(sentAt(message) / 3_600_000) * 3_600_000;

const byHour = (row: { hour: unknown }) => String(row.hour);

test('any world is counted as brute force counts it, in whole and group by group', async () => {
  const questions = fc.record({
    tenantId: fc.constantFrom('t', "o'tenant"),
    campaignId: fc.constantFrom('c1', 'c1', 'c2'),
    from: fc.option(fc.nat(60).map((hours) => START + hours * 3_600_000 + 1)),
    to: fc.option(fc.nat(60).map((hours) => START + hours * 3_600_000 + 2)),
    now: fc.constantFrom(LATER, START + 86_400_000 + 1),
  });
  await fc.assert(
    fc.asyncProperty(worlds, questions, async (world, { tenantId, campaignId, ...range }) => {
      await clear();
      await ledger.insert('events', [...world.events, ...world.events].map(eventRow));
      await ledger.insert('profile_versions', versionRows(world.versions));
      for (const question of [whole(tenantId, campaignId), { tenantId, campaignId, ...range }]) {
        const made = await report(question, '/p');
        expectAsPublished(asJson(made.report));
        const messages = messagesOf(world, question);
        expect(made.report.totals.figures).toEqual(figuresOf(messages));
        const expected = breakdownOf(world, question);
        const groups = [...Object.keys(expected.atSend), ...Object.keys(expected.today)];
        const isAbsentOnly =
          groups.some((group) => group.includes('"absent"')) &&
          groups.every((group) => !/"found",(?!"absent")/.test(group));
        expect(made.unknownAttribute !== null).toBe(isAbsentOnly);
        if (!isAbsentOnly) expect(comparable(breakdownIn(made))).toEqual(expected);
        const bySend = Map.groupBy(messages, hourSent);
        expect(made.report.send_hours.map(({ hour, figures }) => [Date.parse(hour), figures])).toEqual(
          [...bySend].sort(([a], [b]) => a - b).map(([hour, some]) => [hour, figuresOf(some)]),
        );
        expect(made.report.event_hours.reduce((sum, { figures }) => sum + figures.opens, 0)).toBe(
          made.report.totals.figures.opens,
        );
      }
      const made = await report(whole(tenantId, campaignId));
      const hours = made.report.event_hours.map(({ hour, figures }) => ({
        hour: time(Date.parse(hour)),
        ...figures,
      }));
      const expectedHours = expectedStats(world.events)
        .filter((row) => row.tenant_id === tenantId && row.campaign_id === campaignId)
        .map(({ tenant_id, campaign_id, ...row }) => row as { hour: unknown })
        .sort((a, b) => (byHour(a) < byHour(b) ? -1 : 1));
      expect(hours).toEqual(expectedHours);
    }),
    { numRuns: 20, interruptAfterTimeLimit: 150_000 },
  );
}, 300_000);

/** Few of everything but of messages, by numbers that only look random. */
function largeWorld() {
  let state = 42;
  const below = (limit: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  const pick = <Item>(items: readonly Item[]): Item => items[below(items.length)] as Item;
  const kinds = {
    delivery: ['SENT', 'SENT', 'SENT', 'QUEUED', 'DELIVERED', 'DELIVERED', 'BOUNCED', 'DROPPED', 'DEFERRED'],
    feedback: ['OPENED', 'OPENED', 'CLICKED', 'REPLIED', 'UNSUBSCRIBED', 'COMPLAINED', 'CONVERTED'],
  } as const;
  // Seconds apart, so that one in a few sends is at the very millisecond of a change.
  const instant = () => START + below(300) * 1_000;
  const events = Array.from({ length: 6_000 }, (_, offset) => {
    const kind = pick(['delivery', 'feedback'] as const);
    return {
      tenant_id: pick(['t', 't', 'other']),
      user_id: `u${below(150)}`,
      message_id: `m${below(6)}`,
      campaign_id: 'c',
      type: pick(kinds[kind]),
      event_id: `e${below(4)}`,
      kind,
      occurredAt: instant(),
      channel: 'EMAIL',
      variant: null,
      link: null,
      is_machine: kind === 'feedback' && below(3) === 0,
      value: pick([null, 2, 4]),
      topicId: '0'.repeat(32),
      partition: 0,
      offset,
      recordedAt: LATER + offset,
    };
  });
  const versions = new Map(
    Array.from({ length: 900 }, () => {
      const one = {
        tenant_id: pick(['t', 't', 'other']),
        user_id: `u${below(170)}`,
        validFrom: instant(),
        deleted: below(6) === 0,
        profile: pick(PROFILES.slice(0, 2)),
      };
      return [JSON.stringify([one.tenant_id, one.user_id, one.validFrom]), one] as const;
    }),
  );
  return { events, versions: [...versions.values()] };
}

test('thousands of messages are grouped as by the ASOF JOIN of DuckDB, and as the views say', async () => {
  await clear();
  const world = largeWorld();
  await ledger.insert('events', world.events.map(eventRow));
  await ledger.insert('profile_versions', versionRows(world.versions));
  const made = await report(whole('t', 'c'), 'p');
  const breakdown = breakdownIn(made);

  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  await connection.run(
    'CREATE TABLE events (tenant VARCHAR, "user" VARCHAR, message VARCHAR, type VARCHAR, event VARCHAR, kind VARCHAR, occurred BIGINT, machine BOOLEAN, "offset" BIGINT)',
  );
  await connection.run(
    'CREATE TABLE versions (tenant VARCHAR, "user" VARCHAR, since BIGINT, "group" VARCHAR)',
  );
  const text = (value: string) => `'${value.replaceAll("'", "''")}'`;
  await connection.run(
    `INSERT INTO events VALUES ${world.events.map((e) => `(${[e.tenant_id, e.user_id, e.message_id, e.type, e.event_id, e.kind].map(text).join(',')},${e.occurredAt},${e.is_machine},${e.offset})`).join(',')}`,
  );
  await connection.run(
    `INSERT INTO versions VALUES ${world.versions.map((v) => `(${[v.tenant_id, v.user_id].map(text).join(',')},${v.validFrom},${text(v.deleted ? 'deleted' : (v.profile[1].value ?? ''))})`).join(',')}`,
  );
  await connection.run(`
    CREATE TABLE messages AS
    WITH first AS (
      SELECT * FROM events WHERE tenant = 't'
      QUALIFY row_number() OVER (PARTITION BY "user", message, type, event ORDER BY "offset") = 1)
    SELECT "user", message,
      coalesce(min(occurred) FILTER (type = 'SENT'), min(occurred) FILTER (kind = 'delivery'), min(occurred)) AS sent_at,
      bool_or(type = 'DELIVERED') AS delivered,
      count(*) FILTER (type = 'OPENED' AND NOT machine) AS opened,
      count(*) FILTER (type = 'CLICKED' AND NOT machine) AS clicked
    FROM first GROUP BY "user", message`);
  const grouped = await connection.runAndReadAll(`
    SELECT coalesce(t."group", 'none_yet') AS "then", coalesce(n."group", 'none_yet') AS today,
      count(*)::INTEGER AS messages, count(DISTINCT m."user")::INTEGER AS recipients
    FROM messages m
    ASOF LEFT JOIN (SELECT * FROM versions WHERE tenant = 't') t ON m."user" = t."user" AND m.sent_at >= t.since
    LEFT JOIN (SELECT "user", arg_max("group", since) AS "group" FROM versions WHERE tenant = 't' GROUP BY "user") n ON m."user" = n."user"
    GROUP BY ALL`);
  const name = (group: { status: string; value: string | null }) => group.value ?? group.status;
  const flow = (rows: readonly (readonly unknown[])[]) => rows.map((row) => JSON.stringify(row)).sort();
  expect(
    flow(breakdown.flow.map((one) => [name(one.at_send), name(one.today), one.messages, one.recipients])),
  ).toEqual(flow(grouped.getRows()));
  const sides = await connection.runAndReadAll(`
    SELECT coalesce(t."group", 'none_yet') AS "then", count(*)::INTEGER AS messages,
      count(DISTINCT m."user")::INTEGER AS recipients,
      (count(DISTINCT m."user") FILTER (m.delivered))::INTEGER AS reached,
      (count(DISTINCT m."user") FILTER (m.opened > 0))::INTEGER AS openers,
      sum(m.clicked)::INTEGER AS clicks
    FROM messages m
    ASOF LEFT JOIN (SELECT * FROM versions WHERE tenant = 't') t ON m."user" = t."user" AND m.sent_at >= t.since
    GROUP BY ALL`);
  expect(
    flow(
      breakdown.at_send.groups.map((group) => [
        name(group),
        group.figures.messages,
        group.figures.recipients,
        group.figures.recipients_delivered,
        group.figures.unique_opens,
        group.figures.clicks,
      ]),
    ),
  ).toEqual(flow(sides.getRows()));
  // Were there no ties, nothing would tell >= from >.
  const ties = await connection.runAndReadAll(
    `SELECT count(*)::INTEGER FROM messages m JOIN versions v ON m."user" = v."user" AND m.sent_at = v.since WHERE v.tenant = 't'`,
  );
  expect(Number(ties.getRows()[0]?.[0])).toBeGreaterThan(5);

  const [results] = await ledger.rows(
    `SELECT * EXCEPT (tenant_id, campaign_id, name, channel, subject, starts_at, ends_at, first_sent_at, last_event_at)
     FROM ${ledger.bi}.campaign_results WHERE tenant_id = 't' AND campaign_id = 'c' SETTINGS output_format_json_quote_64bit_integers = 0`,
  );
  expect(made.report.totals.figures).toMatchObject(results ?? {});
  const stats = await ledger.rows<{ hour: string }>(
    `SELECT * EXCEPT (tenant_id, campaign_id) FROM ${ledger.bi}.campaign_stats WHERE tenant_id = 't' AND campaign_id = 'c'
     ORDER BY hour SETTINGS output_format_json_quote_64bit_integers = 0`,
  );
  expect(
    made.report.event_hours.map(({ hour, figures }) => ({ hour: time(Date.parse(hour)), ...figures })),
  ).toEqual(stats);
  const view = await ledger.rows<{ name: string; messages: number; recipients: number; openers: number }>(
    `SELECT if(profile_status = 'found', JSONExtractString(profile_attributes, 'p'), profile_status) AS name,
       count() AS messages, uniqExact(user_id) AS recipients, uniqExactIf(user_id, opened > 0) AS openers
     FROM ${ledger.bi}.messages_with_profile WHERE tenant_id = 't' AND campaign_id = 'c' GROUP BY name
     SETTINGS output_format_json_quote_64bit_integers = 0`,
  );
  expect(
    flow(
      breakdown.at_send.groups.map((group) => [
        name(group),
        group.figures.messages,
        group.figures.recipients,
        group.figures.unique_opens,
      ]),
    ),
  ).toEqual(flow(view.map((row) => [row.name, row.messages, row.recipients, row.openers])));
}, 120_000);

/** One message each, sent an hour after the profile began. */
async function recipients(profiles: readonly string[], { campaign = 'c', tenant = 't' } = {}): Promise<void> {
  await clear();
  await ledger.insert(
    'events',
    profiles.map((_, index) => ({
      tenant_id: tenant,
      user_id: `u${index}`,
      campaign_id: campaign,
      message_id: 'm',
      event_id: 'e',
      type: 'SENT',
      kind: 'delivery',
      channel: 'EMAIL',
      occurred_at: time(START + 3_600_000),
      recorded_at: time(START),
      source: `${'0'.repeat(32)}/0`,
      offset: index,
    })),
  );
  await ledger.insert(
    'profile_versions',
    profiles.map((attributes, index) => ({
      tenant_id: tenant,
      user_id: `u${index}`,
      valid_from: time(START),
      version: 1,
      deleted: false,
      attributes,
      change_ids: ['c'],
      recorded_at: time(START),
      fold: '1',
    })),
  );
}

const valuesBy = async (path: string) =>
  breakdownIn(await report(whole('t', 'c'), path)).at_send.groups.map(({ type, value }) => [type, value]);

describe('an attribute', () => {
  test('is found under any key, on any depth, and in lists', async () => {
    const key = 'a.b/c~d"\\ \u0001é$%22';
    await recipients([JSON.stringify({ [key]: { '': [['x'], { '0': 7 }] } })]);
    const pointer = `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    expect(await valuesBy(pointer)).toEqual([['object', '{"":[["x"],{"0":7}]}']]);
    expect(await valuesBy(`${pointer}//0`)).toEqual([['array', '["x"]']]);
    expect(await valuesBy(`${pointer}//0/0`)).toEqual([['string', 'x']]);
    expect(await valuesBy(`${pointer}//1/0`)).toEqual([['number', '7']]);
    for (const nowhere of ['//2', '//x', '//1/1', '//0/0/0', '//00', '//-1'])
      expect((await report(whole('t', 'c'), `${pointer}${nowhere}`)).unknownAttribute).not.toBeNull();
    await recipients(['{"l":[null,1],"__proto__":{"constructor":"x"}}']);
    expect(await valuesBy('l.0')).toEqual([['null', null]]);
    expect(await valuesBy('__proto__.constructor')).toEqual([['string', 'x']]);
  });

  test('that no profile has is told from one that some have, with those that there are', async () => {
    await recipients(['{"plan":"free","a.b":1}', '{"plan":"pro"}']);
    expect((await report(whole('t', 'c'), 'plna')).unknownAttribute).toEqual({ topLevel: ['plan', 'a.b'] });
    expect((await report(whole('t', 'c'), 'a.b')).unknownAttribute).toEqual({ topLevel: ['a.b', 'plan'] });
    expect(await valuesBy('/a.b')).toEqual([
      ['absent', null],
      ['number', '1'],
    ]);
  });

  test('with more values than groups has the largest, the special ones, and the others together', async () => {
    const profiles = Array.from({ length: 130 }, (_, index) => `{"n":${index < 70 ? index % 7 : index}}`);
    await recipients(['{}', ...profiles]);
    const made = await report(whole('t', 'c'), 'n');
    expectAsPublished(asJson(made.report));
    const { at_send, today, flow } = breakdownIn(made);
    expect(today).toEqual(at_send);
    expect(at_send.groups).toHaveLength(51);
    expect(at_send.groups.slice(0, 7).map(({ figures }) => figures.recipients)).toEqual(Array(7).fill(10));
    expect(at_send.groups.filter(({ type }) => type === 'absent')).toHaveLength(1);
    expect(at_send.others).toMatchObject({ groups: 17, figures: { recipients: 17, messages: 17 } });
    expect(flow.find(({ at_send: { status } }) => status === 'others')).toMatchObject({
      today: { status: 'others' },
      recipients: 17,
    });
    expect(flow.reduce((sum, one) => sum + one.recipients, 0)).toBe(131);
  });

  test('a value that is among the largest on one side is a group on the other side too', async () => {
    // 0 to 49 have two recipients at the send, 50 to 99 have two today; all have one on the other side, as have 100 to 119.
    const pairs = [
      ...Array.from({ length: 120 }, (_, n) => [n, n]),
      ...Array.from({ length: 50 }, (_, n) => [n, n + 50]),
    ] as [number, number][];
    await recipients(pairs.map(([n]) => `{"n":${n}}`));
    await ledger.insert(
      'profile_versions',
      pairs.map(([, n], index) => ({
        ...{ tenant_id: 't', user_id: `u${index}`, valid_from: time(START + 7_200_000), version: 2 },
        ...{
          deleted: false,
          attributes: `{"n":${n}}`,
          change_ids: ['c'],
          recorded_at: time(START),
          fold: '1',
        },
      })),
    );
    const { at_send, today, changed_recipients } = breakdownIn(await report(whole('t', 'c'), 'n'));
    const byValue = ({ groups }: typeof today) =>
      Object.fromEntries(groups.map(({ value, figures }) => [String(value), figures.recipients]));
    const expected = (isLarge: (n: number) => boolean) =>
      Object.fromEntries(Array.from({ length: 100 }, (_, n) => [String(n), isLarge(n) ? 2 : 1]));
    expect(byValue(at_send)).toEqual(expected((n) => n < 50));
    expect(byValue(today)).toEqual(expected((n) => n >= 50));
    for (const side of [at_send, today])
      expect(side.others).toMatchObject({ groups: 20, figures: { recipients: 20 } });
    expect(changed_recipients).toBe(50);
  });

  test('of a long value its beginning and its hash stand there, and two with one beginning are two', async () => {
    const long = 'x'.repeat(40_000);
    await recipients(['a', 'b', 'b'].map((end) => JSON.stringify({ n: { deep: long + end } })));
    const made = await report(whole('t', 'c'), 'n');
    expectAsPublished(asJson(made.report));
    const { groups } = breakdownIn(made).at_send;
    expect(groups.map(({ figures }) => figures.recipients)).toEqual([2, 1]);
    for (const { value } of groups) expect(value).toMatch(/^\{"deep":"x{991}… \(SHA-256 [0-9a-f]{16}…\)$/);
    expect(new Set(groups.map(({ value }) => value)).size).toBe(2);
    expect(JSON.stringify(made.report).length).toBeLessThan(30_000);
  });
});

describe('ids', () => {
  test.each([
    ["o'quote\\", `c"/'; DROP TABLE events --`],
    ['{database:Identifier}', '{tenantId:String}\t\n\\N'],
    ['ü/日本', '🦊'.repeat(2_500)],
  ])('%j and the like are taken as they are', async (tenant, campaign) => {
    await recipients(['{"p":1}'], { campaign, tenant });
    const made = await report(whole(tenant, campaign), "p'\\");
    expect(made.report.totals.figures.messages).toBe(1);
    expect(made.isKnownCampaign).toBe(true);
    expect((await report(whole(tenant, `${campaign}x`))).isKnownCampaign).toBe(false);
  });

  test('of another tenant say nothing, and what is not there is empty and no error', async () => {
    await recipients(['{"p":1}'], { campaign: 'c', tenant: 'other' });
    const other = await report(whole('t', 'c'), 'p');
    const nobody = await report(whole('nobody', 'c'), 'p');
    expect(other.isKnownCampaign).toBe(false);
    expect({ ...other.report, report: null }).toEqual({ ...nobody.report, report: null });
    expect(other.report.breakdown).toEqual({
      at_send: { groups: [], others: null },
      today: { groups: [], others: null },
      flow: [],
      changed_recipients: 0,
    });
    expect(other.report.totals.rates.delivery_rate).toBeNull();
  });
});
